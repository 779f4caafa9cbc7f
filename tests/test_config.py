from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from little_data import NAME, settings, write_little

from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.values import load_yaml, parse_value
from recbole_mirec.config import (
    RULES,
    MirecConfig,
    model_defaults,
    overall_default,
    properties_folder,
    resolve_presets,
    variants_that_read,
)
from recbole_mirec.experiment import run_experiment
from recbole_mirec.registry import model_names


def config(**changes: Any) -> MirecConfig:
    return MirecConfig(config_dict={"model": "MIRec", "dataset": "mirec-tiny"} | changes)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-2.5e+1", -25.0),
        ("0.02", 0.02),
        ("true", True),
        ("False", False),
        ("[content,attribute]", ["content", "attribute"]),
        ("{content: 1}", {"content": 1}),
        ("~", None),
        ("None", None),
        ("none", "none"),
        ("[None]", ["None"]),
        ("", None),
        ("mirec-demo", "mirec-demo"),
        ("1+1", "1+1"),
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("[unclosed", "[unclosed"),
    ],
)
def test_values_are_read_as_yaml_and_never_as_python(text: str, value: object) -> None:
    read = parse_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["20", "-3", "0"])
def test_whole_numbers_stay_whole(text: str) -> None:
    assert type(parse_value(text)) is int


def test_a_string_that_is_python_stays_a_string_in_the_config() -> None:
    assert config(attribute_graph_file="1 + 1")["attribute_graph_file"] == "1 + 1"


def test_layers_later_ones_win() -> None:
    plain = config()
    assert plain["weight_decay"] == 0.0  # RecBole's overall.yaml
    assert plain["topk"] == [10, 50]  # our overall.yaml over RecBole's [10]
    assert plain["graph_dimension"] == 128  # our model's
    assert plain["learning_rate"] == 0.005  # a preset over overall.yaml's
    assert config(learning_rate=0.5)["learning_rate"] == 0.5  # the user over the preset
    assert (
        MirecConfig(config_dict={"model": "BPR", "dataset": "x"})["embedding_size"] == 64
    )  # RecBole's model
    films = MirecConfig(config_dict={"model": "BPR", "dataset": "ml-100k"})
    assert films["USER_ID_FIELD"] == "user_id"  # a data set's
    assert plain["USER_ID_FIELD"] == "brand_id"
    assert overall_default("checkpoint_dir") == "saved"
    assert overall_default("topk") == [10, 50]


def test_the_command_line_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["x", "--epochs=77", "--seed=3"])
    assert config()["epochs"] == 100
    assert config()["seed"] == overall_default("seed")


def test_presets_resolve_and_the_user_wins() -> None:
    reference, paper = config(variant="reference"), config(variant="paper", schedule="paper")
    assert (reference["fusion"], paper["fusion"]) == ("product", "low_rank")
    assert (reference["train_batch_size"], paper["train_batch_size"]) == (256, 16)
    assert (reference["epochs"], paper["epochs"]) == (20, 100)
    mixed = config(variant="paper", fusion="product", epochs=3)
    assert (mixed["fusion"], mixed["coattention_input"], mixed["epochs"]) == ("product", "raw", 3)
    assert mixed["variants"] is None
    assert mixed["schedules"] is None


def test_a_variant_brings_a_schedule_along_and_the_user_s_wins() -> None:
    ours, quick = config(), config(schedule="quick")
    assert (ours["schedule"], ours["train_batch_size"]) == ("full_batch", 8192)
    assert (quick["schedule"], quick["train_batch_size"], quick["epochs"]) == ("quick", 256, 20)
    assert config(variant="reference")["schedule"] == "quick"
    assert config(variant="mirec", epochs=3)["epochs"] == 3


def test_both_readings_set_the_same_keys_and_a_schedule_none_that_its_variant_lacks() -> None:
    defaults = model_defaults("MIRec")
    variants = {name: set(preset) for name, preset in defaults["variants"].items()}
    schedules = [set(preset) for preset in defaults["schedules"].values()]
    assert variants["reference"] == variants["paper"]
    # What only some schedules set has a value of the variant's under the others.
    partial = set.union(*schedules) - set.intersection(*schedules)
    assert all(partial <= keys for keys in variants.values())
    flat = resolve_presets(defaults, {})
    assert {"variants", "schedules"}.isdisjoint(flat)
    assert flat["variant"] in defaults["variants"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dimension": 64},
            "'dimension' has no effect with variant=mirec; leave it out, or set va",
        ),
        ({"dimension": 64}, "or set variant=reference or paper."),
        ({"variant": "mirec", "margins": {}}, "'margins' has no effect with variant=mirec; leave"),
        ({"variant": "paper", "tower": "mlp"}, "'tower' has no effect with variant=paper; leave i"),
        (
            {"variant": "reference", "csls": True},
            "variant=reference; leave it out, or set variant=mi",
        ),
        ({"method": "morning"}, "Key 'method' has no effect here: it follows from 'variant'."),
    ],
)
def test_a_key_of_another_variant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        config(**changes)
    assert message in str(caught.value)


def test_which_variants_read_a_key() -> None:
    defaults = {
        "variant": "a",
        "shared": 1,
        "schedule": "s",
        "variants": {"a": {"x": 1, "schedule": "t"}, "b": {"x": 2, "y": 3}},
        "schedules": {"s": {}, "t": {"y": 4}},
    }
    found = {
        key: variants_that_read(key, defaults) for key in ("x", "y", "shared", "schedule", "z")
    }
    assert found == {"x": ["a", "b"], "y": ["b"], "shared": [], "schedule": [], "z": []}
    # a schedule gives y an effect all the same
    assert resolve_presets(defaults, {"y": 5})["y"] == 4
    with pytest.raises(UsageError, match="'y' has no effect with variant=a; leave it out, or set"):
        resolve_presets(defaults, {"y": 5, "schedule": "s"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "MIRce"}, "Unknown model 'MIRce'. Did you mean 'MIRec'?"),
        ({"model": "mirec"}, "Unknown model 'mirec'. Did you mean 'MIRec'?"),
        ({"model": "lightGCN"}, "Did you mean 'LightGCN'?"),
        ({"model": "SASRec"}, "Unknown model 'SASRec'."),
        ({"variant": "refrence"}, "Unknown variant 'refrence'. Did you mean 'reference'?"),
        ({"schedule": "fast"}, "Unknown schedule 'fast'. Valid: full_batch, paper, quick."),
        ({"protocol": "new_brand"}, "Unknown protocol 'new_brand'. Did you mean 'new-brand'?"),
        ({"perspetives": []}, "Unknown key 'perspetives' for model MIRec. Did you mean"),
        ({"learning_rte": 1}, "Unknown key 'learning_rte' for model MIRec. Did you mean 'learn"),
        ({"variants": {}}, "Unknown key 'variants' for model MIRec. Did you mean 'variant'?"),
        ({"model": "BPR", "l1_weight": 1}, "Unknown key 'l1_weight' for model BPR."),
        ({"epochs": 0}, "Key 'epochs' must hold whole numbers of at least 1. Received: 0."),
        ({"epochs": 2.0}, "Key 'epochs' must hold whole numbers of at least 1. Received: 2.0."),
        ({"epochs": "two"}, "Received: 'two'."),
        ({"eval_step": True}, "Key 'eval_step' must hold whole numbers of at least 1."),
        ({"seed": -1}, "Key 'seed' must hold whole numbers of at least 0 and at most"),
        ({"seed": 2**32}, "of at least 0 and at most 4294967295. Received: 4294967296."),
        ({"folds": 1.5}, "Key 'folds' must hold whole numbers of at least 0. Received: 1.5."),
        ({"fold": 2}, "Key 'fold' is 2, but there are no folds; set 'folds' as well."),
        ({"folds": 5}, "'fold' one of 1 to 'folds'. Received: 5 and 0."),
        ({"folds": 5, "fold": 6}, "'fold' one of 1 to 'folds'. Received: 5 and 6."),
        ({"folds": 1, "fold": 1}, "Key 'folds' must be 0 or at least 2, and 'fold' one of 1"),
        (
            {"folds": 5, "fold": 1, "protocol": "known-brand"},
            "Key 'folds' cuts brands, which protocol 'known-brand' does not; leave it out",
        ),
        ({"torch_threads": 1.5}, "Key 'torch_threads' must hold whole numbers"),
        ({"topk": []}, "Key 'topk' must be a list of cut-offs. Received: []."),
        ({"topk": [10, 0]}, "Key 'topk' must hold whole numbers of at least 1. Received: 0."),
        ({"topk": [2.5]}, "Key 'topk' must hold whole numbers of at least 1. Received: 2.5."),
        ({"topk": "ten"}, "Key 'topk' must be a list of cut-offs. Received: 'ten'."),
        ({"learning_rate": 0}, "Key 'learning_rate' must be a number above 0. Received: 0."),
        ({"learning_rate": "fast"}, "Key 'learning_rate' must be a number above 0."),
        ({"learning_rate_decay": -1.0}, "Key 'learning_rate_decay' must be a number above 0."),
        (
            {"train_neg_sample_args": {"distribution": "unifrom"}},
            "Key 'train_neg_sample_args: distribution' must be one of uniform, popularity. Receiv",
        ),
        ({"train_neg_sample_args": {"num": 2}}, "Unknown entry 'num' of train_neg_sample_args."),
        ({"train_neg_sample_args": None}, "The model learns from negatives; leave train_neg"),
        (
            {"train_neg_sample_args": {"sample_num": 0, "distribution": "uniform"}},
            "sample_num' must",
        ),
        (
            {"train_neg_sample_args": {"dynamic": True, "distribution": "uniform"}},
            "candidate_num' must hold whole numbers of at least 1. Received: 0.",
        ),
        ({"drop_last": "maybe"}, "Key 'drop_last' must be True or False. Received: 'maybe'."),
        ({"show_progress": 1}, "Key 'show_progress' must be True or False. Received: 1."),
        ({"train_neg_sample_args": 3}, "'train_neg_sample_args' must map distribution, sample_num"),
        (
            {"train_neg_sample_args": {"alpha": "abc", "distribution": "popularity"}},
            "Key 'train_neg_sample_args: alpha' must be a number. Received: 'abc'.",
        ),
        ({"graph_eta": "abc"}, "Key 'graph_eta' must be a number above 0. Received: 'abc'."),
        ({"graph_p": float("nan")}, "Key 'graph_p' must be a number above 0. Received: nan."),
        ({"graph_window": "abc"}, "Key 'graph_window' must hold whole numbers of at least 1."),
        ({"graph_dimension": 12.5}, "Key 'graph_dimension' must hold whole numbers of at least 1."),
        (
            {"graph_seed": "abc"},
            "Key 'graph_seed' must hold whole numbers of at least 0 and at most",
        ),
        ({"graph_n_walks": 1.5}, "Key 'graph_n_walks' must hold whole numbers of at least 1."),
        ({"graph_netmf_negative": "abc"}, "Key 'graph_netmf_negative' must hold whole numbers"),
        ({"graph_negative": None}, "Key 'graph_negative' must hold whole numbers of at least 1."),
        ({"graph_epochs": True}, "Key 'graph_epochs' must hold whole numbers of at least 1."),
        ({"graph_walk_length": 1}, "Key 'graph_walk_length' must hold whole numbers of at least 2"),
        ({"graph_subsample": -0.1}, "Key 'graph_subsample' must be a number of at least 0."),
        ({"learning_rate": float("inf")}, "Key 'learning_rate' must be a number above 0."),
        ({"learning_rate_decay_steps": -1}, "'learning_rate_decay_steps' must hold whole numbers"),
        ({"learning_rate_decay_steps": "abc"}, "'learning_rate_decay_steps' must hold whole"),
        ({"stopping_step": -1}, "Key 'stopping_step' must hold whole numbers of at least 0."),
        ({"stopping_step": "abc"}, "Key 'stopping_step' must hold whole numbers of at least 0."),
        ({"weight_decay": "abc"}, "Key 'weight_decay' must be a number of at least 0."),
        ({"weight_decay": -1}, "Key 'weight_decay' must be a number of at least 0. Received: -1."),
        ({"checkpoint_dir": 5}, "Key 'checkpoint_dir' must be the path of a folder. Received: 5."),
        ({"checkpoint_dir": ""}, "Key 'checkpoint_dir' must be the path of a folder."),
        ({"learner": "adamm"}, "Key 'learner' must be one of adam, adamw, sgd, adagrad, rmsprop."),
        ({"learner": "sparse_adam"}, "Key 'learner' must be one of"),
        ({"state": "loud"}, "Key 'state' must be one of debug, info, warning, error, critical."),
        ({"worker": 2}, "Key 'worker' must be 0: worker processes would each draw the same"),
        ({"log_wandb": True}, "Key 'log_wandb' must be False: a run is recorded in its own"),
        ({"model": "BPR", "embedding_size": 0}, "Key 'embedding_size' must hold whole numbers of"),
        ({"model": "BPR", "embedding_size": 64.0}, "of at least 1. Received: 64.0."),
        ({"model": "LightGCN", "n_layers": -1}, "Key 'n_layers' must hold whole numbers of at le"),
        ({"model": "LightGCN", "reg_weight": -1}, "Key 'reg_weight' must be a number of at least"),
        (
            {"model": "DeepFM", "dropout_prob": 1},
            "Key 'dropout_prob' must be a number of at least 0 and below 1. Received: 1.",
        ),
        ({"model": "DeepFM", "dropout_prob": True}, "Key 'dropout_prob' must be a number of at"),
        ({"model": "DeepFM", "dropout_prob": float("nan")}, "and below 1. Received: nan."),
        (
            {"model": "DeepFM", "mlp_hidden_size": 64},
            "Key 'mlp_hidden_size' must be a list, and each entry hold whole numbers of at least 1"
            ". Received: 64.",
        ),
        ({"model": "DeepFM", "mlp_hidden_size": []}, "Received: []."),
        ({"model": "DeepFM", "mlp_hidden_size": [8, 0]}, "Received: [8, 0]."),
        ({"model": "FISM", "reg_weights": [0.1, -1]}, "and each entry be a number of at least 0."),
        (
            {"model": "SimpleX", "margin": 1.5},
            "Key 'margin' must be a number of at least -1 and at most 1. Received: 1.5.",
        ),
        ({"model": "SimpleX", "negative_weight": -1}, "Key 'negative_weight' must be a number"),
        ({"model": "SimpleX", "aggregator": "sum"}, "Key 'aggregator' must be one of mean, user_a"),
        ({"model": "ItemKNN", "k": 2.5}, "Key 'k' must hold whole numbers of at least 1."),
        ({"model": "ItemKNN", "knn_method": "Item"}, "Key 'knn_method' must be one of item, user."),
        ({"model": "ItemKNN", "knn_method": ["item"]}, "Received: ['item']."),
        ({"val_interval": {}}, "Key 'val_interval' cannot be set for data set 'mirec-tiny': filt"),
        ({"user_inter_num_interval": "[2,inf)"}, "filtering would change the split and the cand"),
        ({"item_inter_num_interval": "[2,inf)"}, "filter the material before converting it."),
        ({"filter_inter_by_user_or_item": False}, "Key 'filter_inter_by_user_or_item' cannot"),
        ({"rm_dup_inter": "first"}, "'mirec-tiny': every pair stands once in files that are acc"),
        ({"numerical_features": ["x"]}, "only token fields are registered for RecBole's context"),
        ({"USER_ID_FIELD": "user_id"}, "Key 'USER_ID_FIELD' must stay 'brand_id' for data set 'm"),
        ({"ITEM_ID_FIELD": "item_id"}, "Key 'ITEM_ID_FIELD' must stay 'influencer_id' for data"),
        ({"field_separator": ","}, r"Key 'field_separator' must stay '\t' for data set"),
        ({"seq_separator": ";"}, "whose files follow this project's schema; leave it out. Rec"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        config(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_sets_of_our_schema_are_told_by_their_manifest(tmp_path: Path) -> None:
    foreign = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id"}
    filters = {"rm_dup_inter": "first", "item_inter_num_interval": "[2,inf)"}
    filters |= {"val_interval": {}, "numerical_features": ["age"], "field_separator": ","}
    given = settings(tmp_path, "BPR", "films", **(foreign | filters))
    made = MirecConfig(config_dict=given)
    assert made["rm_dup_inter"] == "first"
    assert made["numerical_features"] == ["age"]
    write_little(tmp_path)
    with pytest.raises(UsageError, match=r"'USER_ID_FIELD' must stay 'brand_id' for data set 'lit"):
        MirecConfig(config_dict=given | {"dataset": NAME})


@pytest.mark.parametrize(
    "changes",
    [{"learner": "AdamW"}, {"state": "INFO"}, {"stopping_step": 0}, {"weight_decay": 1}],
)
def test_what_recbole_takes_is_taken(changes: dict[str, Any]) -> None:
    ((key, value),) = changes.items()
    assert config(**changes)[key] == value


def test_a_partial_negative_sampling_keeps_the_other_defaults() -> None:
    arguments = config(train_neg_sample_args={"distribution": "popularity"})[
        "train_neg_sample_args"
    ]
    assert arguments["distribution"] == "popularity"
    assert (arguments["sample_num"], arguments["alpha"], arguments["dynamic"]) == (1, 1.0, False)


def test_nearest_word() -> None:
    assert nearest("lerning_rate", ["learning_rate", "seed"]) == " Did you mean 'learning_rate'?"
    assert nearest("BPRR", ["bpr"]) == " Did you mean 'bpr'?"
    assert nearest("zzz", ["b", "a"]) == " Valid: a, b."
    assert nearest("zzz", [f"option{k}" for k in range(13)]) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "must map keys to values .* Received: list"),
        ("a: 1\nb: [2\nc: 3\n", "line 3: "),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"Configuration file '.*my\.yaml'.*{message}"):
        load_yaml(path)


def test_a_missing_file_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"my\.yaml' cannot be read: No such file"):
        load_yaml(tmp_path / "my.yaml")
    (tmp_path / "my.yaml").write_text("# nothing\n")
    assert load_yaml(tmp_path / "my.yaml") == {}


def test_every_key_of_our_yaml_is_read_by_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    upstream = MirecConfig.__getitem__

    def spy(self: MirecConfig, item: str) -> Any:
        read.add(item)
        return upstream(self, item)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MirecConfig, "__getitem__", spy)
    # Without split files, so that the keys of drawn splits are asked for.
    categories = pd.Series(["food", "shoes"] * 3 + ["food"], [f"i{k}" for k in range(1, 8)])
    write_little(tmp_path, splits={}, influencer_category=categories.rename("category"))
    changes = {"dataset": NAME, "valid_brands": 1, "test_brands": 1, "learning_rate_decay": 0.5}
    for model in model_names(room="ours"):
        run_experiment(settings(tmp_path, model, **changes))
    for variant in ("reference", "paper"):
        run_experiment(settings(tmp_path, **changes, variant=variant))
    ours = set(load_yaml(properties_folder() / "overall.yaml"))
    for path in (properties_folder() / "model").glob("*.yaml"):
        defaults = load_yaml(path)
        ours |= set(resolve_presets(defaults, {})).union(*defaults.get("variants", {}).values())
    # The presets' names are read when the presets are resolved, before there is a config.
    assert ours - read == {"variant", "schedule"}


@pytest.mark.parametrize("model", model_names())
def test_no_rule_refuses_a_default(model: str) -> None:
    config = MirecConfig(config_dict={"model": model, "dataset": "mirec-tiny"})
    ruled = [key for key in model_defaults(model) if key in RULES]
    for key in ruled:
        assert RULES[key][0](config[key]), key
