"""The ideas on record: their scores by hand or by loops, and the command's table."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import product
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.kernel_ridge import KernelRidge

from recbole_mirec.experiment import run_experiment
from recbole_mirec.nn.plda import fit_two_covariance

# 3 training brands and 2 to be tested, 5 training influencers and 2 other candidates; row 0 pads
PAIRS = np.array([[1, 1], [1, 2], [2, 3], [2, 2], [4, 4], [4, 5]])
BRANDS, CANDIDATES = np.array([3, 5]), np.array([2, 4, 6, 7])
WIDTHS = {"content_topics": 3, "attribute": 2}


@pytest.fixture(scope="module")
def command() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        yield import_module("ideas")
    for name in ("ideas", "idea_scores"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def room(command: Any) -> Any:
    return sys.modules["idea_scores"]


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def fold(room: Any) -> Any:
    rng = np.random.default_rng(7)
    rows = {
        side: {
            name: np.vstack([np.zeros(width), unit(rng.normal(size=(n, width)))])
            for name, width in WIDTHS.items()
        }
        for side, n in (("brand", 5), ("influencer", 7))
    }
    return room.Fold(
        rows=rows,
        vectors={"brand": rng.normal(size=(6, 4)), "influencer": rng.normal(size=(8, 4))},
        pairs=PAIRS,
        brands=BRANDS,
        candidates=CANDIDATES,
        brand_category=np.array([-1, 0, 1, 0, 1, -1]),
    )


def joint(fold: Any, side: str, account: int) -> np.ndarray:
    parts = [rows[account] for rows in fold.rows[side].values()]
    return np.concatenate(parts) / 2**0.5


def own(brand: int) -> list[int]:
    return [influencer for owner, influencer in PAIRS if owner == brand]


def affinity(fold: Any, brand: int, influencer: int) -> float:
    """By loops."""
    row = joint(fold, "influencer", influencer)
    near = [exp(joint(fold, "influencer", one) @ row / 0.2) for one in own(brand)]
    return sum(near) / len(near)


def propagated(fold: Any, brand: int, influencer: int, *, relative: bool) -> float:
    weights = {
        one: exp(joint(fold, "brand", brand) @ joint(fold, "brand", one) / 0.1) for one in (1, 2, 4)
    }
    total = 0.0
    for one, weight in weights.items():
        usual = np.mean([affinity(fold, one, known) for known in range(1, 6)]) if relative else 1
        total += weight / sum(weights.values()) * affinity(fold, one, influencer) / usual
    return log(total) if relative else total


@pytest.mark.parametrize("relative", [False, True])
def test_propagation_against_loops(room: Any, fold: Any, relative: bool) -> None:
    idea = room.log_nearest_brands if relative else room.nearest_brands
    expected = [
        [propagated(fold, brand, one, relative=relative) for one in CANDIDATES] for brand in BRANDS
    ]
    np.testing.assert_allclose(idea(fold), expected, rtol=1e-12)


def test_a_brand_as_the_mean_of_its_influencers_is_kernel_ridge(room: Any, fold: Any) -> None:
    known = np.stack([joint(fold, "brand", one) for one in (1, 2, 4)])
    means = np.stack(
        [np.mean([joint(fold, "influencer", i) for i in own(one)], axis=0) for one in (1, 2, 4)]
    )
    ridge = KernelRidge(alpha=1.0).fit(known, means - means.mean(axis=0))
    predicted = unit(ridge.predict(np.stack([joint(fold, "brand", one) for one in BRANDS])))
    shown = np.stack([joint(fold, "influencer", one) for one in CANDIDATES])
    np.testing.assert_allclose(room.predicted_influencer(fold), predicted @ shown.T, rtol=1e-9)


def test_joint_category_is_a_log_probability_and_0_where_no_category_is_known(
    room: Any, fold: Any
) -> None:
    scores = room.joint_category(fold)
    other = replace(fold, brand_category=np.array([-1, 0, 1, 1, 1, -1]))
    # two categories: the other one has the rest
    np.testing.assert_allclose(
        np.exp(scores[0]) + np.exp(room.joint_category(other)[0]), 1, rtol=1e-5
    )
    # influencer 4 works for category 1 only, the brand asked for is of category 0
    assert scores[0, 1] < log(0.5)
    np.testing.assert_array_equal(scores[1], 0)


def test_a_known_influencer_is_the_mean_of_its_brands(room: Any, fold: Any) -> None:
    scores = room.mean_of_known_brands(fold)
    asked = joint(fold, "brand", 5)
    of_two = (joint(fold, "brand", 1) + joint(fold, "brand", 2)) / 2
    np.testing.assert_allclose(scores[1], [asked @ of_two, asked @ joint(fold, "brand", 4), 0, 0])


def test_seen_before(room: Any, fold: Any) -> None:
    np.testing.assert_array_equal(room.seen_before(fold), [[1, 1, 0, 0]] * 2)


def test_joint_plda_is_a_log_likelihood_ratio(room: Any, fold: Any) -> None:
    rows = {side: torch.from_numpy(fold.joint(side)) for side in ("brand", "influencer")}
    model = fit_two_covariance(
        rows["brand"], rows["influencer"], torch.from_numpy(PAIRS), shrinkage=0.9, cross_share=0.5
    )
    between, within = model.between.numpy(), model.within.numpy()
    total = between + within
    together = multivariate_normal(cov=np.block([[total, between], [between, total]]))
    alone = multivariate_normal(cov=total)
    expected = [[0.0] * len(CANDIDATES) for _ in BRANDS]
    for (row, brand), (column, one) in product(enumerate(BRANDS), enumerate(CANDIDATES)):
        left, right = joint(fold, "brand", brand), joint(fold, "influencer", one)
        expected[row][column] = together.logpdf(np.r_[left, right]) - alone.logpdf(right)
    found = room.joint_plda(fold)
    # up to a constant of the brand
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-6)


def test_pseudo_relevance_reads_the_first_training_influencers(
    room: Any, fold: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "N_FEEDBACK", 2)
    vectors = {"brand": np.ones((6, 1)), "influencer": np.array([[9, 1, 5, 2, 4, 3, 8, 8]]).T}
    scores = room.pseudo_relevance(replace(fold, vectors=vectors))
    first = joint(fold, "influencer", 2) + joint(fold, "influencer", 4)
    expected = [unit(first) @ joint(fold, "influencer", one) for one in CANDIDATES]
    np.testing.assert_allclose(scores, [expected, expected])


def test_propagation_along_attributes_leaves_the_candidate_itself_out(
    room: Any, fold: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "N_NEIGHBOURS", 2)
    rows = fold.rows["influencer"]["attribute"]
    expected = []
    for brand, one in product(BRANDS, CANDIDATES):
        others = [other for other in range(1, 6) if other != one]
        near = sorted(others, key=lambda other: -(rows[one] @ rows[other]))[:2]
        vectors = fold.vectors["influencer"][near]
        expected.append(np.mean(vectors @ fold.vectors["brand"][brand]))
    np.testing.assert_allclose(room.attribute_neighbours(fold).ravel(), expected)


def test_pair_features_against_loops(room: Any, fold: Any) -> None:
    found = room.pair_features(fold, BRANDS, CANDIDATES)
    assert found.shape == (2, 4, 8)
    for (row, brand), (column, one) in product(enumerate(BRANDS), enumerate(CANDIDATES)):
        expected = []
        for name in WIDTHS:
            brands, influencers = fold.rows["brand"][name], fold.rows["influencer"][name]
            left, right = brands[brand], influencers[one]
            known = np.mean([brands[b] @ right for b in (1, 2, 4)])
            own_kind = np.mean([left @ influencers[i] for i in range(1, 6)])
            expected += [left @ right, known, own_kind, (left * right).max()]
        np.testing.assert_allclose(found[row, column], expected, atol=1e-12)


def planted(room: Any, *, shuffled: bool) -> tuple[Any, np.ndarray]:
    """60 training brands and 11 others of two tastes, five influencers each; and the truth."""
    rng = np.random.default_rng(3)
    centres = unit(rng.normal(size=(2, 5)))
    taste = np.arange(71) % 2
    brands = unit(centres[taste] + 0.2 * rng.normal(size=(71, 5)))
    owner = np.repeat(np.arange(71), 5)
    influencers = unit(centres[taste[owner]] + 0.2 * rng.normal(size=(355, 5)))
    members = rng.permutation(300) if shuffled else np.arange(300)
    fold = room.Fold(
        rows={"brand": {"attribute": brands}, "influencer": {"attribute": influencers}},
        vectors={},
        pairs=np.column_stack([owner[:300], members]),
        brands=np.arange(60, 71),
        candidates=np.arange(300, 355),
        brand_category=np.full(71, -1),
    )
    return fold, taste[60:, None] == taste[owner[300:]]


def auc(scores: np.ndarray, right: np.ndarray) -> float:
    return float(
        np.mean([np.mean(s[r][:, None] > s[~r]) for s, r in zip(scores, right, strict=True)])
    )


def test_boosting_learns_from_the_pairs_and_from_nothing_else(room: Any) -> None:
    fold, right = planted(room, shuffled=False)
    scores = room.boosted_pairs(fold, seed=1)
    assert auc(scores, right) > 0.9
    np.testing.assert_array_equal(scores, room.boosted_pairs(fold, seed=1))
    fold, right = planted(room, shuffled=True)
    assert auc(room.boosted_pairs(fold, seed=1), right) < 0.7


def test_which_ideas_read_who_collaborated_with_whom(room: Any, fold: Any) -> None:
    # the same accounts in training, paired otherwise
    swapped = replace(fold, pairs=np.column_stack([PAIRS[:, 0], PAIRS[::-1, 1]]))
    for name, idea in room.IDEAS.items():
        same = np.array_equal(idea(fold)[0], idea(swapped)[0])
        expected = {"seen in training", "propagation along attributes"}
        expected |= {"pseudo-relevance feedback (Rocchio)"}
        assert same == (name in expected), name


def test_added_by_hand(room: Any) -> None:
    scores, idea = np.array([[1.0, 3.0], [2.0, 6.0]]), np.array([[5.0, 6.0], [9.0, 10.0]])
    # deviations within a brand: scores 1, 1, 2, 2 of root mean square 5/2; the idea's are 1/2
    step = 0.3 * 2.5**0.5
    expected = scores + np.array([-step, step])
    np.testing.assert_allclose(room.added(scores, idea, 0.3), expected)


def test_an_idea_that_tells_no_candidates_apart_adds_nothing(room: Any) -> None:
    scores = np.array([[1.0, 3.0, 2.0]])
    np.testing.assert_array_equal(room.added(scores, np.full((1, 3), 4.0), 0.8), scores)


@given(factor=st.floats(0.01, 100), shift=st.lists(st.floats(-9, 9), min_size=3, max_size=3))
def test_added_knows_no_unit(room: Any, factor: float, shift: list[float]) -> None:
    rng = np.random.default_rng(0)
    scores, idea = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    changed = idea * factor + np.array(shift)[:, None]
    np.testing.assert_allclose(
        room.added(scores, changed, 0.5), room.added(scores, idea, 0.5), atol=1e-6
    )


def test_images_stand_in_the_order_of_the_internal_ids(command: Any, fold: Any) -> None:
    # brand 3 looks as brand 4 does, and brand 5 as brand 1
    images = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]], dtype=np.float32)
    found = command.visual_ideas(fold, images)["propagation from brands with like images"]
    for row, like in ((0, 4), (1, 1)):
        relative = [
            affinity(fold, like, one) / np.mean([affinity(fold, like, i) for i in range(1, 6)])
            for one in CANDIDATES
        ]
        np.testing.assert_allclose(found[row], np.log(relative), rtol=1e-3)


@pytest.mark.parametrize("images", [np.ones((4, 3)), np.ones(5), -np.ones((5, 3))])
def test_images_of_other_brands_are_refused(command: Any, fold: Any, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"one row for each of 5 brands .* Received: shape \("):
        command.visual_ideas(fold, images)


def test_without_attributes_one_idea_is_left_out(room: Any, fold: Any) -> None:
    assert room.ideas_for(fold) == room.IDEAS
    rows = {side: {"content_topics": parts["content_topics"]} for side, parts in fold.rows.items()}
    left = room.ideas_for(replace(fold, rows=rows))
    assert set(room.IDEAS) - set(left) == {"propagation along attributes"}


def test_averaged_epochs_end_with_the_best(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "N_AVERAGED", 3)
    states = [{"x": torch.tensor([float(value)])} for value in (1, 2, 4, 9, 100)]
    assert command.averaged(states, 3)["x"].item() == 5
    assert command.averaged(states, 1)["x"].item() == 1.5


def test_table_by_hand(command: Any) -> None:
    base = np.array([[np.nan, 0.1, 0.2, 0.3, 0.4], [np.nan, 0.1, 0.2, 0.3, 0.4]])
    better = base + np.array([np.nan, 0.011, 0.012, 0.013, 0.014])
    values = {
        command.MIREC: base,
        command.Line("good", 0.3): better,
        command.Line("none", None): base,
    }
    head, _, _, _, good, none = command.table(values)
    assert head == "MIRec: MAP 0.2500 over 4 brands"
    # mean .0125, deviation .00129 over 4 brands: t = 19.4 with 3 degrees of freedom
    assert good == ("| good | 0.3 | 0.2625 | +0.0125† | +0.0104 to +0.0146 | < .001 | < .001 |")
    assert none == "| none | instead | 0.2500 | +0.0000 | +0.0000 to +0.0000 | 1.000 | 1.000 |"
    # with one seed nothing is marked
    alone = command.table({line: runs[:1] for line, runs in values.items()})
    assert "†" not in "".join(alone)


def test_a_fold_without_ideas_is_the_experiment(
    command: Any, data_path: Path, tmp_path: Path
) -> None:
    own = {"dataset": "mirec-tiny", "data_path": str(data_path), "gpu_id": "", "state": "ERROR"}
    settings = {**command.QUIET, **own, "folds": 3, "fold": 2, "seed": 5, "epochs": 3}
    found = command.run_fold(settings, [0.0, 0.5], None)
    result = run_experiment({**settings, "checkpoint_dir": str(tmp_path)})
    assert result.test is not None
    tested = np.isfinite(found.precision[command.MIREC])
    expected = result.test.per_brand["MAP"].to_numpy()
    assert found.n_candidates == result.test.n_candidates
    np.testing.assert_allclose(found.precision[command.MIREC][tested], expected, rtol=1e-6)
    for line, precision in found.precision.items():
        np.testing.assert_array_equal(np.isfinite(precision), tested)
        if line.weight == 0:
            np.testing.assert_allclose(precision[tested], expected, rtol=1e-6)
        elif line.weight is not None:
            assert not np.allclose(precision[tested], expected), line
