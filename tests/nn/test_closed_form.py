"""What is fitted in closed form, and the vectors that follow, against their definitions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_network import LAYOUT, METRIC, SPACES

from dataset_convert.schema import Side
from recbole_mirec.nn import fitted as room
from recbole_mirec.nn.closed_form import REACH, finish, fit_inputs, fit_precedent, principal_axes
from recbole_mirec.nn.fitted import Fitted, Layout, Static, Table, standardised
from recbole_mirec.nn.settings import MetricSettings

N: dict[Side, int] = {"brand": 13, "influencer": 29}
KERNELS: Mapping[str, Mapping[str, float]] = {
    "brand": {"content_topics": 1.0, "content_text": 1.5, "category": 1.0},
    "influencer": {"content_topics": 1.0, "profile_text": 1.0},
}
FULL = replace(LAYOUT, kernels=KERNELS, hubness=0.75)


def tables(seed: int = 1, distinct: int | None = None) -> dict[Side, Table]:
    """Accounts of both sides, some modalities missing; so many `distinct` ones, the same again."""
    rng = np.random.default_rng(seed)
    found: dict[Side, Table] = {}
    for side, n in N.items():
        names = [*LAYOUT.modalities(side), "category"]
        widths = {name: SPACES[LAYOUT.spaces.get(name, "content_topics")] for name in names}
        again = np.arange(n) % (distinct or n)
        found[side] = {
            name: (rng.random((n, width))[again], (rng.random(n) < 0.8)[again])
            for name, width in widths.items()
        }
    return found


def pairs(seed: int = 2) -> NDArray[np.int64]:
    return np.argwhere(np.random.default_rng(seed).random(tuple(N.values())) < 0.2)


def fitted_on(
    given: dict[Side, Table], layout: Layout = FULL, seeds: int = 1, **changes: Any
) -> tuple[Fitted, dict[Side, Static], MetricSettings]:
    """All that is fitted where every account is a training account, with maps as after steps."""
    settings = METRIC.model_copy(update=changes)
    rng, made = np.random.default_rng(3), Fitted({}, layout)
    everyone = {side: np.ones(n, dtype=bool) for side, n in N.items()}
    fit_inputs(made, given, everyone, 128)
    for space in SPACES:
        width = made.arrays[f"axes {space}"].shape[1]
        made.set(f"map {space}", 0.3 * rng.standard_normal((seeds, width, width)))
    made.set("scale", 2.0 + rng.random((seeds, len(layout.pairs))))
    static = {side: made.static(side, given[side]) for side in N}
    if layout.kernels:
        fit_precedent(made, static, pairs(), settings)
        static = {side: made.with_precedent(side, static[side]) for side in N}
    finish(made, static, pairs(), settings)
    return made, static, settings


def shares(made: Fitted, given: dict[Side, Table]) -> dict[str, NDArray[np.float64]]:
    brands, influencers = (made.encode(side, given[side]) for side in N)
    return {name: brands[name] @ influencers[name].T for name in brands}


# Four accounts of three shares; the last lacks the modality.
ROWS = np.array([[0.36, 0.64, 0.0], [0.04, 0.0, 0.96], [0.25, 0.5, 0.25], [9.0, 9.0, 9.0]])
PRESENT = np.array([True, True, True, False])


@pytest.mark.parametrize("rooted", [True, False])
def test_rows_are_those_of_a_plain_loop(rooted: bool) -> None:
    values = np.sqrt(ROWS) if rooted else ROWS
    mean = (values[0] + values[1]) / 2
    found = standardised(ROWS, PRESENT, mean, rooted=rooted)
    for row, value in zip(found[:3], values, strict=False):
        np.testing.assert_allclose(row, (value - mean) / np.linalg.norm(value - mean), atol=1e-12)
    assert not found[3].any()
    # the mean itself, but for the rounding of single precision, is no direction
    assert not standardised((mean * (1 + 1e-7))[None], PRESENT[:1], mean).any()


def test_axes_are_right_singular_vectors_with_their_largest_entry_positive() -> None:
    rows = np.random.default_rng(5).standard_normal((13, 7))
    axes = principal_axes(rows, 3)
    right = np.linalg.svd(rows)[2][:3]
    right *= np.sign(np.take_along_axis(right, np.abs(right).argmax(axis=1)[:, None], axis=1))
    np.testing.assert_allclose(axes, right.T, atol=1e-10)
    np.testing.assert_allclose(principal_axes(np.vstack([rows, 0 * rows]), 3), axes, atol=1e-10)
    assert np.array_equal(principal_axes(rows, 7), np.eye(7))
    # what has rank two has two axes, and identical rows have one
    assert principal_axes(rows[:, :2] @ rows[:2], 5).shape == (7, 2)
    assert principal_axes(np.zeros((3, 7)), 5).shape == (7, 1)


def kernel(rows: NDArray[Any], width: float) -> NDArray[np.float64]:
    squares = [[float(((x - z) ** 2).sum()) for z in rows] for x in rows]
    median = np.median([squares[a][b] for a in range(len(rows)) for b in range(a)])
    found: NDArray[np.float64] = np.exp(-np.array(squares) / (width * median))
    return found


def test_precedents_are_those_of_a_dense_solve() -> None:
    made, static, settings = fitted_on(tables())
    brands, influencers = (
        kernel(static[side].kernel, w) for side, w in zip(N, (1.0, 0.5), strict=True)
    )
    worked = np.zeros((len(brands), len(influencers)))
    worked[tuple(pairs().T)] = 1
    worked -= worked.mean(axis=1, keepdims=True)
    left = np.linalg.solve(brands + settings.brand_ridge * np.eye(len(brands)), worked)
    ridge = settings.influencer_ridge * len(influencers)
    expected = (
        brands @ left @ np.linalg.solve(influencers + ridge * np.eye(len(influencers)), influencers)
    )
    has = [static[side].kernel.any(axis=1) for side in N]
    expected = np.where(has[0][:, None] & has[1], expected, 0.0)
    found = static["brand"].precedent @ static["influencer"].precedent.T
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(found, expected, atol=1e-4)
    weighted = shares(made, tables())["precedent"]
    np.testing.assert_allclose(weighted, found * made.arrays["weight"], rtol=1e-6)


@pytest.mark.parametrize(
    ("landmarks", "distinct", "ridge", "error"), [(12, 4, 0.001, 0.001), (25, None, 1.0, 0.3)]
)
def test_landmarks_that_show_all_there_is_give_the_exact_solution_and_others_one_near_it(
    landmarks: int, distinct: int | None, ridge: float, error: float
) -> None:
    given, fixed = tables(distinct=distinct), {"influencer_ridge": ridge}
    exact, some = (
        [static.precedent for static in fitted_on(given, landmarks=n, **fixed)[1].values()]
        for n in (29, landmarks)
    )
    assert some[0].shape == (13, min(landmarks, 13))
    expected, found = exact[0] @ exact[1].T, some[0] @ some[1].T
    assert np.abs(found - expected).max() > 0
    assert np.linalg.norm(found - expected) < error * np.linalg.norm(expected)


@pytest.mark.parametrize(("precedent_weight", "capped"), [(0.6, False), (1e6, True)])
def test_precedents_spread_as_told_and_reach_no_further_than_allowed(
    precedent_weight: float, capped: bool
) -> None:
    made, _, _ = fitted_on(tables(), precedent_weight=precedent_weight)
    found = shares(made, tables())
    learnt = sum(found[name] for name in FULL.perspectives)
    apart = np.ones(learnt.shape, dtype=bool)
    apart[tuple(pairs().T)] = False
    if capped:
        reach = REACH * made.arrays["scale"].sum()
        assert np.abs(found["precedent"]).max() == pytest.approx(reach, rel=1e-5)
    else:
        spread = precedent_weight * learnt[apart].std()
        assert found["precedent"][apart].std() == pytest.approx(spread, rel=1e-5)


@given(st.integers(0, 50))
def test_a_perspective_is_worth_nothing_on_average_and_what_is_missing_adds_nothing(
    seed: int,
) -> None:
    given = tables(seed)
    made, _, _ = fitted_on(given)
    found = shares(made, given)
    for perspective in FULL.perspectives:
        np.testing.assert_allclose(found[perspective].mean(axis=1), 0, atol=1e-6)
        both = []
        for place, side in enumerate(N, start=1):
            names = {pair[place] for pair in FULL.pairs if pair[0] == perspective}
            both.append(np.any([given[side][name][1] for name in names], axis=0))
        assert not found[perspective][~both[0]].any()
        assert not found[perspective][:, ~both[1]].any()
    nothing: dict[Side, Table] = {
        side: {name: (np.full_like(x, np.nan), mask & False) for name, (x, mask) in table.items()}
        for side, table in given.items()
    }
    assert not any(rows.any() for rows in made.encode("influencer", nothing["influencer"]).values())
    of_nothing = made.encode("brand", nothing["brand"])
    assert not any(rows.any() for name, rows in of_nothing.items() if name != room.HUBNESS)


def test_hubness_takes_a_share_of_the_mean_score_for_the_nearest_brands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, _, _ = fitted_on(tables())
    found = shares(made, tables())
    rest = sum(of for name, of in found.items() if name != room.HUBNESS)
    expected = [-0.75 * np.mean(sorted(column)[-3:]) for column in rest.T]
    np.testing.assert_allclose(found[room.HUBNESS], np.tile(expected, (13, 1)), rtol=1e-5)
    monkeypatch.setattr(room, "_AT_ONCE", 3)
    np.testing.assert_allclose(shares(made, tables())[room.HUBNESS][0], expected, rtol=1e-5)


def test_two_seeds_are_worth_the_mean_of_them() -> None:
    made, _, _ = fitted_on(tables(), LAYOUT, seeds=2)
    found = [shares(made, tables())]
    for seed in range(2):
        chosen = {
            name: array[[seed]] if name.startswith(("map", "scale", "centre")) else array
            for name, array in made.arrays.items()
        }
        # a seed's own centre; products of both are divided by their number
        chosen |= {k: x * 2**0.5 for k, x in chosen.items() if k.startswith("centre")}
        found.append(shares(Fitted(chosen, LAYOUT), tables()))
    for name, both in found[0].items():
        assert np.abs(found[1][name] - found[2][name]).max() > 0.1
        np.testing.assert_allclose(both, (found[1][name] + found[2][name]) / 2, atol=1e-6)


def test_neither_order_nor_company_changes_an_account_s_vectors() -> None:
    given = tables()
    made, _, _ = fitted_on(given)
    for side in N:
        order = np.random.default_rng(4).permutation(N[side])[:5]
        some = {name: (x[order], mask[order]) for name, (x, mask) in given[side].items()}
        whole = made.encode(side, given[side])
        for name, rows in made.encode(side, some).items():
            np.testing.assert_allclose(rows, whole[name][order], rtol=0, atol=1e-12)


def test_attributes_are_the_mean_of_the_embeddings_that_are_known() -> None:
    made = Fitted({"embeddings": np.array([[1.0, 3.0], [0.0, 0.0], [5.0, -1.0]])}, LAYOUT)
    rows = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 0], [1, 0, 0]])
    found, mask = made.embedded("attributes", rows, np.array([True, True, True, False]))
    assert found.tolist() == [[3.0, 1.0], [1.0, 3.0], [0.0, 0.0], [0.0, 0.0]]
    assert mask.tolist() == [True, True, False, False]
