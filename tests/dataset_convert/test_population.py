"""Planted collaborations: places, degrees and what they are drawn from."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.synthetic import SPECS
from dataset_convert.synthetic.population import (
    CHANCE,
    PRECEDENT,
    RIVALS,
    Population,
    brand_degrees,
    fill_places,
    influencer_degrees,
    keep_to_circles,
    make_population,
    spread_directions,
)

DEMO = SPECS["mirec-demo"].population
TINY = SPECS["mirec-tiny"].population


def test_fill_places_takes_the_best_first() -> None:
    liking = np.array([[9.0, 8.0, 1.0], [7.0, 6.0, 5.0]])
    pairs = fill_places(liking, np.array([1, 2]), np.array([1, 1, 1]))
    assert pairs.tolist() == [[0, 0], [1, 1], [1, 2]]


def test_fill_places_parts_a_pair_for_who_is_left_over() -> None:
    # Greedy gives (0, 0) and (1, 1); brand 0 is left with influencer 0, which it has already.
    liking = np.array([[9.0, 1.0], [0.0, 8.0]])
    pairs = fill_places(liking, np.array([2, 1]), np.array([2, 1]))
    assert pairs.tolist() == [[0, 0], [0, 1], [1, 0]]


@given(st.integers(0, 2**32))
def test_fill_places_fills_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    linked = rng.random((5, 31)) < 0.2
    brand_places, influencer_places = linked.sum(axis=1), linked.sum(axis=0)
    liking = rng.standard_normal(linked.shape)
    pairs = fill_places(liking, brand_places, influencer_places)
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert np.bincount(pairs[:, 0], minlength=5).tolist() == brand_places.tolist()
    assert np.bincount(pairs[:, 1], minlength=31).tolist() == influencer_places.tolist()


def test_fill_places_refuses() -> None:
    with pytest.raises(ValueError, match="must allow different pairs"):
        fill_places(np.zeros((1, 1)), np.array([2]), np.array([2]))


@given(st.integers(0, 2**32))
def test_degrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    brands, influencers = brand_degrees(DEMO, rng), influencer_degrees(DEMO, rng)
    assert brands.sum() == influencers.sum() == 4209
    assert (len(brands), len(influencers)) == (360, 3748)
    assert brands.min() >= 1
    assert 3.6 < brands.std() < 5.2
    # 461 further pairs in the proportions 80 : 14 : 6 of 1, 2 and 3 further brands.
    assert np.bincount(influencers).tolist() == [0, 3380, 296, 51, 21]


def test_degrees_that_hit_the_floor_still_sum() -> None:
    spec = replace(TINY, n_pairs=40, n_influencers=40, degree_sd=3.0)
    degrees = brand_degrees(spec, np.random.default_rng(3))
    assert degrees.sum() == 40
    assert degrees.min() == 1


@pytest.mark.parametrize("count", [3, 5, 7, 12])
def test_directions_are_spread(count: int) -> None:
    directions = spread_directions(count, 5, np.random.default_rng(1))
    assert directions.shape == (count, 5)
    gram = directions @ directions.T
    np.testing.assert_allclose(np.diag(gram), 1, atol=1e-12)
    for start in range(0, count, 5):
        block = gram[start : start + 5, start : start + 5]
        np.testing.assert_allclose(block, np.eye(len(block)), atol=1e-12)


@pytest.fixture(scope="module")
def population() -> Population:
    return make_population(DEMO, np.random.default_rng(8))


def test_pairs_follow_what_matters_and_nothing_else(population: Population) -> None:
    paired = np.zeros(population.affinity.shape, dtype=bool)
    paired[*population.pairs.T] = True
    left = population.affinity.copy()
    for name, taste in population.brand_taste.items():
        products = taste[:, None] * population.influencer_taste[name]
        matters, idle = (block.sum(axis=2) for block in np.split(products, [DEMO.n_latent], axis=2))
        left -= DEMO.tastes[name].weight * matters / np.sqrt(DEMO.n_latent)
        gained = matters[paired].mean() - matters[~paired].mean()
        assert gained > DEMO.tastes[name].weight
        assert abs(idle[paired].mean() - idle[~paired].mean()) < 0.15
    # what is left is the kinds', which go together one by one
    kinds = np.unique(np.round(left, 9))
    assert kinds.tolist() == [0, DEMO.kind_weight]
    together = left > DEMO.kind_weight / 2
    assert together.mean() == pytest.approx(1 / DEMO.n_kinds, abs=0.005)
    assert together[paired].mean() > 2 / DEMO.n_kinds
    brand, influencer = population.pairs.T
    distance = np.abs(brand / 360 - influencer / 3748)
    assert abs(distance.mean() - 1 / 3) < 0.02
    assert np.bincount(population.brand_category).tolist() == [30] * 12


def test_causes_are_what_pairs_owe_most_to(population: Population) -> None:
    assert len(population.causes) == len(population.pairs)
    found = Counter(population.causes)
    assert found.keys() >= {"content", "attribute", PRECEDENT, RIVALS, CHANCE}
    assert found[CHANCE] < 0.02 * len(population.causes)
    several = np.bincount(population.pairs[:, 1]) > 1
    for cause, (brand, influencer) in zip(population.causes, population.pairs, strict=True):
        assert cause != RIVALS or several[influencer]
        assert cause != PRECEDENT or (
            population.brand_kind[brand] == population.influencer_kind[influencer]
        )


def test_kinds_show_where_nothing_else_does(population: Population) -> None:
    idle = population.brand_taste["content"][:, DEMO.n_latent :]
    centres = np.array([idle[population.brand_kind == k].mean(axis=0) for k in range(DEMO.n_kinds)])
    within = np.mean((idle - centres[population.brand_kind]) ** 2) * 15 / 14
    assert abs(within - (1 - DEMO.kind_share)) < 0.1


def test_circles_share_influencers_within_one_category(population: Population) -> None:
    brands_of: dict[int, list[int]] = {}
    for brand, influencer in population.pairs.tolist():
        brands_of.setdefault(influencer, []).append(brand)
    shared = Counter(
        pair for brands in brands_of.values() for pair in combinations(sorted(brands), 2)
    )
    links = np.array(list(shared.values()))
    # .519 in the real material; .08 where taste alone decides
    assert 0.4 < links[links >= 2].sum() / links.sum() < 0.65
    category = population.brand_category
    same = sum(count for (a, b), count in shared.items() if category[a] == category[b])
    assert same / links.sum() > 0.6


def test_circles_leave_influencers_with_one_brand_alone() -> None:
    spec = replace(TINY, n_brands=12, n_influencers=5, n_circles=4, circle_share=1.0)
    liking = np.arange(60, dtype=np.float64).reshape(12, 5)
    category = np.arange(12) % spec.n_categories
    places = np.array([1, 2, 1, 3, 1])
    raised = keep_to_circles(spec, liking, category, places, np.random.default_rng(0)) - liking
    assert (raised[:, places == 1] == 0).all()
    for influencer in (1, 3):
        brands = np.flatnonzero(raised[:, influencer])
        assert len(brands) == spec.circle_size
        assert len(set(category[brands])) == 1
