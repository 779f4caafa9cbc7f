"""Pictures: marks stand where the values say, names are escaped, colours are the page's."""

import re
import subprocess
import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_mirec import plots

ROWS = [("Ours", 0.5, 0.2, 0.9, "orange"), ("Theirs", 0.3, np.nan, np.nan, "soft")]


def numbers(path: str) -> list[list[float]]:
    """The points of a path."""
    return [[float(x) for x in point] for point in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]


def lines(svg: str, colour: str) -> list[list[list[float]]]:
    """The points of every line of a colour."""
    return [
        numbers(path)
        for path, style in re.findall(r'<path d="([^"]*)"[^>]* style="([^"]*)"', svg)
        if f"stroke: var(--{colour})" in style and "fill: none" in style
    ]


def marks(svg: str, colour: str) -> list[list[float]]:
    """The places of every mark of a colour."""
    found = re.findall(r'<use href="[^"]*" x="([\d.]+)" y="([\d.]+)" style="([^"]*)"', svg)
    return [[float(x), float(y)] for x, y, style in found if f"fill: var(--{colour})" in style]


def test_matplotlib_is_not_loaded_before_a_picture_is_drawn() -> None:
    modules = "recbole_mirec.benchmark.page, recbole_mirec.tuning.page"
    code = f"import sys, {modules}; print({{'matplotlib', 'networkx'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_intervals_stand_in_proportion_the_first_at_the_top() -> None:
    svg = plots.intervals(ROWS, {"chance": 0.25})
    (whisker,), (mean,) = lines(svg, "orange"), marks(svg, "orange")
    (low, _), (high, _) = whisker
    assert (mean[0] - low) / (high - low) == pytest.approx((0.5 - 0.2) / (0.9 - 0.2), abs=0.001)
    assert marks(svg, "page")[0][1] > mean[1]
    # The line of chance, upright, between its neighbours .2 and .3.
    (chance,) = [line for line in lines(svg, "soft") if line[0][0] == line[-1][0]]
    assert low < chance[0][0] < marks(svg, "page")[0][0]


def test_the_same_values_give_the_same_text_and_other_ids_than_other_pictures() -> None:
    one, again, other = (plots.intervals(rows, {}) for rows in (ROWS, ROWS, ROWS[:1]))
    assert one == again
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (one, other)]
    assert all(ids) and not ids[0] & ids[1]
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', one)) <= {
        pair for name in ids[0] for pair in ((name, ""), ("", name))
    }
    assert not re.search(r"#[0-9a-f]{6}\b|http|<!|<\?|font-family", one)


def test_names_are_text_whatever_they_hold(recwarn: pytest.WarningsRecorder) -> None:
    name = '</text><script>$x_"漢\n#000001'
    svg = plots.intervals([(name, 0.5, 0.4, 0.6, "orange")], {})
    assert "<script" not in svg
    assert "&lt;/text&gt;&lt;scri" in svg
    assert not recwarn.list


def test_found_shares_rise_along_a_logarithmic_axis() -> None:
    cuts = np.array([1.0, 10.0, 100.0])
    svg = plots.ranks(cuts, cuts / 100, [("orange", np.array([0.0, 0.5, 1.0]))])
    ((a, b, c),) = (line for line in lines(svg, "orange"))
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.02)
    assert a[1] - b[1] == pytest.approx(b[1] - c[1], abs=0.02) and c[1] < a[1]


def test_learning_curves_have_a_line_a_run_and_a_dot_at_the_chosen_epoch() -> None:
    run = np.array([[1, 0.1, 9], [2, 0.3, 7], [3, 0.2, np.nan]])
    svg = plots.learning_curves([(run, 2), (run[:1], 1)], (0.0, 0.4))
    curve = lines(svg, "blue")[0]
    assert min(curve, key=lambda point: point[1]) == curve[1]
    assert marks(svg, "orange")[0] == pytest.approx(curve[1], abs=0.02)
    assert len(lines(svg, "soft")[-1]) <= 2  # the loss that is not known is not drawn


GRAPH: dict[str, Any] = {
    **{"names": [*"abcdef"], "strengths": [6.0, 4.0, 6.0, 5.0, 3.0, 3.0], "total": 27.0},
    "edges": [
        (0, 1, 3.0),
        (0, 2, 3.0),
        (1, 2, 3.0),
        (3, 4, 2.0),
        (3, 5, 2.0),
        (4, 5, 1.0),
        (2, 3, 0.1),
    ],
}


def test_the_backbone_keeps_the_closest_of_every_node_by_weight_over_chance() -> None:
    kept = plots.backbone(GRAPH, 2)
    assert kept.edges[0, 1]["affinity"] == pytest.approx(3.0 * 27 / (6 * 4))
    assert {tuple(sorted(edge)) for edge in kept.edges} == {
        tuple(sorted(edge[:2])) for edge in GRAPH["edges"][:-1]
    }
    whole = plots.backbone(GRAPH, 5)
    assert nx.is_connected(whole) and nx.number_connected_components(kept) == 2
    # 2 to 3 is nobody's closest, yet it is among the five.
    assert whole.number_of_edges() == 7


def test_attributes_that_hang_together_have_one_colour_and_all_have_names() -> None:
    svg = plots.network(GRAPH, 2)
    boxes = re.findall(r"stroke: var\(--(c\d+)\)", svg)
    assert sorted(boxes) == ["c0"] * 3 + ["c1"] * 3
    assert sorted(re.findall(r">([a-f])</text>", svg)) == [*"abcdef"]
    assert plots.network(GRAPH, 2) == svg
    alone = {"names": ["a"], "strengths": [1.0], "edges": [], "total": 1.0}
    assert ">a</text>" in plots.network(alone, 2)


@given(st.integers(2, 25), st.integers(0, 10_000))
def test_boxes_that_were_spread_apart_do_not_overlap(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places, sizes = rng.uniform(0, 60, size=(n, 2)), rng.uniform(5, 30, size=(n, 2))
    moved = plots.spread_apart(places, sizes)
    gaps = np.abs(moved[:, None] - moved[None]) - (sizes[:, None] + sizes[None]) / 2
    assert gaps.max(axis=2)[np.triu_indices(n, 1)].min() > -1e-5
    far = places * 1000
    assert np.array_equal(plots.spread_apart(far, sizes * 1e-6), far)


def test_a_dot_an_account_in_the_colour_of_its_category() -> None:
    rows = [("brand", 0, 0, "food"), ("brand", 4, 2, "art"), ("influencer", 2, 1, "")]
    accounts = [dict(zip(("side", "x", "y", "category"), row, strict=True)) for row in rows]
    svg = plots.account_map(accounts, ["art", "food"])
    ((art, _),), ((food, _),), ((grey, _),) = (lines(svg, name) for name in ("c0", "c1", "soft"))
    assert grey == pytest.approx([(art[0] + food[0]) / 2, (art[1] + food[1]) / 2], abs=0.02)
    assert food[0] < art[0] and food[1] > art[1]
    assert re.findall(r">(\w+)</text>", svg) == ["art", "food"]


@pytest.mark.parametrize(("bigger", "best"), [(True, 0.25), (False, 0.1)])
def test_the_history_marks_every_trial_and_steps_where_one_is_better(
    bigger: bool, best: float
) -> None:
    scores = np.array([0.2, np.nan, 0.25, np.nan, 0.1])
    kinds = ["finished", "failed", "winner", "diverged", "stopped"]
    so_far = (np.fmax if bigger else np.fmin).accumulate(scores)
    svg = plots.trials(np.arange(5) / 4, [(0.5, "3")], scores, kinds, best=so_far)
    (first,), (winner,), (stopped,) = (marks(svg, name) for name in ("blue", "orange", "page"))
    scale = (stopped[1] - winner[1]) / 0.15
    assert stopped[1] - first[1] == pytest.approx(0.1 * scale, abs=0.02)
    assert winner[0] - first[0] == pytest.approx((stopped[0] - first[0]) / 2, abs=0.02)
    step = lines(svg, "orange")[0]
    assert stopped[1] - step[-1][1] == pytest.approx((best - 0.1) * scale, abs=0.02)
    lane = [
        float(y) for y in re.findall(r'<use [^>]*y="([\d.]+)" style="[^"]*stroke: var\(--soft', svg)
    ]
    assert lane[0] == lane[1] > stopped[1]
    assert ">none</text>" in svg


def test_a_choice_has_bars_at_its_medians_and_long_names_stand_aslant() -> None:
    places, scores = np.array([0.25, 0.25, 0.25, 0.75]), np.array([0.1, 0.2, 0.6, 0.6])
    ticks = [(0.25, "[64, 64, 64, 64]"), (0.75, "[128, 128, 128, 128]")]
    svg = plots.trials(places, ticks, scores, ["finished"] * 4, medians=True)
    (bar,) = lines(svg, "ink")
    assert bar[0][1] == pytest.approx(marks(svg, "blue")[1][1], abs=0.02)
    assert "[64, 64, 64, …" in svg and "rotate(-35" not in svg
    svg = plots.trials(places, ticks * 3, scores, ["finished"] * 4)
    assert "rotate(-35" in svg and not lines(svg, "ink")


def test_lines_of_all_parameters_end_at_their_score_and_the_winner_lies_on_top() -> None:
    trials = np.array([[0.0, 1.0, 0.0], [1.0, 0.5, 1.0]])
    rows = {name: [(0.0, "low"), (1.0, "high")] for name in ("a", "b", "MAP")}
    svg = plots.parallel(trials, rows, True)
    (worse,), (best,) = lines(svg, "blue"), lines(svg, "orange")
    assert [worse[0][0], worse[2][0]] == [worse[0][0]] * 2 and worse[1][0] > worse[0][0]
    assert best[0][0] == best[2][0] == worse[1][0]
    assert svg.index("var(--orange)") > svg.index("var(--blue)")


def test_round_numbers_and_ends_of_axes() -> None:
    assert plots.round_numbers(1e-4, 1e-2, log=True) == [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2]
    assert plots.round_numbers(0.3, 0.45, log=True) == [0.3, 0.34, 0.38, 0.42]
    assert 2 <= len(plots.round_numbers(1e-26, 1e26, log=True)) <= 7
    assert plots.round_numbers(0.0, 0.5) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert plots.limits([1.0, 2.0, np.nan]) == pytest.approx((0.94, 2.06))
    assert plots.limits([4.0]) == pytest.approx((3.8, 4.2))
    assert plots.limits([]) == pytest.approx((-0.06, 1.06))
