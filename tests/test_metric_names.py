"""Metrics by RecBole's names and ours: what they mean, which are shown, which are refused."""

import pytest

from dataset_convert.common.errors import UsageError
from recbole_mirec.results import (
    chosen_metrics,
    metric_remarks,
    read_metric,
    rule_prefix,
    smaller_is_better,
    usual_metrics,
    with_metric,
)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("NDCG@10", "NDCG@10"),
        ("ndcg@5", "NDCG@5"),
        ("mrr@10", "MRR@10"),
        ("MAP@20", "MAP@20"),
        ("recall@20", "Recall@20"),
        ("R@7", "Recall@7"),
        ("HIT@010", "Hit@10"),
        ("precision@1", "Precision@1"),
        ("MRR", "MRR"),
        ("map@all", "MAP"),
        ("MRR@ALL", "MRR"),
        ("auc", "AUC"),
        ("GAUC", "AUC"),
        ("CAUC", "cAUC"),
        ("medr", "MedR"),
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
        (
            "Recall",
            "Key 'valid_metric': Recall needs a depth, such as Recall@10. Received: Rec",
        ),
        ("NDCG@0", "NDCG needs a depth, such as NDCG@10. Received: NDCG@0."),
        ("NDCG@ten", "NDCG needs a depth, such as NDCG@10. Received: NDCG@ten."),
        ("NDCG@all", "NDCG needs a depth"),
        ("AUC@10", "Unknown valid_metric 'AUC@10'."),
        ("unseen_cAUC", "Unknown valid_metric 'unseen_cAUC'."),
        ("LogLoss", "LogLoss is not computed: scores order influencers and are neither prob"),
        ("giniindex@10", "giniindex@10 is not computed: it describes the lists of all users"),
        (5, "Unknown valid_metric '5'."),
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
    asked = ["RMSE", "Recall", "Recal", "unseen_MAP@all", "ItemCoverage"]
    names, problems = chosen_metrics(asked, [10])
    assert names[0] == "Recall@10"
    assert [problem.split(":")[0].split(".")[0] for problem in problems] == [
        "Key 'metrics'",
        "Unknown metrics 'Recal'",
        "Key 'metrics'",
        "Key 'metrics'",
    ]
    assert "RMSE is not computed" in problems[0]
    assert "ItemCoverage is not computed" in problems[2]
    assert problems[3] == "Key 'metrics': unseen_MAP cannot be chosen; set eval_unseen_only=True."


@pytest.mark.parametrize(
    "name",
    [
        *("LogLoss", "RMSE", "MAE", "ItemCoverage", "AveragePopularity", "ShannonEntropy"),
        *("GiniIndex", "TailPercentage"),
    ],
)
def test_metrics_of_recbole_without_a_meaning_here(name: str) -> None:
    ((problem,), _) = reversed(chosen_metrics([name], [10]))
    assert problem.startswith(f"Key 'metrics': {name} is not computed: ")


def test_every_metric_of_recbole_is_read_or_refused_by_name() -> None:
    from recbole.evaluator.register import metric_types

    for name in metric_types:
        names, problems = chosen_metrics([name], [10])
        assert bool(names) != bool(problems)
        assert not any(problem.startswith("Unknown") for problem in problems)


def test_what_validation_needs_is_shown_once() -> None:
    assert with_metric(["Recall@10", "paper_recall@10"], "MRR@5") == [
        "Recall@10",
        "MRR@5",
        "paper_recall@10",
    ]
    assert with_metric(["Recall@10"], "Recall@10") == ["Recall@10"]
    assert with_metric(["Recall@10"], "unseen_MAP") == ["Recall@10", "MAP"]


def test_names_of_recbole_with_another_meaning_are_told() -> None:
    assert metric_remarks(["Recall", "MAP"]) == []
    remarks = metric_remarks(["gauc", "AUC"])
    assert [remark.split()[0] for remark in remarks] == ["AUC", "GAUC"]


def test_the_usual_names_and_their_directions() -> None:
    names = usual_metrics([7])
    assert names == [
        *("AUC", "cAUC", "Recall@7", "NDCG@10", "MRR", "MAP", "MedR"),
        *("paper_auc", "paper_cauc", "paper_recall@7", "paper_map", "paper_mrr", "paper_medr"),
    ]
    assert all(read_metric(name) == name for name in names)
    assert [name for name in names if smaller_is_better(name)] == ["MedR", "paper_medr"]
    assert smaller_is_better("unseen_MedR")
    assert not smaller_is_better("unseen_MRR")
    assert [rule_prefix(name) for name in ("paper_map", "unseen_MAP", "MAP")] == [
        "paper_",
        "unseen_",
        "",
    ]
