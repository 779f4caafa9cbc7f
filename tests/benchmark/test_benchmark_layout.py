"""Places, communities and colours: known answers and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_mirec.benchmark.plane import flattened, principal_components
from recbole_mirec.benchmark.portrait_file import AttributeGraph
from recbole_mirec.benchmark.report.layout import communities, separated, spread
from recbole_mirec.benchmark.report.network import affinity, backbone
from recbole_mirec.benchmark.report.palette import (
    CATEGORIES,
    MAIN,
    cell_colours,
    contrast,
    model_colour,
    tint,
)


def two_triangles(bridge: float = 0.1) -> np.ndarray:
    """Nodes 0 1 2 and 3 4 5 tied among themselves, 2 and 3 by a bridge."""
    weights = np.zeros((6, 6))
    for group in ((0, 1, 2), (3, 4, 5)):
        for i in group:
            for j in group:
                weights[i, j] = i != j
    weights[2, 3] = weights[3, 2] = bridge
    return weights


def test_two_triangles_are_two_communities_the_larger_first() -> None:
    assert communities(two_triangles()).tolist() == [0, 0, 0, 1, 1, 1]
    larger = np.zeros((8, 8))
    larger[2:, 2:] = two_triangles(bridge=0.0)
    larger[5, 7] = larger[7, 5] = 0
    larger[0, 1] = larger[1, 0] = 1
    found = communities(larger)
    assert found[2] == found[3] == found[4] == 0
    assert len(set(found)) >= 3
    assert communities(np.zeros((3, 3))).tolist() == [0, 1, 2]


def test_communities_are_those_of_an_independent_implementation() -> None:
    nx = pytest.importorskip("networkx")
    graph = nx.karate_club_graph()
    weights = nx.to_numpy_array(graph)
    found = communities(weights)
    theirs = nx.community.greedy_modularity_communities(graph, weight="weight")
    ours = [set(np.flatnonzero(found == number)) for number in range(found.max() + 1)]
    assert nx.community.modularity(graph, ours) == pytest.approx(
        nx.community.modularity(graph, theirs), abs=0.02
    )


def test_tied_nodes_stand_closer_than_others_and_no_two_in_one_place() -> None:
    places = spread(two_triangles())
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    within = [distance[i, j] for i, j in ((0, 1), (1, 2), (3, 4), (4, 5))]
    across = [distance[i, j] for i, j in ((0, 4), (0, 5), (1, 4), (1, 5))]
    assert max(within) < min(across)
    assert distance[np.triu_indices(6, 1)].min() > 0.05
    assert np.allclose(places.mean(axis=0), 0)
    assert np.array_equal(places, spread(two_triangles()))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_graphs_without_edges_have_places_too(n: int) -> None:
    assert np.isfinite(spread(np.zeros((n, n)))).all()
    assert spread(np.zeros((n, n))).shape == (n, 2)


@given(st.integers(2, 25), st.integers(0, 10_000))
def test_separated_boxes_do_not_overlap(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 60, size=(n, 2))
    sizes = rng.uniform(5, 30, size=(n, 2))
    moved = separated(places, sizes, gap=2.0, steps=5000)
    gaps = np.abs(moved[:, None] - moved[None]) - (sizes[:, None] + sizes[None]) / 2
    assert gaps.max(axis=2)[np.triu_indices(n, 1)].min() > 2.0 - 1e-6


def test_boxes_that_do_not_overlap_stay_and_those_in_one_place_part() -> None:
    apart = np.array([[0.0, 0.0], [50.0, 0.0]])
    sizes = np.full((2, 2), 10.0)
    assert np.array_equal(separated(apart, sizes, gap=1.0), apart)
    same = separated(np.zeros((2, 2)), sizes, gap=1.0)
    assert np.abs(same[0] - same[1]).max() == pytest.approx(11.0)


def test_affinity_is_the_weight_over_what_chance_gives() -> None:
    graph = AttributeGraph(("a", "b", "c"), (6.0, 4.0, 2.0), ((0, 1, 3.0), (1, 2, 1.0)), 3, 2, 12.0)
    found = affinity(graph)
    assert found[0, 1] == found[1, 0] == pytest.approx(3.0 * 12 / (6 * 4))
    assert found[1, 2] == pytest.approx(1.0 * 12 / (4 * 2))
    assert found[0, 2] == 0


def test_the_backbone_keeps_the_three_closest_of_every_node() -> None:
    closeness = np.array([[0, 5, 4, 3, 1], [5, 0, 9, 8, 7], [4, 9, 0, 6, 2], [3, 8, 6, 0, 2.5]])
    closeness = np.vstack([closeness, [1, 7, 2, 2.5, 0]]).astype(float)
    kept = backbone(closeness)
    assert np.array_equal(kept, kept.T)
    assert kept[0].tolist() == [0, 5, 4, 3, 0]
    # 2 is among the three closest of 4, and 0 of neither end.
    assert kept[4].tolist() == [0, 7, 2, 2.5, 0]


def test_principal_components_are_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    vectors = np.random.default_rng(3).normal(size=(29, 7)) * np.arange(1, 8)
    ours = principal_components(vectors, 3)
    theirs = PCA(3, svd_solver="full").fit_transform(vectors)
    assert np.abs(ours) == pytest.approx(np.abs(theirs))
    assert np.array_equal(ours, principal_components(vectors, 3))
    assert principal_components(vectors[:, :1], 5).shape == (29, 2)


def test_few_vectors_lie_on_their_components_and_many_keep_their_groups() -> None:
    rng = np.random.default_rng(5)
    few = rng.normal(size=(11, 5))
    places, words = flattened(few)
    assert places.shape == (11, 2)
    assert "principal components" in words and "t-SNE" not in words
    # Directions only: length does not matter.
    assert flattened(few * rng.uniform(1, 9, size=(11, 1)))[0] == pytest.approx(places)
    centres = np.eye(3, 13)[np.arange(120) % 3] * 10
    many, words = flattened(centres + rng.normal(size=(120, 13)))
    assert "t-SNE" in words
    near = np.linalg.norm(many[:, None] - many[None], axis=2) + 1e9 * np.eye(120)
    assert (near.argmin(axis=1) % 3 == np.arange(120) % 3).all()


@given(st.floats(-0.5, 1.5))
def test_letters_of_a_cell_can_be_read(strength: float) -> None:
    ground, letters = (
        tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in cell_colours(strength)
    )
    assert contrast(ground, letters) >= 4.5


def test_contrast_by_known_values() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21.0)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


def test_twelve_colours_are_told_apart_and_none_of_a_model_is_the_main_one() -> None:
    assert len(set(CATEGORIES)) == 12
    models = {model_colour(place) for place in range(30)}
    assert len(models) == 11
    assert not models & {MAIN, "#ff6e3a"}
    assert tint("#008df9", 0.0) == "#ffffff"
    assert tint("#008df9", 1.0) == "#008df9"
