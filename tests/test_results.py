import numpy as np
import pytest

from recbole_mirec.data.dataset import EvaluationSplit
from recbole_mirec.results import (
    evaluate_scores,
    per_category,
    positive_ranks,
    summary_of,
    usual_metrics,
)

# Brand rows: ranks of the positives are 1 and 3 of 4, and 2 of 3 (one candidate masked).
SCORES = np.array([[0.9, 0.5, 0.3, 0.1], [0.4, 0.8, 0.9, 0.1]])
POSITIVES = np.array([[True, False, True, False], [True, False, False, False]])
MASK = np.array([[True, True, True, True], [True, False, True, True]])


def split(**changes: object) -> EvaluationSplit:
    fields = {
        "protocol": "known-brand",
        "part": "test",
        "brands": np.array([2, 5]),
        "candidates": np.array([1, 3, 4, 7]),
        "positives": POSITIVES,
        "mask": MASK,
        "unseen": np.array([False, True, True, True]),
    }
    return EvaluationSplit(**(fields | changes))  # type: ignore[arg-type]


def test_metrics_worked_by_hand() -> None:
    found = evaluate_scores(SCORES, split(), metrics=usual_metrics([2, 3]))
    assert (found.part, found.n_candidates) == ("test", 4)
    columns = found.per_brand
    assert columns["AUC"].tolist() == [0.75, 0.5]
    assert columns["Recall@2"].tolist() == [0.5, 1.0]
    assert columns["Recall@3"].tolist() == [1.0, 1.0]
    assert columns["MRR"].tolist() == [1.0, 0.5]
    assert columns["MAP"].tolist() == pytest.approx([(1 + 2 / 3) / 2, 0.5])
    assert found.summary["AUC"] == 0.625
    assert found.summary["MRR"] == 0.75
    # the average of the two brands' first ranks, 1 and 2; the paper takes the lower middle one
    assert found.summary["MedR"] == 1.5
    assert found.summary["paper_medr"] == 1.0
    assert not [name for name in found.summary if name.startswith("unseen_")]
    assert "cAUC" not in found.summary or np.isnan(found.summary["cAUC"])


def test_categories_give_the_category_auc() -> None:
    found = evaluate_scores(
        SCORES,
        split(brand_category=np.array([0, 1]), candidate_category=np.array([0, 1, 0, 0])),
        metrics=usual_metrics([2]),
    )
    # brand 2, category 0: non-collaborators of category 0 are candidate 7 alone, ranked last
    assert found.per_brand["cAUC"].tolist()[0] == 1.0
    # brand 5, category 1: its only candidate of category 1 is masked
    assert np.isnan(found.per_brand["cAUC"].tolist()[1])
    assert found.summary["cAUC"] == 1.0


def test_unseen_influencers_alone() -> None:
    found = evaluate_scores(SCORES, split(), metrics=usual_metrics([2]), unseen_only=True)
    # candidate 1 leaves: brand 2 ranks its positive 4 second of three, brand 5 has no positive
    assert found.per_brand["unseen_MRR"].tolist()[0] == 0.5
    assert np.isnan(found.per_brand["unseen_MRR"].tolist()[1])
    assert found.summary["unseen_MRR"] == 0.5
    assert found.summary["unseen_AUC"] == 0.5
    assert found.summary["MRR"] == 0.75


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
    categories = {"brand_category": np.array([0, 1]), "candidate_category": np.array([0, 1, 0, 0])}
    found = evaluate_scores(
        SCORES, split(**categories), metrics=usual_metrics([2]), unseen_only=True
    )
    assert str(summary_of(found.per_brand)) == str(found.summary)
    both = per_category(found.per_brand, ["shoes", "shoes"])
    assert both.drop(columns=["brand_category", "n_brands"]).iloc[0].to_dict() == pytest.approx(
        found.summary, nan_ok=True
    )
    one_each = per_category(found.per_brand, ["shoes", "food"])
    assert one_each["brand_category"].tolist() == ["food", "shoes"]
    assert one_each["n_brands"].tolist() == [1, 1]
    assert one_each["AUC"].tolist() == [0.5, 0.75]
    assert one_each["MedR"].tolist() == [2.0, 1.0]
    assert one_each["unseen_MRR"].tolist() == [pytest.approx(np.nan, nan_ok=True), 0.5]
    # positives of the other brand: candidate 1 alone, then candidates 1 and 4
    won = found.per_brand["paper_auc_won"] / found.per_brand["paper_auc_compared"]
    assert one_each["paper_auc"].tolist() == pytest.approx(won.tolist()[::-1], nan_ok=True)
    unknown = per_category(found.per_brand, [None, "food"])
    assert unknown["brand_category"].tolist() == ["food"]
    assert len(per_category(found.per_brand, [None, None])) == 0


def test_only_the_metrics_asked_for_under_both_rules() -> None:
    chosen = ["Hit@1", "MRR@2", "MedR", "paper_recall@2", "paper_medr", "paper_auc"]
    found = evaluate_scores(SCORES, split(), metrics=chosen, unseen_only=True)
    assert list(found.per_brand) == [
        *("Hit@1", "MRR@2", "FirstRank", "paper_auc", "paper_auc_won", "paper_auc_compared"),
        *("paper_recall@2", "paper_first_rank", "unseen_Hit@1", "unseen_MRR@2"),
        "unseen_FirstRank",
    ]
    assert list(found.summary) == [
        *("Hit@1", "MRR@2", "MedR", "paper_auc", "paper_recall@2", "paper_medr"),
        *("unseen_Hit@1", "unseen_MRR@2", "unseen_MedR"),
    ]
    assert found.per_brand["Hit@1"].tolist() == [1.0, 0.0]
    assert found.per_brand["MRR@2"].tolist() == [1.0, 0.5]
    usual = evaluate_scores(SCORES, split(), metrics=usual_metrics([2]), unseen_only=True)
    for name in ("MedR", "paper_medr", "paper_auc", "paper_recall@2", "unseen_MedR"):
        assert str(found.summary[name]) == str(usual.summary[name]), name
    standard = evaluate_scores(SCORES, split(), metrics=["Hit@1", "cAUC"])
    assert list(standard.per_brand) == ["Hit@1"]
