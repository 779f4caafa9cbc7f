"""Results of one part: names of metrics, values, tables and notes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dataset_convert.common.errors import UsageError
from recbole_mirec.data.dataset import EvaluationSplit
from recbole_mirec.experiment import ExperimentResult
from recbole_mirec.results import (
    REFUSED,
    Evaluation,
    chosen_metrics,
    evaluate_scores,
    format_table,
    metric_remarks,
    metric_title,
    per_category,
    positive_ranks,
    read_metric,
    result_table,
    rule_prefix,
    smaller_is_better,
    usual_metrics,
    with_metric,
)

# --- names ---


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("NDCG@10", "NDCG@10"),
        ("ndcg@5", "NDCG@5"),
        ("mrr@10", "MRR@10"),
        ("R@7", "Recall@7"),
        ("HIT@010", "Hit@10"),
        ("precision@1", "Precision@1"),
        ("MRR", "MRR"),
        ("map@all", "MAP"),
        ("MRR@ALL", "MRR"),
        ("GAUC", "AUC"),
        ("CAUC", "cAUC"),
        ("PAPER_MEDR", "paper_medr"),
        ("paper_Recall@3", "paper_recall@3"),
        ("unseen_ndcg@3", "unseen_NDCG@3"),
        ("Unseen_MedR", "unseen_MedR"),
        (" MAP ", "MAP"),
    ],
)
def test_names_are_read_in_any_case_of_letters(written: str, name: str) -> None:
    assert read_metric(written) == name


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("MPA", "Unknown valid_metric 'MPA'. Did you mean 'MAP'?"),
        ("NDGC@10", "Unknown valid_metric 'NDGC@10'. Did you mean 'NDCG@10'?"),
        ("Recall", "Key 'valid_metric': Recall needs a depth, such as Recall@10. Received: Rec"),
        ("NDCG@0", "NDCG needs a depth, such as NDCG@10. Received: NDCG@0."),
        ("NDCG@ten", "NDCG needs a depth"),
        ("NDCG@all", "NDCG needs a depth"),
        ("MAP@", "MAP needs a depth"),
        ("AUC@10", "Unknown valid_metric 'AUC@10'."),
        ("unseen_cAUC", "Unknown valid_metric 'unseen_cAUC'."),
        ("LogLoss", "LogLoss is not computed: scores order influencers and are neither prob"),
        ("giniindex@10", "giniindex@10 is not computed: it describes the lists of all users"),
        (None, "Unknown valid_metric 'None'."),
    ],
)
def test_what_is_no_metric_is_named(written: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_metric(written)
    assert message in str(caught.value)


def test_metrics_get_every_depth_of_topk_as_in_recbole() -> None:
    found = chosen_metrics(["Recall", "mrr", "NDCG", "Hit", "Precision", "MAP"], [5, 10])
    names = ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP"]
    wanted = [f"{name}@{k}" for name in names for k in (5, 10)]
    assert found == ([*wanted, "paper_recall@5", "paper_recall@10"], [])


def test_metrics_of_the_whole_ranking_come_with_the_papers() -> None:
    found = chosen_metrics(["MedR", "MRR@all", "GAUC", "AUC", "cAUC", "Recall@3", "MAP@3"], [10])
    standard = ["MedR", "MRR", "AUC", "cAUC", "Recall@3", "MAP@3"]
    paper = ["paper_medr", "paper_mrr", "paper_auc", "paper_cauc", "paper_recall@3"]
    assert found == ([*standard, *paper], [])
    assert chosen_metrics(["paper_map"], [10]) == (["paper_map"], [])


def test_every_metric_that_is_refused_is_told() -> None:
    asked = ["RMSE", "Recall", "Recal", "unseen_MAP@all"]
    names, problems = chosen_metrics(asked, [10])
    assert names[0] == "Recall@10"
    assert "Key 'metrics': RMSE is not computed" in problems[0]
    assert "Unknown metrics 'Recal'" in problems[1]
    assert problems[2:] == [
        "Key 'metrics': unseen_MAP cannot be chosen; set eval_unseen_only=True."
    ]


def test_every_metric_of_recbole_is_read_or_refused_by_name() -> None:
    from recbole.evaluator.register import metric_types

    refused = set()
    for name in metric_types:
        names, problems = chosen_metrics([name], [10])
        assert bool(names) != bool(problems)
        assert not any(problem.startswith("Unknown") for problem in problems)
        refused |= {name.lower()} if problems else set()
    assert refused == set(REFUSED)


def test_what_validation_needs_is_shown_once() -> None:
    shown = with_metric(["Recall@10", "paper_recall@10"], "MRR@5")
    assert shown == ["Recall@10", "MRR@5", "paper_recall@10"]
    assert with_metric(["Recall@10"], "Recall@10") == ["Recall@10"]
    assert with_metric(["Recall@10"], "unseen_MAP") == ["Recall@10", "MAP"]


def test_names_of_recbole_with_another_meaning_are_told() -> None:
    assert metric_remarks(["Recall", "MAP"]) == []
    assert [remark.split()[0] for remark in metric_remarks(["gauc", "AUC"])] == ["AUC", "GAUC"]


def test_the_usual_names_their_groups_titles_and_directions() -> None:
    names = usual_metrics([7])
    assert names == [
        *("AUC", "cAUC", "Recall@7", "NDCG@10", "MRR", "MAP", "MedR"),
        *("paper_auc", "paper_cauc", "paper_recall@7", "paper_map", "paper_mrr", "paper_medr"),
    ]
    assert all(read_metric(name) == name for name in names)
    assert [name for name in names if smaller_is_better(name)] == ["MedR", "paper_medr"]
    assert smaller_is_better("unseen_MedR")
    assert [metric_title(name) for name in names[:7]] == [
        *("AUC", "cAUC", "R@7", "NDCG@10", "MRR", "MAP", "MedR")
    ]
    assert [metric_title(name) for name in ("recall@7", "auc", "medr")] == ["R@7", "AUC", "MedR"]
    groups = [rule_prefix(name) for name in ("paper_map", "unseen_MAP", "MAP")]
    assert groups == ["paper_", "unseen_", ""]


# --- values ---

# Brand rows: ranks of the positives are 1 and 3 of 4, and 2 of 3 (one candidate masked).
SCORES = np.array([[0.9, 0.5, 0.3, 0.1], [0.4, 0.8, 0.9, 0.1]])
POSITIVES = np.array([[True, False, True, False], [True, False, False, False]])
MASK = np.array([[True, True, True, True], [True, False, True, True]])
CATEGORIES = {"brand_category": np.array([0, 1]), "candidate_category": np.array([0, 1, 0, 0])}


def split(**changes: Any) -> EvaluationSplit:
    fields = {
        "protocol": "known-brand",
        "part": "test",
        "brands": np.array([2, 5]),
        "candidates": np.array([1, 3, 4, 7]),
        "positives": POSITIVES,
        "mask": MASK,
        "unseen": np.array([False, True, True, True]),
    }
    return EvaluationSplit(**(fields | changes))


def test_metrics_worked_by_hand() -> None:
    found = evaluate_scores(
        SCORES, split(**CATEGORIES), metrics=usual_metrics([2, 3]), unseen_only=True
    )
    assert (found.part, found.n_candidates, found.positive_share) == ("test", 4, 3 / 7)
    columns = found.per_brand
    assert columns["AUC"].tolist() == [0.75, 0.5]
    assert columns["Recall@2"].tolist() == [0.5, 1.0]
    assert columns["Recall@3"].tolist() == [1.0, 1.0]
    assert columns["MRR"].tolist() == [1.0, 0.5]
    assert columns["MAP"].tolist() == pytest.approx([(1 + 2 / 3) / 2, 0.5])
    # brand 2, category 0: non-collaborators of category 0 are candidate 7 alone, ranked last;
    # brand 5, category 1: its only candidate of category 1 is masked
    assert columns["cAUC"].tolist() == [1.0, pytest.approx(np.nan, nan_ok=True)]
    # candidate 1 leaves: brand 2 ranks its positive 4 second of three, brand 5 has no positive
    assert columns["unseen_MRR"].tolist() == [0.5, pytest.approx(np.nan, nan_ok=True)]
    # the average of the two brands' first ranks, 1 and 2; the paper takes the lower middle one
    expected = {"AUC": 0.625, "cAUC": 1.0, "MRR": 0.75, "MedR": 1.5, "paper_medr": 1.0}
    expected |= {"unseen_MRR": 0.5, "unseen_AUC": 0.5}
    assert {name: found.summary[name] for name in expected} == expected


def test_ranks_of_the_positives() -> None:
    found = positive_ranks(SCORES, split())
    assert found["brand"].tolist() == [2, 2, 5]
    assert found["influencer"].tolist() == [1, 4, 1]
    assert found["rank"].tolist() == [1.0, 3.0, 2.0]
    assert found["n_candidates"].tolist() == [4, 4, 3]
    assert found["unseen"].tolist() == [False, True, False]
    # all tied: the middle of four places, and of three
    tied = positive_ranks(np.zeros_like(SCORES), split())
    assert tied["rank"].tolist() == [2.5, 2.5, 2.0]


def test_the_brands_of_a_category() -> None:
    found = evaluate_scores(
        SCORES, split(**CATEGORIES), metrics=usual_metrics([2]), unseen_only=True
    )
    both = per_category(found.per_brand, ["shoes", "shoes"])
    assert both.drop(columns=["brand_category", "n_brands"]).iloc[0].to_dict() == pytest.approx(
        found.summary, nan_ok=True
    )
    one_each = per_category(found.per_brand, ["shoes", "food"])
    assert one_each["brand_category"].tolist() == ["food", "shoes"]
    assert one_each["n_brands"].tolist() == [1, 1]
    assert one_each["AUC"].tolist() == [0.5, 0.75]
    assert one_each["MedR"].tolist() == [2.0, 1.0]
    # positives of the other brand: candidate 1 alone, then candidates 1 and 4
    won = found.per_brand["paper_auc_won"] / found.per_brand["paper_auc_compared"]
    assert one_each["paper_auc"].tolist() == pytest.approx(won.tolist()[::-1], nan_ok=True)
    assert per_category(found.per_brand, [None, "food"])["brand_category"].tolist() == ["food"]
    assert len(per_category(found.per_brand, [None, None])) == 0


def test_only_the_metrics_asked_for_under_both_rules_in_their_order() -> None:
    chosen = ["Hit@1", "cAUC", "MRR@2", "MedR", "paper_recall@2", "paper_medr", "paper_auc"]
    found = evaluate_scores(SCORES, split(), metrics=chosen, unseen_only=True)
    # without categories there is no cAUC
    assert list(found.per_brand) == [
        *("Hit@1", "MRR@2", "FirstRank", "paper_recall@2", "paper_first_rank"),
        *("paper_auc", "paper_auc_won", "paper_auc_compared"),
        *("unseen_Hit@1", "unseen_MRR@2", "unseen_FirstRank"),
    ]
    assert list(found.summary) == [
        *("Hit@1", "MRR@2", "MedR", "paper_recall@2", "paper_medr", "paper_auc"),
        *("unseen_Hit@1", "unseen_MRR@2", "unseen_MedR"),
    ]
    assert found.per_brand["Hit@1"].tolist() == [1.0, 0.0]
    assert found.per_brand["MRR@2"].tolist() == [1.0, 0.5]
    usual = evaluate_scores(SCORES, split(), metrics=usual_metrics([2]), unseen_only=True)
    for name in ("MedR", "paper_medr", "paper_auc", "paper_recall@2", "unseen_MedR"):
        assert str(found.summary[name]) == str(usual.summary[name]), name


# --- text ---


def test_columns_are_aligned_numbers_rounded_and_missing_values_a_dash() -> None:
    frame = pd.DataFrame(
        {"name": ["a", "longer"], "rank": [1, 20], "x": [0.12345, None], "MedR": [2.25, 10.0]}
    )
    assert format_table(frame, decimals=3).split("\n") == [
        "name    rank      x  MedR",
        "a          1  0.123   2.2",
        "longer    20      -  10.0",
    ]
    frame = pd.DataFrame({"n": pd.Series([3, None], dtype="Int64"), "t": [None, "x"]})
    assert format_table(frame, decimals=1).split("\n") == ["n  t", "3  -", "-  x"]


def evaluation(part: str, share: float = 0.1, **summary: float) -> Evaluation:
    per_brand = pd.DataFrame({"AUC": [0.5, 0.6, 0.7]})
    return Evaluation(part, per_brand, summary, 45, np.zeros((3, 45)), share)


def result(**changes: Any) -> ExperimentResult:
    fields: dict[str, Any] = {
        "model": "BPR",
        "dataset": "mirec-tiny",
        "protocol": "new-brand",
        "seed": 3,
        "folds": 0,
        "fold": 0,
        "synthetic": True,
        "valid": evaluation("valid", AUC=0.61, MedR=4.0, paper_auc=0.62, paper_medr=3.0),
        "test": evaluation("test", **{"AUC": 0.51, "Recall@10": 0.1, "unseen_AUC": 0.5}),
        "best_epoch": 2,
        "n_epochs": 7,
        "seconds": 12.4,
        "run_folder": Path("saved/run"),
        "valid_metric": "MAP",
        "notes": ("It has no signal.",),
    }
    return ExperimentResult(**(fields | changes))


def test_the_table_says_what_a_reader_needs() -> None:
    lines = result_table(result()).split("\n")
    assert lines[0] == "BPR on mirec-tiny (synthetic data), protocol new-brand, seed 3"
    assert lines[2].split() == ["AUC", "MedR", "R@10"]
    assert [" ".join(line.split()) for line in lines[3:7]] == [
        "validation (3 brands, 45 candidates) 0.6100 4.0 -",
        "by the paper's rules 0.6200 3.0 -",
        "test (3 brands, 45 candidates) 0.5100 - 0.1000",
        "unseen influencers only 0.5000 - -",
    ]
    assert "epoch 2 of 7, chosen by validation MAP; 12 s" in lines
    assert [line for line in lines if line.startswith("Note")] == ["Note: It has no signal."]
    assert lines[-1].startswith("Files: saved/run ")
    first = result_table(result(folds=5, fold=2)).split("\n")[0]
    assert first == "BPR on mirec-tiny (synthetic data), protocol new-brand, fold 2 of 5, seed 3"


def test_real_data_is_not_called_synthetic_and_a_missing_part_is_left_out() -> None:
    text = result_table(result(synthetic=False, test=None, notes=()))
    assert text.startswith("BPR on mirec-tiny, protocol")
    assert "test (" not in text
    assert "Note" not in text
