"""RecBole's keys here: understood, without an effect, or refused, all in one message."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from little_data import NAME, settings, write_little
from recbole.utils import argument_list

from dataset_convert.common.errors import UsageError
from dataset_convert.common.values import Loader
from recbole_mirec.config import UNREAD, UNREAD_BY_SCHEMA, MirecConfig

FULL = {"split": {"RS": [0.8, 0.1, 0.1]}, "group_by": "user", "order": "RO", "mode": "full"}


def config(**changes: Any) -> MirecConfig:
    return MirecConfig(config_dict={"model": "MIRec", "dataset": "mirec-tiny"} | changes)


def refused(**changes: Any) -> list[str]:
    """The lines of an error."""
    with pytest.raises(UsageError) as caught:
        config(**changes)
    return str(caught.value).split("\n")


def remarks(made: MirecConfig, level: int) -> list[str]:
    return [line for found, line in made.remarks if found == level]


@pytest.mark.parametrize(
    "eval_args",
    [
        FULL,
        {"mode": "full"},
        {},
        {"split": {"RS": [8, 1, 1]}},
        {"mode": {"valid": "full", "test": "full"}},
        {"mode": {"test": "full"}},
    ],
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


def test_without_eval_args_the_protocol_is_ours_and_nothing_is_said() -> None:
    for made in (config(), config(eval_args=None)):
        assert (made["protocol"], made.remarks) == ("new-brand", [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": {"LS": "valid_and_test"}}, "asks for split {'LS': 'valid_and_test'}; support"),
        ({"split": {"RS": [0.6, 0.2, 0.2]}}, "asks for split {'RS': [0.6, 0.2, 0.2]}; supported"),
        ({"split": {"RS": [0.9, 0.1]}}, "asks for split"),
        ({"split": {"RS": [0, 0, 0]}}, "asks for split"),
        ({"split": {"RS": ["8", "1", "1"]}}, "asks for split"),
        (
            {"split": "RS"},
            "asks for split 'RS'; supported is split {RS: [0.8, 0.1, 0.1]}, group_by",
        ),
        ({"group_by": None}, "asks for group_by None"),
        ({"group_by": "none", "order": "TO"}, "asks for group_by 'none', order 'TO'; supported is"),
        ({"mode": "uni100"}, "asks for mode 'uni100'"),
        ({"mode": "pop100"}, "asks for mode 'pop100'"),
        ({"mode": "labeled"}, "asks for mode 'labeled'"),
        ({"mode": {"valid": "uni100", "test": "full"}}, "asks for mode {'test': 'full', 'valid'"),
        ({"mode": {}}, "asks for mode {}"),
        ({"mdoe": "full"}, "Unknown entry 'mdoe' of eval_args. Did you mean 'mode'?"),
    ],
)
def test_other_evaluations_are_refused(changes: dict[str, Any], words: str) -> None:
    (line,) = refused(eval_args=FULL | changes)
    assert words in line


def test_eval_args_and_new_brand_contradict_each_other() -> None:
    (line,) = refused(eval_args={"mode": "full"}, protocol="new-brand")
    assert line == (
        "Key 'eval_args' is protocol known-brand, and protocol is 'new-brand'; leave one of them "
        "out."
    )
    (line,) = refused(eval_args="full")
    assert line.startswith("Key 'eval_args' must be a mapping; supported is split {RS: [0.8")


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
        method="morning",
        fold=1,
    )
    assert lines[0] == f"{len(lines) - 1} settings are refused:"
    expected = [
        "Key 'dimension' has no effect with variant=mirec",
        "Unknown key 'learning_rte' for model MIRec. Did you mean 'learning_rate'?",
        "Key 'neg_sampling' is not RecBole's any more; set 'train_neg_sample_args'.",
        "Key 'method' has no effect here: it follows from 'variant'.",
        "Key 'USER_ID_FIELD' must stay 'brand_id'",
        "Key 'val_interval' cannot be set",
        "Key 'eval_args' asks for mode 'labeled'",
        "Key 'epochs' must be at least 1. Received: 0.",
        "Key 'train_neg_sample_args: alpha' must be a number. Received: 'x'.",
        "Unknown key 'train_neg_sample_args: num'. Valid: alpha, candidate_num, distribution",
        "Key 'topk[0]' must be at least 1. Received: 0.",
        "Key 'fold' is 1, but there are no folds",
        "Unknown valid_metric 'MPA'",
        "Key 'metrics': RMSE is not computed",
        "Unknown metrics 'Recal'",
    ]
    for line, words in zip(lines[1:], expected, strict=True):
        assert line.startswith(f"  {words}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("neg_sampling", "train_neg_sample_args"),
        ("training_neg_sample_num", "train_neg_sample_args"),
        ("eval_setting", "eval_args"),
        ("split_ratio", "eval_args"),
        ("min_user_inter_num", "user_inter_num_interval"),
    ],
)
def test_names_that_recbole_gave_up(old: str, new: str) -> None:
    assert refused(**{old: 1}) == [f"Key '{old}' is not RecBole's any more; set '{new}'."]


def test_keys_without_an_effect_are_one_warning() -> None:
    made = config(
        save_dataset=True, dataset_save_path="x", use_gpu=False, load_col={"inter": ["brand_id"]}
    )
    assert remarks(made, logging.WARNING) == [
        "Keys that have no effect here: save_dataset, dataset_save_path (data are read afresh and "
        "never pickled); use_gpu ('gpu_id' chooses the device; gpu_id='' is the CPU); load_col "
        "(the columns are chosen by the model)."
    ]
    assert made["save_dataset"] is False
    assert made["dataset_save_path"] is None
    assert made["load_col"] == {"inter": ["user_id", "item_id"]}


def test_keys_of_other_models_of_recbole_are_a_warning_and_ours_are_not() -> None:
    made = config(embedding_size=64, n_layers=2)
    assert remarks(made, logging.WARNING) == [
        "Keys that have no effect here: embedding_size, n_layers (model MIRec has no such key)."
    ]
    assert made["embedding_size"] is None
    assert refused(model="BPR", dimension=3) == ["Unknown key 'dimension' for model BPR."]


@pytest.mark.parametrize("key", sorted(UNREAD | UNREAD_BY_SCHEMA))
def test_a_key_that_no_run_reads_stays_as_it_is_by_default(key: str) -> None:
    made = config(**{key: "something"})
    assert made[key] == config()[key]
    assert key in remarks(made, logging.WARNING)[0]
    assert config(**{key: None}).remarks == []


def test_every_key_of_recbole_is_read_warned_of_or_refused_with_a_reason() -> None:
    plain = config()
    names = ("general", "training", "evaluation", "dataset")
    keys = [key for name in names for key in getattr(argument_list, f"{name}_arguments")]
    keys.remove("data_path")  # its value in the configuration holds the data set's name as well
    for key in keys:
        try:
            made = config(**{key: plain[key]})
        except UsageError as error:
            assert not str(error).startswith("Unknown"), key
        else:
            assert key in UNREAD | UNREAD_BY_SCHEMA or made[key] == plain[key], key


def test_recboles_defaults_of_filters_are_no_filters() -> None:
    nothing = {"val_interval": None, "rm_dup_inter": None, "user_inter_num_interval": "[0,inf)"}
    nothing |= {"filter_inter_by_user_or_item": True, "numerical_features": []}
    assert config(**nothing).remarks == []


def test_one_depth_may_stand_alone_and_metrics_choose_what_is_shown() -> None:
    made = config(topk=10, metrics=["Recall", "NDCG"], valid_metric="mrr@5")
    assert made["topk"] == [10]
    assert made["valid_metric"] == "MRR@5"
    assert made["shown_metrics"] == ["Recall@10", "NDCG@10", "MRR@5", "paper_recall@10"]
    alone = config(metrics="Hit", topk=[3])
    assert alone["shown_metrics"] == ["Hit@3", "MAP"]
    assert config(metrics=None)["shown_metrics"] == config()["shown_metrics"]
    assert refused(metrics=7) == ["Unknown metrics '7'."]


def test_a_metric_that_validation_needs_stands_beside_the_usual_ones() -> None:
    usual = config()["shown_metrics"]
    assert usual[:7] == ["AUC", "cAUC", "Recall@10", "Recall@50", "NDCG@10", "MRR", "MAP"]
    more = config(valid_metric="Precision@7")["shown_metrics"]
    assert [name for name in more if name not in usual] == ["Precision@7"]
    assert config(valid_metric="NDCG@10")["shown_metrics"] == usual
    assert refused(valid_metric="unseen_map") == [
        "valid_metric unseen_MAP needs eval_unseen_only=True."
    ]
    unseen = config(valid_metric="unseen_hit@2", eval_unseen_only=True)
    assert unseen["valid_metric"] == "unseen_Hit@2"
    assert "Hit@2" in unseen["shown_metrics"]


def test_recboles_auc_is_told_to_be_another() -> None:
    (line,) = remarks(config(metrics=["GAUC"]), logging.INFO)
    assert line.startswith("GAUC is shown as AUC, in which every brand counts the same")
    assert config(valid_metric="AUC").remarks == []


def test_foreign_data_know_one_protocol_and_a_line_says_so(tmp_path: Path) -> None:
    made = MirecConfig(config_dict={"model": "BPR", "dataset": "ml-100k"})
    (line,) = remarks(made, logging.INFO)
    assert line.startswith("By data set 'ml-100k', which has no new brands, the protocol is known")
    columns = {"inter": ["user_id", "item_id"], "user": "*"}
    films = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "load_col": columns}
    foreign = MirecConfig(
        config_dict=settings(tmp_path, "BPR", "films", **films, normalize_all=True)
    )
    assert foreign["load_col"] == columns
    assert foreign["normalize_all"] is True
    assert remarks(foreign, logging.WARNING) == []
    with pytest.raises(UsageError) as caught:
        MirecConfig(
            config_dict=settings(
                tmp_path,
                "BPR",
                "films",
                **films | {"load_col": ["user_id"], "unload_col": {"user": "age"}},
                benchmark_filename=["train", "valid", "test"],
            )
        )
    lines = str(caught.value).split("\n")
    assert "'benchmark_filename' is not read, and the split that it names" in lines[1]
    assert "Key 'load_col' must be a mapping. Received: ['user_id']." in lines[2]
    assert "Key 'unload_col: user' must be a list. Received: 'age'." in lines[3]


def test_ratings_need_not_be_loaded_for_a_context_aware_model_on_ml_100k() -> None:
    fm = {"model": "FM", "dataset": "ml-100k"}
    assert MirecConfig(config_dict=fm)["threshold"] == {"rating": 4}
    chosen = MirecConfig(config_dict=fm | {"load_col": {"inter": ["user_id", "item_id"]}})
    assert chosen["threshold"] is None


def test_files_of_our_schema_are_told_by_their_header_too(tmp_path: Path) -> None:
    write_little(tmp_path)
    (tmp_path / NAME / "manifest.json").unlink()
    assert MirecConfig(config_dict=settings(tmp_path, dataset=NAME))["USER_ID_FIELD"] == "brand_id"


def test_the_yaml_of_the_page_is_understood() -> None:
    page = (Path(__file__).parents[1] / "docs" / "recbole.md").read_text(encoding="utf-8")
    standard, features = (
        yaml.load(block, Loader=Loader) for block in re.findall(r"```yaml\n(.*?)```", page, re.S)
    )
    made = MirecConfig(config_dict=standard | {"model": "LightGCN", "dataset": "ml-100k"})
    shown = ["Recall@10", "MRR@10", "NDCG@10", "Hit@10", "Precision@10", "paper_recall@10"]
    assert made["shown_metrics"] == shown
    assert made["valid_metric"] == "MRR@10"
    for key in ("USER_ID_FIELD", "ITEM_ID_FIELD"):
        del standard[key]
    ours = MirecConfig(config_dict=standard | {"model": "MIRec", "dataset": "mirec-demo"})
    assert (ours["protocol"], ours["shown_metrics"]) == ("known-brand", shown)
    (warning,) = remarks(ours, logging.WARNING)
    for key in ("load_col", "valid_metric_bigger", "embedding_size, n_layers, reg_weight (model"):
        assert key in warning
    fm = MirecConfig(config_dict=features | {"model": "FM", "dataset": "ml-100k"})
    assert fm["load_col"]["item"] == ["item_id", "class"]
    assert fm["shown_metrics"][:3] == ["NDCG@5", "NDCG@10", "Recall@5"]


def test_the_refusals_of_the_page_are_told_as_it_says() -> None:
    page = (Path(__file__).parents[1] / "docs" / "recbole.md").read_text(encoding="utf-8")
    lines = refused(lerning_rate=1, neg_sampling=1, metrics=["RMSE"])
    assert "error: " + "\n".join(lines) in page
