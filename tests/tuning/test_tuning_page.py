"""tuning.html: what it says, what is drawn, how parameters matter, and that nothing can run."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from page_cases import Page

from recbole_mirec import plots
from recbole_mirec.tuning.page import MIN_TRIALS, axis_of, importance, value_label, write_report
from recbole_mirec.tuning.space import Parameter, SearchSpace
from recbole_mirec.tuning.trial import StudyPlan

RATE = Parameter("learning_rate", "choice", (0.05, 0.0005, 0.005), "here")
SIZES = Parameter("mlp_hidden_size", "choice", ([64, 64], None), "here")
DROP = Parameter("dropout_prob", "uniform", (0.0, 0.5), "here")
VALID = {"AUC": 0.81, "MAP": 0.245, "paper_map": 0.3}
TEST = {"AUC": 0.8, "MAP": 0.231, "paper_map": 0.2}


def row(
    number: int, score: float | None, status: str = "finished", **values: Any
) -> dict[str, Any]:
    reasons = {"failed": "ValueError: heads", "diverged": "loss is NaN", "stopped": "by time"}
    return {
        **{"trial": number, "status": status, "score": score, "learning_rate": 0.005},
        **{"mlp_hidden_size": [64, 64], "dropout_prob": 0.25, "seconds": 30.0, "n_epochs": 5},
        **{"best_epoch": 0 if score is None else 3, "reason": reasons.get(status, ""), **values},
    }


FIVE = [
    row(1, 0.20, learning_rate=0.0005),
    row(2, None, "failed", mlp_hidden_size=None),
    row(3, 0.25, learning_rate=0.05, mlp_hidden_size=None),
    row(4, None, "diverged"),
    row(5, 0.10, "stopped", dropout_prob=0.5),
]


def study_of(
    rows: list[dict[str, Any]],
    *,
    winner: int | None = 3,
    metric: str = "MAP",
    parameters: Sequence[Parameter] = (RATE, SIZES, DROP),
    text: str = "go",
    **of_winner: Any,
) -> Any:
    """A study's result as the page reads it; `text` stands wherever a text can."""
    columns = list(row(1, 0.0) | (rows[0] if rows else {}))
    found = {"yaml": text, "valid": VALID, "test": TEST, "n_tested": 1, **of_winner}
    settings = {"model": text, "dataset": text, "protocol": "new-brand", "seed": 7}
    settings |= {"valid_metric": metric}
    return SimpleNamespace(
        plan=StudyPlan(settings, SearchSpace(tuple(parameters)), text, command=text),
        trials=pd.DataFrame(rows, columns=columns, dtype=object),
        winner=winner and SimpleNamespace(trial=SimpleNamespace(number=winner), **found),
        **{"notes": (text,), "synthetic": True},
    )


def page_of(folder: Path, study: Any) -> tuple[str, str]:
    """The page, and its visible words with tags as bars."""
    write_report(folder / "tuning.html", study)
    text = (folder / "tuning.html").read_text(encoding="utf-8")
    words = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return text, re.sub(
        r"[\s|]*\|[\s|]*", "|", re.sub(r"\s*<[^>]*>\s*", "|", " ".join(words.split()))
    )


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return page_of(tmp_path_factory.mktemp("five"), study_of(FIVE))


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is drawn on a test's own pages: plot -> arguments. Drawing itself takes seconds."""
    found: dict[str, Any] = {}

    def trials(*args: Any, **named: Any) -> str:
        found.setdefault("history" if "best" in named else "parameter", []).append((args, named))
        return "drawn"

    def parallel(*args: Any) -> str:
        found["parallel"] = args
        return "drawn"

    monkeypatch.setattr(plots, "trials", trials)
    monkeypatch.setattr(plots, "parallel", parallel)
    return found


def test_the_headline_says_best_trial_fates_and_time(five: tuple[str, str]) -> None:
    assert (
        "The best settings (trial 3) reach a validation MAP of 0.2500, found in 5 trials: "
        "2 finished, 1 failed, 1 diverged, 1 stopped; 2 min 30 s of computing in all."
    ) in five[1]
    assert "higher is better" in five[1]
    assert five[1].count("ynthetic") == 1


def test_where_every_trial_failed_the_headline_says_so(tmp_path: Path) -> None:
    rows = [row(1, None, "failed"), row(2, None, "failed")]
    _, words = page_of(tmp_path, study_of(rows, winner=None))
    assert "No settings reached a validation score in 2 trials: 2 failed; 1 min 0 s" in words
    for absent in ("Top trials", "test part", "winner.yaml", "All parameters"):
        assert absent not in words
    assert "failed|ValueError: heads|1; 2|" in words
    assert "No trial has ended yet." in page_of(tmp_path, study_of([], winner=None))[1]


def test_validation_stands_beside_test_map_first(five: tuple[str, str], tmp_path: Path) -> None:
    words = five[1]
    assert "The test part was read once, for the winner, after the search." in words
    assert "|metric|validation|test|MAP|0.2450|0.2310|AUC|0.8100|0.8000|" in words
    assert "|metric|validation|test|paper_map|0.3000|0.2000|" in words
    _, words = page_of(tmp_path, study_of(FIVE, n_tested=2))
    assert "The test part was read 2 times, for a winner each, because the study was" in words
    _, words = page_of(tmp_path, study_of(FIVE, test=None))
    assert "The test part has not been read" in words
    assert "|metric|validation|MAP|0.2450|AUC|0.8100|" in words


def test_pictures_show_every_trial_and_what_became_of_it(
    tmp_path: Path, drawn: dict[str, Any]
) -> None:
    page_of(tmp_path, study_of(FIVE))
    (((turns, ticks, scores, kinds), named),) = drawn["history"]
    assert turns == pytest.approx(np.arange(1, 6) / 6)
    assert dict(ticks)[turns[1]] == "2"
    assert np.array_equal(scores, [0.2, np.nan, 0.25, np.nan, 0.1], equal_nan=True)
    assert named["best"].tolist() == [0.2, 0.2, 0.25, 0.25, 0.25]
    assert kinds == ["finished", "failed", "winner", "diverged", "stopped"]
    (places, ticks, *_), named = drawn["parameter"][0]
    # Numbers stand in their order, whatever the order of the space.
    assert places == pytest.approx([1 / 6, 0.5, 5 / 6, 0.5, 0.5])
    assert [label for _, label in ticks] == ["0.0005", "0.005", "0.05"]
    assert named == {"medians": True}
    lines, rows, _ = drawn["parallel"]
    assert list(rows) == ["learning_rate", "mlp_hidden_size", "dropout_prob", "MAP"]
    # The worst trial first; scores run .06 of their range beyond both ends.
    assert lines == pytest.approx(
        np.array(
            [
                [0.5, 0.25, 1.0, 0.06 / 1.12],
                [1 / 6, 0.25, 0.5, (0.06 + 0.1 / 0.15) / 1.12],
                [5 / 6, 0.75, 0.5, 1.06 / 1.12],
            ]
        )
    )


def test_where_lower_is_better_the_winner_is_the_last_line(
    tmp_path: Path, drawn: dict[str, Any]
) -> None:
    rows = [row(1, 9.0), row(2, 3.0, dropout_prob=0.5), row(3, 3.0, dropout_prob=0.0)]
    study = study_of([*rows, row(4, None)], metric="MedR", winner=2)
    _, words = page_of(tmp_path, study)
    lines, _, _ = drawn["parallel"]
    assert lines[:, 2].tolist() == [0.5, 0.0, 1.0]
    assert "lower is better" in words and "finished|no reason was given|4|" in words


def test_the_table_shows_the_ten_best_in_order(tmp_path: Path) -> None:
    rows = [row(number, number / 100) for number in range(1, 13)]
    text, words = page_of(tmp_path, study_of(rows, winner=12))
    assert "The best 10 of 12 trials with a score" in words
    found = re.findall(
        r"\|(\d+)\|(0\.\d{4})\|0\.005\|\[64, 64\]\|0\.25\|5\|3\|30\|finished(?=\|)", words
    )
    assert [int(number) for number, _ in found] == list(range(12, 2, -1))
    assert text.count('<tr class="main">') == 1
    _, words = page_of(tmp_path, study_of(rows, winner=1, metric="MedR"))
    assert words.index("|1|0.0100|") < words.index("|2|0.0200|")


def test_the_winner_s_settings_can_be_copied_as_they_are(tmp_path: Path) -> None:
    yaml = "model: MIRec\nmlp_hidden_size:\n- 64\nname: 'a & b <c>'\n"
    text, _ = page_of(tmp_path, study_of(FIVE, yaml=yaml))
    escaped = (
        yaml.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;")
    )
    assert f"<pre><code>{escaped}</code></pre>" in text


def test_trials_of_one_reason_stand_together(tmp_path: Path) -> None:
    rows = [*FIVE, row(6, None, "failed"), row(7, None, "failed", reason="killed")]
    _, words = page_of(tmp_path, study_of(rows))
    assert "|failed|ValueError: heads|2; 6|diverged|loss is NaN|4|stopped|by time|5|" in words
    assert "|failed|killed|7|" in words
    assert "did not run to their end" not in page_of(tmp_path, study_of(FIVE[2:3]))[1]


HOSTILE = "</title></style></pre>$<script>alert('x')</script><img src=x onerror=\"alert(1)\">\x00"


def test_no_text_of_a_study_can_become_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    evil = Parameter(f"name {HOSTILE}", "choice", (HOSTILE, f"{HOSTILE}2"), "here")
    rows = [row(n, 0.1 * n, **{evil.name: HOSTILE}) for n in range(1, 10)]
    rows.append(row(10, None, "failed", reason=HOSTILE, **{evil.name: f"{HOSTILE}2"}))
    known: Any = {"parameters": (evil, RATE), "valid": {HOSTILE: 0.5}, "test": None}
    text, _ = page_of(tmp_path, study_of(rows, winner=9, text=HOSTILE, **known))
    assert Page(text).nothing_runs() and "\x00" not in text
    assert text.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") > 10
    assert "default-src 'none'" in text


def test_a_wrong_study_leaves_the_old_page_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tuning.html"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match="is not in list"):
        write_report(path, study_of([row(3, 0.1, learning_rate=7)]))
    assert [found.read_text() for found in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0005, "0.0005"), (0.00005, "5e-5"), (1e12, "1e12"), (0.123456789, "0.1235"), (2048, "2048"),
     ([64, 0.5, None], "[64, 0.5, None]"), (None, "None"), (True, "True"), ("gelu", "gelu")],
)  # fmt: skip
def test_a_value_is_written_for_a_person(value: Any, text: str) -> None:
    assert value_label(value) == text


def test_axes_run_from_bound_to_bound_as_values_are_drawn() -> None:
    linear, _ = axis_of(Parameter("p", "uniform", (0.2, 0.7), "here"), [0.2, 0.3, 0.7, 0.9])
    assert linear == pytest.approx([0, 0.2, 1, 1])
    log, ticks = axis_of(Parameter("p", "loguniform", (-9.0, -4.0), "here"), np.exp([-9, -8, -4]))
    assert log == pytest.approx([0, 0.2, 1])
    for place, label in ticks:
        assert place == pytest.approx((np.log(float(label)) + 9) / 5, abs=1e-6)
    stepped, _ = axis_of(Parameter("p", "quniform", (16, 128, 16), "here"), [72])
    assert stepped == pytest.approx([0.5])
    words, _ = axis_of(Parameter("p", "choice", (True, "relu", 1), "here"), [1, "relu", True])
    assert words == pytest.approx([5 / 6, 0.5, 1 / 6])


LOG = Parameter("learning_rate", "loguniform", (-9.0, -4.0), "here")
THREE = Parameter("mlp_hidden_size", "choice", ([64, 64], [128], None), "here")
USELESS = Parameter("unused", "choice", ("red", "green"), "here")


def shares(
    points: Sequence[Sequence[Any]], scores: Sequence[float], parameters: Sequence[Parameter]
) -> dict[str, float] | None:
    columns = zip(parameters, zip(*points, strict=True), strict=True)
    places = pd.DataFrame({one.name: axis_of(one, values)[0] for one, values in columns})
    found = importance(pd.Series(scores), places, seed=3)
    return None if found is None else dict(found / 100)


def planted(n_trials: int, seed: int) -> tuple[list[list[Any]], list[float], list[Parameter]]:
    """Random search on an additive function: shares .6 rate, .3 sizes, .1 dropout, 0 unused."""
    rng = np.random.default_rng(seed)
    points, scores = [], []
    for _ in range(n_trials):
        rate, drop, size, colour = rng.uniform(-9, -4), rng.uniform(0, 0.5), *rng.integers((3, 2))
        points.append([np.exp(rate), drop, THREE.values[size], USELESS.values[colour]])
        # Variances: a uniform of width w has w²/12, three levels one apart have 2/3.
        parts = rate * np.sqrt(0.6 * 12) / 5, drop * np.sqrt(0.1 * 12) / 0.5
        scores.append(parts[0] - parts[1] + (0.0, 2.0, 1.0)[size] * np.sqrt(0.3 * 3 / 2))
    return points, scores, [LOG, DROP, THREE, USELESS]


def test_known_shares_of_an_additive_function_are_found_the_largest_first() -> None:
    found = shares(*planted(200, seed=2))
    assert found is not None
    assert next(iter(found)) == "learning_rate"
    expected = {"learning_rate": 0.6, "mlp_hidden_size": 0.3, "dropout_prob": 0.1, "unused": 0.0}
    assert found == pytest.approx(expected, abs=0.09)
    assert found["unused"] < 0.01


def test_an_interaction_counts_for_both_and_a_single_value_for_nothing() -> None:
    pair = [Parameter(name, "choice", (0, 1), "here") for name in ("first", "second")]
    single = Parameter("single", "choice", ([64],), "here")
    points = [[a, b, [64]] for a, b in itertools.product((0, 1), repeat=2)] * 12
    found = shares(points, [float(a ^ b) for a, b, _ in points], [*pair, single])
    assert found == pytest.approx({"first": 1.0, "second": 1.0, "single": 0.0}, abs=0.15)


def test_scores_of_pure_chance_give_nothing_or_little() -> None:
    points, _, parameters = planted(40, seed=7)
    sums = []
    for seed in range(6):
        found = shares(points, np.random.default_rng(seed).normal(size=40).tolist(), parameters)
        assert found is not None
        sums.append(sum(found.values()))
    assert np.mean(sums) < 0.15


def test_neither_the_order_of_parameters_nor_that_of_trials_matters() -> None:
    points, scores, parameters = planted(25, seed=7)
    columns = zip(parameters, zip(*points, strict=True), strict=True)
    places = pd.DataFrame({one.name: axis_of(one, values)[0] for one, values in columns})
    found = importance(pd.Series(scores), places, seed=1)
    again = importance(pd.Series(scores)[::-1], places.iloc[::-1, ::-1], seed=1)
    assert found is not None and again is not None
    assert found.to_dict() == again.to_dict()


def test_too_little_to_tell_is_said(tmp_path: Path, five: tuple[str, str]) -> None:
    points, scores, parameters = planted(MIN_TRIALS, seed=7)
    assert shares(points, scores, parameters) is not None
    assert shares(points[1:], scores[1:], parameters) is None
    assert shares(points, [1.0] * MIN_TRIALS, parameters) is None
    assert importance(pd.Series(scores), pd.DataFrame(index=range(len(scores))), seed=1) is None
    assert "No estimate: it takes at least 8 trials with scores that differ." in five[1]
    rows = [row(n, float(s)) for n, s in enumerate([1, 2, 3, 4] * 3, start=1)]
    assert "None found: the trials' scores" in page_of(tmp_path, study_of(rows, winner=4))[1]
    rates = [row(n, 0.1 * (n % 3), learning_rate=RATE.values[n % 3]) for n in range(1, 31)]
    _, words = page_of(tmp_path, study_of(rates, winner=2))
    assert re.search(r"\|learning_rate\|([89]\d|100) %\|3\|", words) and "it is weak" in words
