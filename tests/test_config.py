"""Keys and values: layers, presets, RecBole's own, and all that is wrong in one message."""

import logging
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from little_data import NAME, settings, write_little
from recbole.utils import argument_list

from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.values import Loader, load_yaml
from recbole_mirec.config import (
    MirecConfig,
    all_defaults,
    model_defaults,
    properties_folder,
    resolve_presets,
)
from recbole_mirec.experiment import run_experiment
from recbole_mirec.keys import KINDS, UNREAD, UNREAD_BY_SCHEMA, accepts
from recbole_mirec.registry import model_names

FULL = {"split": {"RS": [0.8, 0.1, 0.1]}, "group_by": "user", "order": "RO", "mode": "full"}
FILMS = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id"}
PAGE = Path(__file__).parents[1] / "docs" / "recbole.md"


def config(**changes: Any) -> MirecConfig:
    return MirecConfig(config_dict={"model": "MIRec", "dataset": "mirec-tiny"} | changes)


def refused(**changes: Any) -> list[str]:
    """The lines of an error."""
    with pytest.raises(UsageError) as caught:
        config(**changes)
    return str(caught.value).split("\n")


def remarks(made: MirecConfig, level: int) -> list[str]:
    return [line for found, line in made.remarks if found == level]


# Layers and presets


def test_layers_later_ones_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["x", "--epochs=77", "--seed=3"])
    plain = config()
    assert plain["weight_decay"] == 0.0  # RecBole's overall.yaml
    assert plain["topk"] == [10, 50]  # our overall.yaml over RecBole's [10]
    assert plain["graph_dimension"] == 128  # our model's
    assert plain["learning_rate"] == 0.0025  # a preset over overall.yaml's
    assert config(learning_rate=0.5)["learning_rate"] == 0.5  # the user over the preset
    assert config(model="BPR", dataset="x")["embedding_size"] == 64  # RecBole's model
    assert config(model="BPR", dataset="ml-100k")["USER_ID_FIELD"] == "user_id"  # a data set's
    assert plain["USER_ID_FIELD"] == "brand_id"
    assert all_defaults("BPR")["checkpoint_dir"] == "saved"
    # neither the command line of the process, nor Python in a text
    assert (plain["epochs"], plain["seed"]) == (100, all_defaults("MIRec")["seed"])
    assert config(attribute_graph_file="1 + 1")["attribute_graph_file"] == "1 + 1"


def test_presets_resolve_and_the_user_wins() -> None:
    ours, quick, reference = config(), config(schedule="quick"), config(variant="reference")
    paper = config(variant="paper", schedule="paper")
    assert (reference["fusion"], paper["fusion"]) == ("product", "low_rank")
    assert (reference["schedule"], reference["train_batch_size"]) == ("quick", 256)
    assert (paper["train_batch_size"], paper["epochs"]) == (16, 100)
    assert (ours["schedule"], ours["train_batch_size"]) == ("full_batch", 8192)
    assert (quick["schedule"], quick["train_batch_size"], quick["epochs"]) == ("quick", 256, 20)
    mixed = config(variant="paper", fusion="product", epochs=3)
    assert (mixed["fusion"], mixed["coattention_input"], mixed["epochs"]) == ("product", "raw", 3)
    assert (mixed["variants"], mixed["schedules"]) == (None, None)


def test_which_variants_read_a_key() -> None:
    defaults = {
        "variant": "a",
        "shared": 1,
        "schedule": "s",
        "variants": {"a": {"x": 1, "schedule": "t"}, "b": {"x": 2, "y": 3}},
        "schedules": {"s": {}, "t": {"y": 4}},
    }
    # a schedule gives y an effect all the same
    assert resolve_presets(defaults, {"y": 5})[0]["y"] == 4
    (problem,) = resolve_presets(defaults, {"y": 5, "schedule": "s"})[1]
    assert problem == "Key 'y' has no effect with variant=a; leave it out, or set variant=b."


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # names: of models, presets, keys
        ({"model": "MIRce"}, "Unknown model 'MIRce'. Did you mean 'MIRec'?"),
        ({"model": 5}, "Key 'model' must be a text. Received: 5."),
        ({"dataset": ""}, "Key 'dataset' must have at least 1 letters. Received: ''."),
        ({"variant": "refrence"}, "Unknown variant 'refrence'. Did you mean 'reference'?"),
        ({"schedule": "fast"}, "Unknown schedule 'fast'. Valid: full_batch, paper, quick."),
        ({"variants": {}}, "Unknown key 'variants' for model MIRec. Did you mean 'variant'?"),
        ({"model": "BPR", "l1_weight": 1}, "Unknown key 'l1_weight' for model BPR."),
        ({"dimension": 64}, "with variant=mirec; leave it out, or set variant=reference or paper."),
        ({"method": "morning"}, "Key 'method' has no effect here: it follows from 'variant'."),
        ({"split_ratio": 1}, "Key 'split_ratio' is not RecBole's any more; set 'eval_args'."),
        # each kind of values
        ({"epochs": 0}, "Key 'epochs' must be at least 1. Received: 0."),
        (
            {"weight_decay": 10**30},
            "Key 'weight_decay' must be below 2**63, or be written with a point. "
            f"Received: {10**30}.",
        ),
        ({"epochs": 2.0}, "Key 'epochs' must be a whole number. Received: 2.0."),
        ({"epochs": "2"}, "Key 'epochs' must be a whole number. Received: '2'."),
        ({"epochs": True}, "Key 'epochs' must be a whole number. Received: True."),
        ({"epochs": 10**40}, "Key 'epochs' must be at most 2147483647. Received: 1000"),
        ({"seed": 2**32}, "Key 'seed' must be at most 4294967295. Received: 4294967296."),
        ({"learning_rate": 0}, "Key 'learning_rate' must be above 0. Received: 0."),
        ({"learning_rate": True}, "Key 'learning_rate' must be a number. Received: True."),
        ({"learning_rate": 10**4000}, "Key 'learning_rate' must be a number. Received: 1000"),
        ({"graph_p": float("nan")}, "Key 'graph_p' must be a finite number. Received: nan."),
        ({"model": "DeepFM", "dropout_prob": 1}, "Key 'dropout_prob' must be below 1. Received: 1"),
        ({"drop_last": "maybe"}, "Key 'drop_last' must be True or False. Received: 'maybe'."),
        ({"protocol": "new_brand"}, "must be one of new-brand, known-brand. Received: 'new_brand'"),
        ({"state": "eror"}, "Received: 'eror'. Did you mean 'error'?"),
        ({"model": "ItemKNN", "knn_method": ["item"]}, "one of item, user. Received: ['item']."),
        ({"model": "DeepFM", "mlp_hidden_size": []}, "must have at least 1 entries. Received: []."),
        ({"model": "DeepFM", "mlp_hidden_size": [8, 0]}, "Key 'mlp_hidden_size[1]' must be at l"),
        ({"topk": "ten"}, "Key 'topk' must be a list. Received: 'ten'."),
        ({"topk": [5, 5]}, "Key 'topk' must name each depth once. Received: [5, 5]."),
        ({"topk": [7] * 5000}, "Key 'topk' must have at most 100 entries. Received: [7, 7,"),
        ({"data_path": "/dev/null"}, "Key 'data_path' must be the path of a folder."),
        ({"gpu_id": "abc"}, "Key 'gpu_id' must name GPUs, such as 0 or 0,1, or be '' for the CPU."),
        ({"worker": 2}, "Key 'worker' must be 0: worker processes would each draw the same"),
        ({"log_wandb": True}, "Key 'log_wandb' must be False: a run is recorded in its own"),
        # keys of RecBole of which only the default is known
        ({"clip_grad_norm": [1]}, "Key 'clip_grad_norm' must be a mapping. Received: [1]."),
        ({"clip_grad_norm": {}}, "Key 'clip_grad_norm: max_norm' is missing."),
        ({"clip_grad_norm": {"max_norm": 5, "norm": 1}}, "Unknown key 'clip_grad_norm: norm'."),
        ({"model": "NCL", "ssl_temp": "x"}, "Key 'ssl_temp' must be a number. Received: 'x'."),
        # negatives and folds
        ({"train_neg_sample_args": {"num": 2}}, "Unknown key 'train_neg_sample_args: num'. Valid:"),
        ({"train_neg_sample_args": None}, "must be left out, or have a distribution: the model le"),
        (
            {"train_neg_sample_args": {"distribution": "unifrom"}},
            "Key 'train_neg_sample_args: distribution' must be one of uniform, popularity, None.",
        ),
        (
            {"train_neg_sample_args": {"dynamic": True}},
            "Key 'train_neg_sample_args' must have a candidate_num of at least 1 where it is dyn",
        ),
        ({"fold": 2}, "Key 'fold' must be 0 where there are no folds; set 'folds' as well."),
        ({"folds": 5, "fold": 6}, "Key 'fold' must be one of 1 to 'folds'"),
        ({"folds": 1, "fold": 1}, "and 'folds' 0, or at least 2 with protocol=new-brand (folds=1,"),
        ({"folds": 5, "fold": 1, "protocol": "known-brand"}, "(folds=5, protocol=known-brand)"),
        # what data sets of our schema have no place for
        ({"val_interval": {}}, "Key 'val_interval' must be left out for a data set in files of"),
        ({"numerical_features": None}, "Key 'numerical_features' must be left out for a data set"),
        ({"USER_ID_FIELD": "user_id"}, "Key 'USER_ID_FIELD' must stay 'brand_id' for a data set"),
        # evaluations
        ({"eval_args": "full"}, "Key 'eval_args' must be a mapping. Received: 'full'."),
        ({"eval_args": {"mdoe": "full"}}, "Unknown key 'eval_args: mdoe'. Did you mean 'mode'?"),
        ({"eval_args": {"group_by": None}}, "Key 'eval_args: group_by' must be one of user. Rec"),
        ({"eval_args": {"mode": "uni100"}}, "'eval_args: mode' must be full (known-brand). Recei"),
        (
            {"eval_args": {}, "protocol": "new-brand"},
            "Key 'eval_args' is protocol known-brand, and protocol is 'new-brand'; leave one of",
        ),
        ({"metrics": 7}, "Unknown metrics '7'."),
        ({"valid_metric": "unseen_map"}, "valid_metric unseen_MAP needs eval_unseen_only=True."),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    (line,) = refused(**changes)
    assert message in line
    assert len(line) < 500


@pytest.mark.parametrize(
    "changes",
    [
        *({"split": split} for split in ({"LS": "valid_and_test"}, {"RS": [0.6, 0.2, 0.2]}, "RS")),
        *({"split": {"RS": shares}} for shares in ([0.9, 0.1], [0, 0, 0], ["8", "1", "1"], 8)),
        *({"mode": mode} for mode in ("labeled", {}, {"test": "full", "valid": "uni100"}, ["x"])),
        {"order": "TO"},
    ],
)
def test_other_evaluations_are_refused(changes: dict[str, Any]) -> None:
    ((entry, value),) = changes.items()
    (line,) = refused(eval_args=FULL | changes)
    assert line.startswith(f"Key 'eval_args: {entry}' must be ")
    assert line.endswith(f"Received: {value}." if not isinstance(value, str) else f"'{value}'.")


def test_all_that_is_wrong_stands_in_one_message() -> None:
    lines = refused(
        learning_rte=1,
        neg_sampling={"uniform": 1},
        epochs=0,
        topk=[0],
        metrics=["RMSE", "Recal"],
        valid_metric="MPA",
        eval_args={"mode": "labeled"},
        USER_ID_FIELD="user_id",
        val_interval={"a": "[1,2]"},
        train_neg_sample_args={"num": 1, "alpha": "x"},
        dimension=3,
        fold=1,
    )
    assert lines[0] == f"{len(lines) - 1} settings are refused:"
    expected = {
        "Key 'dimension' has no effect with variant=mirec",
        "Unknown key 'learning_rte' for model MIRec. Did you mean 'learning_rate'?",
        "Key 'neg_sampling' is not RecBole's any more; set 'train_neg_sample_args'.",
        "Key 'USER_ID_FIELD' must stay 'brand_id'",
        "Key 'val_interval' must be left out",
        "Key 'eval_args: mode' must be full",
        "Key 'epochs' must be at least 1. Received: 0.",
        "Key 'train_neg_sample_args: alpha' must be a number. Received: 'x'.",
        "Unknown key 'train_neg_sample_args: num'. Valid: alpha, candidate_num, distribution",
        "Key 'topk[0]' must be at least 1. Received: 0.",
        "Key 'fold' must be 0 where there are no folds",
        "Unknown valid_metric 'MPA'",
        "Key 'metrics': RMSE is not computed",
        "Unknown metrics 'Recal'",
    }
    told = [[words for words in expected if line.startswith(f"  {words}")] for line in lines[1:]]
    assert sorted(words for (words,) in told) == sorted(expected)
    many = refused(**{f"wrong_{k}": k for k in range(300)})
    assert (len(many), many[-1]) == (32, "  and 270 more.")


@pytest.mark.parametrize(
    "text", ["x", "[1]", "[1,x]", "[2,1]", "[0,1);", "[1,9];5;[0,1]", "0,1", ""]
)
def test_what_recbole_would_not_read_as_intervals_is_refused(text: str) -> None:
    (line,) = refused(model="BPR", dataset="ml-100k", user_inter_num_interval=text)
    assert line.startswith("Key 'user_inter_num_interval' must ")
    for taken in ("[5,inf)", "[0,1); (3,4.5]"):
        made = config(model="BPR", dataset="ml-100k", val_interval={"rating": taken})
        assert made["val_interval"] == {"rating": taken}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("load_col", 3),
        ("load_col", {"inter": [1]}),
        ("unload_col", {"user": "age"}),
        ("threshold", {"rating": "x"}),
        ("val_interval", {"rating": "1"}),
        ("user_inter_num_interval", "x"),
        ("alias_of_user_id", "x"),
        ("seq_len", {"x": 0}),
        ("field_separator", ""),
        ("preload_weight", 5),
        ("numerical_features", None),
        ("benchmark_filename", ["train", "valid", "test"]),
    ],
)
def test_keys_of_recbole_s_own_data_have_kinds(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^Key '{key}"):
        MirecConfig(config_dict=settings(tmp_path, "BPR", "films", **FILMS | {key: value}))


def test_data_sets_of_our_schema_are_told_by_their_files(tmp_path: Path) -> None:
    filters = {"rm_dup_inter": "first", "item_inter_num_interval": "[2,inf)", "normalize_all": True}
    filters |= {"val_interval": {}, "numerical_features": ["age"], "field_separator": ","}
    filters |= {"load_col": {"inter": ["user_id", "item_id"], "user": "*"}}
    given = settings(tmp_path, "BPR", "films", **(FILMS | filters))
    made = MirecConfig(config_dict=given)
    assert {key: made[key] for key in filters} == filters
    assert remarks(made, logging.WARNING) == []
    write_little(tmp_path)
    with pytest.raises(UsageError, match=r"'USER_ID_FIELD' must stay 'brand_id' for a data set"):
        MirecConfig(config_dict=given | {"dataset": NAME})
    (tmp_path / NAME / "manifest.json").unlink()
    assert MirecConfig(config_dict=settings(tmp_path, dataset=NAME))["USER_ID_FIELD"] == "brand_id"


# RecBole's keys


@pytest.mark.parametrize(
    "eval_args",
    [FULL, {}, {"split": {"RS": [8, 1, 1]}}, {"mode": {"test": "full"}}],
)
def test_recboles_usual_evaluation_is_known_brand_and_a_line_says_so(
    eval_args: dict[str, Any],
) -> None:
    made = config(eval_args=eval_args)
    assert made["protocol"] == "known-brand"
    assert made["eval_args"]["split"]["RS"] in ([0.8, 0.1, 0.1], [8, 1, 1])
    (line,) = remarks(made, logging.INFO)
    assert line.startswith("By eval_args the protocol is known-brand: 8:1:1 of each user's")
    asked = config(eval_args=eval_args, protocol="known-brand")
    assert (asked["protocol"], asked.remarks) == ("known-brand", [])
    for made in (config(), config(eval_args=None)):
        assert (made["protocol"], made.remarks) == ("new-brand", [])


def test_foreign_data_know_one_protocol_and_ratings_need_not_be_loaded() -> None:
    (line,) = remarks(config(model="BPR", dataset="ml-100k"), logging.INFO)
    assert line.startswith("By data set 'ml-100k', which has no new brands, the protocol is known")
    films = config(model="FM", dataset="ml-100k")
    assert films["threshold"] == {"rating": 4}
    columns = {"inter": ["user_id", "item_id"]}
    assert config(model="FM", dataset="ml-100k", load_col=columns)["threshold"] is None


def test_keys_without_an_effect_are_one_warning() -> None:
    given = {"save_dataset": True, "dataset_save_path": "x", "load_col": {"inter": ["brand_id"]}}
    made = config(**given, use_gpu=False, embedding_size=64, n_layers=2)
    assert remarks(made, logging.WARNING) == [
        "Keys that have no effect here: save_dataset, dataset_save_path (data are read afresh and "
        "never pickled); load_col (the columns are chosen by the model); use_gpu ('gpu_id' chooses "
        "the device; gpu_id='' is the CPU); embedding_size, n_layers (model MIRec has no such key)."
    ]
    assert (made["save_dataset"], made["embedding_size"]) == (False, None)
    assert made["load_col"] == {"inter": ["user_id", "item_id"]}


def test_every_key_of_recbole_is_read_warned_of_or_refused_with_a_reason() -> None:
    plain, unread = config(), UNREAD | UNREAD_BY_SCHEMA
    made = config(**dict.fromkeys(unread, "something"))
    assert all(made[key] == plain[key] for key in unread)
    assert all(key in remarks(made, logging.WARNING)[0] for key in unread)
    assert config(**dict.fromkeys(unread)).remarks == []
    names = ("general", "training", "evaluation", "dataset")
    keys = {key for name in names for key in getattr(argument_list, f"{name}_arguments")}
    # data_path's value in the configuration holds the data set's name as well
    for key in keys - unread.keys() - {"data_path"}:
        try:
            assert config(**{key: plain[key]})[key] == plain[key], key
        except UsageError as error:
            assert not str(error).startswith("Unknown"), key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("learner", "AdamW"), ("state", "INFO"), ("stopping_step", 0), ("weight_decay", 1)),
        *(("topk", [9]), ("val_interval", None), ("user_inter_num_interval", "[0,inf)")),
        *(("filter_inter_by_user_or_item", True), ("numerical_features", [])),
    ],
)
def test_what_recbole_takes_is_taken(key: str, value: Any) -> None:
    made = config(**{key: value})
    assert (made[key], made.remarks) == (value, [])


def test_a_partial_negative_sampling_keeps_the_other_defaults() -> None:
    for given in ({"distribution": "popularity"}, {}):
        found = config(train_neg_sample_args=dict(given))["train_neg_sample_args"]
        assert found["distribution"] == given.get("distribution", "uniform")
        assert (found["sample_num"], found["alpha"], found["dynamic"]) == (1, 1.0, False)


def test_metrics_choose_what_is_shown_beside_what_validation_needs() -> None:
    made = config(topk=10, metrics=["Recall", "NDCG"], valid_metric="mrr@5")
    assert (made["topk"], made["valid_metric"]) == ([10], "MRR@5")
    assert made["shown_metrics"] == ["Recall@10", "NDCG@10", "MRR@5", "paper_recall@10"]
    assert config(metrics="Hit", topk=[3])["shown_metrics"] == ["Hit@3", "MAP"]
    usual = config()["shown_metrics"]
    assert config(metrics=None)["shown_metrics"] == usual
    assert usual[:7] == ["AUC", "cAUC", "Recall@10", "Recall@50", "NDCG@10", "MRR", "MAP"]
    more = config(valid_metric="Precision@7")["shown_metrics"]
    assert [name for name in more if name not in usual] == ["Precision@7"]
    unseen = config(valid_metric="unseen_hit@2", eval_unseen_only=True)
    assert unseen["valid_metric"] == "unseen_Hit@2"
    assert "Hit@2" in unseen["shown_metrics"]
    (line,) = remarks(config(metrics=["GAUC"]), logging.INFO)
    assert line.startswith("GAUC is shown as AUC, in which every brand counts the same")


def test_the_yaml_and_the_refusals_of_the_page_are_as_it_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lines = refused(lerning_rate=1, neg_sampling=1, metrics=["RMSE"])
    assert "error: " + "\n".join(lines) in page
    standard, features = (
        yaml.load(block, Loader=Loader) for block in re.findall(r"```yaml\n(.*?)```", page, re.S)
    )
    made = config(**standard | {"model": "LightGCN", "dataset": "ml-100k"})
    shown = ["Recall@10", "MRR@10", "NDCG@10", "Hit@10", "Precision@10", "paper_recall@10"]
    assert (made["shown_metrics"], made["valid_metric"]) == (shown, "MRR@10")
    ours = config(**{key: value for key, value in standard.items() if key not in FILMS})
    assert (ours["protocol"], ours["shown_metrics"]) == ("known-brand", shown)
    (warning,) = remarks(ours, logging.WARNING)
    for key in ("load_col", "valid_metric_bigger", "embedding_size, n_layers, reg_weight (model"):
        assert key in warning
    fm = config(**features | {"model": "FM", "dataset": "ml-100k"})
    assert fm["load_col"]["item"] == ["item_id", "class"]
    assert fm["shown_metrics"][:3] == ["NDCG@5", "NDCG@10", "Recall@5"]


def test_nearest_word() -> None:
    assert nearest("lerning_rate", ["learning_rate", "seed"]) == " Did you mean 'learning_rate'?"
    assert nearest("BPRR", ["bpr"]) == " Did you mean 'bpr'?"
    assert nearest("zzz", ["b", "a"]) == " Valid: a, b."
    assert nearest("zzz", [f"option{k}" for k in range(13)]) == ""


# Defaults


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
    for model, data in (*((model, "mirec-tiny") for model in model_names()), ("FM", "ml-100k")):
        made = config(model=model, dataset=data)
        keys = (KINDS.keys() & made.final_config_dict.keys()) - {"eval_args"}
        assert {key for key in keys if not accepts(key, made[key])} == set(), model
    assert not accepts("no_key", 1)


def test_both_readings_set_the_same_keys_and_a_schedule_none_that_its_variant_lacks() -> None:
    defaults = model_defaults("MIRec")
    variants = {name: set(preset) for name, preset in defaults["variants"].items()}
    schedules = [set(preset) for preset in defaults["schedules"].values()]
    assert variants["reference"] == variants["paper"]
    # What only some schedules set has a value of the variant's under the others.
    partial = set.union(*schedules) - set.intersection(*schedules)
    assert all(partial <= keys for keys in variants.values())
