from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from little_data import NAME, settings, write_little

from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.values import load_yaml
from recbole_mirec.config import (
    KINDS,
    MirecConfig,
    accepts,
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
    flat, problems = resolve_presets(defaults, {})
    assert problems == []
    assert {"variants", "schedules"}.isdisjoint(flat)
    assert flat["variant"] in defaults["variants"]


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
    assert resolve_presets(defaults, {"y": 5})[0]["y"] == 4
    (problem,) = resolve_presets(defaults, {"y": 5, "schedule": "s"})[1]
    assert problem.startswith("Key 'y' has no effect with variant=a; leave it out, or set")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # names: of models, presets, keys
        ({"model": "MIRce"}, "Unknown model 'MIRce'. Did you mean 'MIRec'?"),
        ({"model": "SASRec"}, "Unknown model 'SASRec'."),
        ({"model": 5}, "Key 'model' must be a text. Received: 5."),
        ({"dataset": ""}, "Key 'dataset' must be a text. Received: ''."),
        ({"variant": "refrence"}, "Unknown variant 'refrence'. Did you mean 'reference'?"),
        ({"schedule": "fast"}, "Unknown schedule 'fast'. Valid: full_batch, paper, quick."),
        ({"learning_rte": 1}, "Unknown key 'learning_rte' for model MIRec. Did you mean 'learn"),
        ({"variants": {}}, "Unknown key 'variants' for model MIRec. Did you mean 'variant'?"),
        ({"model": "BPR", "l1_weight": 1}, "Unknown key 'l1_weight' for model BPR."),
        ({"dimension": 64}, "with variant=mirec; leave it out, or set variant=reference or paper."),
        ({"variant": "paper", "tower": "mlp"}, "'tower' has no effect with variant=paper; leave i"),
        ({"method": "morning"}, "Key 'method' has no effect here: it follows from 'variant'."),
        # each kind of values
        ({"epochs": 0}, "Key 'epochs' must be at least 1. Received: 0."),
        ({"epochs": 2.0}, "Key 'epochs' must be a whole number. Received: 2.0."),
        ({"epochs": "2"}, "Key 'epochs' must be a whole number. Received: '2'."),
        ({"epochs": True}, "Key 'epochs' must be a whole number. Received: True."),
        ({"epochs": 10**40}, "Key 'epochs' must be at most 2147483647. Received: 1000"),
        ({"seed": 2**32}, "Key 'seed' must be at most 4294967295. Received: 4294967296."),
        ({"graph_walk_length": 1}, "Key 'graph_walk_length' must be at least 2. Received: 1."),
        ({"learning_rate": 0}, "Key 'learning_rate' must be above 0. Received: 0."),
        ({"learning_rate": True}, "Key 'learning_rate' must be a number. Received: True."),
        ({"learning_rate": 10**4000}, "Key 'learning_rate' must be a number. Received: 1000"),
        ({"graph_p": float("nan")}, "Key 'graph_p' must be a finite number. Received: nan."),
        ({"weight_decay": -1}, "Key 'weight_decay' must be at least 0. Received: -1."),
        ({"model": "DeepFM", "dropout_prob": 1}, "Key 'dropout_prob' must be below 1. Received: 1"),
        ({"model": "SimpleX", "margin": 1.5}, "Key 'margin' must be at most 1. Received: 1.5."),
        ({"drop_last": "maybe"}, "Key 'drop_last' must be True or False. Received: 'maybe'."),
        ({"show_progress": 1}, "Key 'show_progress' must be True or False. Received: 1."),
        (
            {"protocol": "new_brand"},
            "must be one of new-brand, known-brand. Received: 'new_brand'.",
        ),
        ({"learner": "adamm"}, "Key 'learner' must be one of adam, adamw, sgd, adagrad, rmsprop."),
        ({"state": "eror"}, "Received: 'eror'. Did you mean 'error'?"),
        ({"model": "ItemKNN", "knn_method": ["item"]}, "one of item, user. Received: ['item']."),
        ({"model": "DeepFM", "mlp_hidden_size": 64}, "Key 'mlp_hidden_size' must be a list."),
        ({"model": "DeepFM", "mlp_hidden_size": []}, "must have at least 1 entries. Received: []."),
        ({"model": "DeepFM", "mlp_hidden_size": [8, 0]}, "Key 'mlp_hidden_size[1]' must be at l"),
        ({"topk": "ten"}, "Key 'topk' must be a list. Received: 'ten'."),
        ({"topk": [5, 5]}, "Key 'topk' must name each depth once. Received: [5, 5]."),
        ({"topk": [7] * 5000}, "Key 'topk' must have at most 100 entries. Received: [7, 7,"),
        ({"checkpoint_dir": 5}, "Key 'checkpoint_dir' must be the path of a folder. Received: 5."),
        ({"data_path": "/dev/null"}, "Key 'data_path' must be the path of a folder."),
        ({"gpu_id": "abc"}, "Key 'gpu_id' must name GPUs, such as 0 or 0,1, or be '' for the CPU."),
        ({"worker": 2}, "Key 'worker' must be 0: worker processes would each draw the same"),
        ({"log_wandb": True}, "Key 'log_wandb' must be False: a run is recorded in its own"),
        # keys of RecBole of which only the default is known
        ({"clip_grad_norm": [1]}, "Key 'clip_grad_norm' must be a mapping. Received: [1]."),
        ({"model": "NCL", "ssl_temp": "x"}, "Key 'ssl_temp' must be a number. Received: 'x'."),
        ({"enable_amp": 1}, "Key 'enable_amp' must be True or False. Received: 1."),
        # negatives and folds
        (
            {"train_neg_sample_args": 3},
            "Key 'train_neg_sample_args' must be a mapping. Received: 3",
        ),
        ({"train_neg_sample_args": {"num": 2}}, "Unknown key 'train_neg_sample_args: num'."),
        ({"train_neg_sample_args": None}, "The model learns from negatives; leave train_neg"),
        (
            {"train_neg_sample_args": {"distribution": "unifrom"}},
            "Key 'train_neg_sample_args: distribution' must be one of uniform, popularity, None.",
        ),
        (
            {"train_neg_sample_args": {"dynamic": True}},
            "Key 'train_neg_sample_args' must have a candidate_num of at least 1 where it is dyn",
        ),
        ({"fold": 2}, "Key 'fold' is 2, but there are no folds; set 'folds' as well."),
        ({"folds": 5, "fold": 6}, "'fold' one of 1 to 'folds'. Received: 5 and 6."),
        ({"folds": 1, "fold": 1}, "Key 'folds' must be 0 or at least 2, and 'fold' one of 1"),
        (
            {"folds": 5, "fold": 1, "protocol": "known-brand"},
            "Key 'folds' cuts brands, which protocol 'known-brand' does not; leave it out",
        ),
        # what data sets of our schema have no place for
        ({"val_interval": {}}, "Key 'val_interval' cannot be set for data set 'mirec-tiny': filt"),
        ({"rm_dup_inter": "first"}, "'mirec-tiny': every pair stands once in files that are acc"),
        ({"numerical_features": ["x"]}, "only token fields are registered for RecBole's context"),
        ({"USER_ID_FIELD": "user_id"}, "Key 'USER_ID_FIELD' must stay 'brand_id' for data set 'm"),
        ({"field_separator": ","}, r"Key 'field_separator' must stay '\t' for data set"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        config(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_of_thousands_of_wrong_keys_the_first_are_told() -> None:
    with pytest.raises(UsageError) as caught:
        config(**{f"wrong_{k}": k for k in range(300)})
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[-1]) == (32, "  and 270 more.")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("load_col", 3),
        ("load_col", {"inter": [1]}),
        ("unload_col", {"user": "age"}),
        ("threshold", {"rating": "x"}),
        ("val_interval", {"rating": "1"}),
        ("val_interval", [1]),
        ("user_inter_num_interval", "x"),
        ("alias_of_user_id", "x"),
        ("normalize_all", "x"),
        ("seq_len", {"x": 0}),
        ("field_separator", ""),
        ("TIME_FIELD", None),
        ("preload_weight", 5),
        ("numerical_features", None),
    ],
)
def test_keys_of_recbole_s_own_data_have_kinds(tmp_path: Path, key: str, value: Any) -> None:
    films = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", key: value}
    with pytest.raises(UsageError, match=f"^Key '{key}"):
        MirecConfig(config_dict=settings(tmp_path, "BPR", "films", **films))


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
    [
        {"learner": "AdamW"},
        {"state": "INFO"},
        {"stopping_step": 0},
        {"weight_decay": 1},
        {"topk": [9]},
    ],
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
        ours |= set(resolve_presets(defaults, {})[0]).union(*defaults.get("variants", {}).values())
    # The presets' names are read when the presets are resolved, before there is a config.
    assert ours - read == {"variant", "schedule"}


def test_no_kind_refuses_a_default() -> None:
    for model in model_names():
        made = MirecConfig(config_dict={"model": model, "dataset": "mirec-tiny"})
        keys = KINDS.keys() & made.final_config_dict.keys()
        assert {key for key in keys if not accepts(key, made[key])} == set(), model
    films = MirecConfig(config_dict={"model": "FM", "dataset": "ml-100k"})
    assert all(accepts(key, films[key]) for key in KINDS.keys() & films.final_config_dict.keys())
    assert not accepts("no_key", 1)
