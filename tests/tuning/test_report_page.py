"""tuning.html: what it says, where the marks stand, and that nothing on it can load or run."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recbole_mirec.tuning.parameter import Parameter

from recbole_mirec.tuning.report.page import StudyReport, write_report
from recbole_mirec.tuning.report.parts import duration

RATE = Parameter("learning_rate", "choice", (0.0005, 0.005, 0.05), "here")
SIZES = Parameter("mlp_hidden_size", "choice", ([64, 64], None), "here")
DROP = Parameter("dropout_prob", "uniform", (0.0, 0.5), "here")
METRICS = pd.DataFrame(
    {"metric": ["AUC", "MAP"], "validation": [0.81, 0.245], "test": [0.8, 0.231]}
)
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "dl", "dt", "dd"),
    *("code", "pre", "figure", "figcaption", "div", "ul", "li"),
    *("table", "thead", "tbody", "tr", "th", "td", "wbr"),
    *("svg", "circle", "path", "line", "rect", "text"),
}


class Page(HTMLParser):
    """The tags of a page with their attributes, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words += data

    def of_class(self, name: str) -> list[dict[str, str]]:
        return [found for _, found in self.elements if found.get("class") == name]


def row(
    number: int, score: float | None, status: str = "finished", **values: Any
) -> dict[str, Any]:
    reasons = {"failed": "ValueError: heads", "diverged": "loss is NaN", "stopped": "by ASHA"}
    return {
        "trial": number,
        "status": status,
        "score": score,
        "learning_rate": 0.005,
        "mlp_hidden_size": [64, 64],
        "dropout_prob": 0.25,
        "best_epoch": 3 if score is not None else 0,
        "n_epochs": 5,
        "seconds": 30.0,
        "reason": reasons.get(status, ""),
        **values,
    }


FIVE = [
    row(1, 0.20, learning_rate=0.0005),
    row(2, None, "failed", mlp_hidden_size=None),
    row(3, 0.25, learning_rate=0.05, mlp_hidden_size=None),
    row(4, None, "diverged"),
    row(5, 0.10, "stopped", dropout_prob=0.5),
]


def study_of(rows: list[dict[str, Any]], **changes: Any) -> StudyReport:
    study = StudyReport(
        model="MIRec",
        dataset="made-up",
        synthetic=True,
        protocol="new-brand",
        metric="MAP",
        bigger=True,
        algo="random",
        seed=7,
        command="python -m recbole_mirec.tuning --model MIRec",
        trials=pd.DataFrame(rows, dtype=object),
        parameters=(RATE, SIZES, DROP),
        winner=3,
        winner_yaml="learning_rate: 0.05\n",
        winner_metrics=METRICS,
        notes=("read with care",),
        status="finished",
    )
    return dataclasses.replace(study, **changes)


def page_of(folder: Path, study: StudyReport) -> Page:
    write_report(folder / "tuning.html", study)
    return Page((folder / "tuning.html").read_text(encoding="utf-8"))


def test_the_headline_says_best_trial_fates_and_time(tmp_path: Path) -> None:
    words = page_of(tmp_path, study_of(FIVE)).words
    assert (
        "The best settings (trial 3) reach a validation MAP of 0.2500, found in 5 trials: "
        "2 finished, 1 stopped early, 1 diverged, 1 failed; 2 min 30 s of computing in all."
    ) in words
    assert "still running" not in words
    assert "higher is better" in words


def test_where_every_trial_failed_the_headline_says_so(tmp_path: Path) -> None:
    rows = [row(1, None, "failed"), row(2, None, "failed")]
    page = page_of(tmp_path, study_of(rows, winner=None, winner_yaml=""))
    assert "No settings reached a validation score in 2 trials: 2 failed; 1 min 0 s" in page.words
    assert "Top trials" not in page.words
    assert "test part" not in page.words
    assert "winner.yaml" not in page.words
    assert "ValueError: heads" in page.words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"),
     (3599.7, "1 h 0 min"), (4320, "1 h 12 min")],
)  # fmt: skip
def test_times_are_said_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_validation_stands_beside_test_and_the_page_says_when_test_was_read(
    tmp_path: Path,
) -> None:
    words = page_of(tmp_path, study_of(FIVE)).words
    assert "The test part was read once, for the winner, after the search." in words
    assert "metricvalidationtestAUC0.81000.8000MAP0.24500.2310" in words


@pytest.mark.parametrize("absent", ["column", "values"])
def test_without_test_results_the_page_says_that_test_was_not_read(
    tmp_path: Path, absent: str
) -> None:
    metrics = METRICS.drop(columns="test") if absent == "column" else METRICS.assign(test=np.nan)
    words = page_of(tmp_path, study_of(FIVE, winner_metrics=metrics, status="running")).words
    assert "The test part has not been read" in words
    assert "metricvalidationAUC0.8100MAP0.2450" in words
    assert "The search is still running." in words


def test_synthetic_data_is_called_synthetic_in_the_title_and_beside_every_figure(
    tmp_path: Path,
) -> None:
    write_report(tmp_path / "tuning.html", study_of(FIVE))
    text = (tmp_path / "tuning.html").read_text(encoding="utf-8")
    assert "<title>Tuning of MIRec on made-up (synthetic data)</title>" in text
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert len(captions) == 2
    beside = [note for note in re.findall(r'<p class="soft">(.*?)</p>', text) if "Data" in note]
    assert len(beside) == 3
    assert all("made-up (synthetic data)" in words for words in captions + beside)
    real = page_of(tmp_path, study_of(FIVE, synthetic=False))
    assert "synthetic" not in real.words


def test_marks_stand_at_their_trial_and_score(tmp_path: Path) -> None:
    page = page_of(tmp_path, study_of(FIVE, parameters=()))
    # The axis of the score runs .06 of the range beyond both ends, over 240 pixels.
    height = 240 / 1.12
    finished = [found for found in page.of_class("dot") if found["cx"] != "50%"]
    assert [found["cx"] for found in finished] == ["0.00%"]
    assert float(finished[0]["cy"]) == pytest.approx(height * (0.06 + 0.05 / 0.15), abs=0.01)
    winner = page.of_class("dot winner")[1]
    assert winner["cx"] == "50.00%"
    assert float(winner["cy"]) == pytest.approx(height * 0.06, abs=0.01)
    stopped = page.of_class("dot stopped")[1]
    assert (stopped["cx"], float(stopped["cy"])) == (
        "100.00%",
        pytest.approx(height * 1.06, abs=0.01),
    )
    assert [found["x"] for found in page.of_class("none")[2:]] == ["25.00%", "75.00%"]
    assert {found["y"] for found in page.of_class("none")[2:]} == {"250"}


@pytest.mark.parametrize(
    ("bigger", "winner", "steps"),
    [(True, 3, ["0.0", "500.0"]), (False, 5, ["0.0", "1000.0"])],
)
def test_the_best_so_far_steps_where_a_trial_is_better(
    tmp_path: Path, bigger: bool, winner: int, steps: list[str]
) -> None:
    page = page_of(tmp_path, study_of(FIVE, bigger=bigger, winner=winner))
    (line,) = [found["d"] for tag, found in page.elements if found.get("class") == "best"
               and tag == "path"]  # fmt: skip
    assert re.findall(r"[MH](\d+\.\d)", line) == steps
    assert line.endswith("H1000")
    assert ("lower is better" in page.words) is not bigger


def test_a_choice_shows_its_options_and_the_median_of_each(tmp_path: Path) -> None:
    scores = [0.1, 0.2, 0.6, 0.3, 0.5]
    rates = [0.0005, 0.0005, 0.0005, 0.05, 0.05]
    points = enumerate(zip(scores, rates, strict=True), start=1)
    rows = [row(n, score, learning_rate=rate) for n, (score, rate) in points]
    page = page_of(tmp_path, study_of(rows, parameters=(RATE,)))
    assert "median 0.2000 of 3 trials" in page.words
    assert "median 0.4000 of 2 trials" in page.words
    height = 130 / 1.12
    medians = page.of_class("median")
    expected = [height * (0.06 + 0.4 / 0.5), height * (0.06 + 0.2 / 0.5)]
    assert [float(found["y1"]) for found in medians] == pytest.approx(expected, abs=0.01)
    assert "0.00050.0050.05" in page.words


def test_lines_of_all_parameters_end_at_their_score_and_the_winner_lies_on_top(
    tmp_path: Path,
) -> None:
    page = page_of(tmp_path, study_of(FIVE))
    lines = [found for tag, found in page.elements if found.get("class", "").startswith("path")]
    assert [found["class"] for found in lines] == ["path", "path", "path winner"]
    # log axis of three decades' ends, [64, 64] or None at a quarter and three, dropout, score
    assert lines[2]["d"] == f"M940 26L750 92L500 158L{1000 * 1.06 / 1.12:.0f} 224"
    assert lines[0]["d"] == f"M500 26L250 92L1000 158L{1000 * 0.06 / 1.12:.0f} 224"
    assert int(lines[0]["stroke"][1:3], 16) > int(lines[1]["stroke"][1:3], 16)


def test_the_table_shows_the_ten_best_in_order(tmp_path: Path) -> None:
    rows = [row(number, number / 100) for number in range(1, 13)]
    best_last = page_of(tmp_path, study_of(rows, winner=12)).words
    assert "The best 10 of 12 trials with a score" in best_last
    table = best_last[best_last.index("Top trials") : best_last.index("The best 10")]
    found = [float(score) for score in re.findall(r"(0\.\d{4})0\.005\[64, 64\]", table)]
    assert found == [number / 100 for number in range(12, 2, -1)]
    assert "3 of 5" in table
    smaller = page_of(tmp_path, study_of(rows, winner=1, bigger=False)).words
    assert smaller.index("10.0100") < smaller.index("20.0200")


def test_the_winner_s_settings_can_be_copied_as_they_are(tmp_path: Path) -> None:
    yaml = "model: MIRec\nmlp_hidden_size:\n- 64\n- 64\nname: 'a & b <c>'\n"
    words = page_of(tmp_path, study_of(FIVE, winner_yaml=yaml)).words
    assert yaml in words
    assert "python run_recbole_mirec.py --config_files winner.yaml" in words


def test_trials_of_one_reason_stand_together(tmp_path: Path) -> None:
    rows = [*FIVE, row(6, None, "failed"), row(7, None, "failed", reason="killed")]
    words = page_of(tmp_path, study_of(rows)).words
    assert "failedValueError: heads2, 6diverged" in words
    assert "stopped earlyby ASHA5failedkilled7" in words
    assert "did not run to their end" not in page_of(tmp_path, study_of(FIVE[2:3])).words


def test_importance_is_explained_and_its_weakness_named(tmp_path: Path) -> None:
    rates = (0.0005, 0.005, 0.05)
    rows = [row(n, 0.1 * (n % 3), learning_rate=rates[n % 3]) for n in range(1, 31)]
    words = page_of(tmp_path, study_of(rows, winner=2)).words
    assert "with few trials it is weak" in words
    assert re.search(r"learning_rate(9\d|100) %3", words)
    assert "It takes at least" not in words
    few = page_of(tmp_path, study_of(FIVE)).words
    assert "No estimate: it takes at least 8 trials with scores that differ." in few
    chance = [row(n, float(s)) for n, s in enumerate([1, 2, 3, 4] * 3, start=1)]
    assert "None found: the trials' scores" in page_of(tmp_path, study_of(chance, winner=4)).words


HOSTILE = "</title></style></pre><script>alert('x')</script><img src=x onerror=\"alert(1)\">\x00"


def test_no_text_of_a_study_can_become_markup(tmp_path: Path) -> None:
    evil = Parameter(f"name {HOSTILE}", "choice", (HOSTILE, f"{HOSTILE}2"), "here")
    rows = [row(n, 0.1 * n, **{evil.name: HOSTILE}) for n in range(1, 10)]
    rows.append(row(10, None, "failed", reason=HOSTILE, **{evil.name: f"{HOSTILE}2"}))
    metrics = pd.DataFrame({"metric": [HOSTILE], "validation": [0.5], "test": [0.5]})
    study = study_of(
        rows,
        **dict.fromkeys(("model", "dataset", "protocol", "metric", "algo"), HOSTILE),
        **dict.fromkeys(("command", "winner_yaml"), HOSTILE),
        parameters=(evil, RATE),
        notes=(HOSTILE,),
        winner_metrics=metrics,
    )
    page = page_of(tmp_path, study)
    assert {tag for tag, _ in page.elements} <= TAGS
    for _, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "href")}
    assert page.words.count("<script>alert('x')</script>") > 10


def test_the_page_needs_neither_a_network_nor_scripts(tmp_path: Path) -> None:
    page = page_of(tmp_path, study_of(FIVE))
    text = (tmp_path / "tuning.html").read_text(encoding="utf-8")
    assert {tag for tag, _ in page.elements} <= TAGS
    assert not re.search(r"https?:|url\(|@import|<script|<link", text)
    policies = [found["content"] for _, found in page.elements if "http-equiv" in found]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def wide_study(n_trials: int) -> StudyReport:
    rng = np.random.default_rng(5)
    parameters = tuple(
        Parameter(f"parameter_{n}", "choice", tuple(range(n + 1)), "here") for n in range(12)
    )
    statuses = rng.choice(["finished", "stopped", "failed", "diverged"], n_trials)
    rows = [
        row(
            number,
            float(rng.uniform()) if status in ("finished", "stopped") else None,
            status,
            **{p.name: p.values[rng.integers(len(p.values))] for p in parameters},
        )
        for number, status in enumerate(statuses, start=1)
    ]
    winner = next(found["trial"] for found in rows if found["score"] is not None)
    return study_of(rows, parameters=parameters, winner=winner)


@pytest.mark.parametrize(
    "study",
    [
        study_of([row(1, 0.0)], winner=1),
        study_of([row(1, 0.25)], winner=1, parameters=(DROP,)),
        study_of([row(n, 0.25) for n in range(1, 21)], parameters=(SIZES,)),
        study_of([row(1, None, "failed")], winner=None, winner_yaml=""),
        study_of(
            [row(1, None, "failed")] * 0, winner=None, winner_yaml="", status="running",
            trials=pd.DataFrame(columns=list(row(1, 0.0)))
        ),
        study_of(FIVE, trials=pd.DataFrame(FIVE)),
        study_of([row(1, float("inf")), row(2, float("nan")), row(3, 1e9)], bigger=False),
        wide_study(200),
    ],
    ids=["one trial", "one parameter", "constant", "failed", "none yet", "NaN", "infinite", "wide"],
)  # fmt: skip
def test_at_the_edges_the_page_stays_whole_and_small(tmp_path: Path, study: StudyReport) -> None:
    page = page_of(tmp_path, study)
    text = (tmp_path / "tuning.html").read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    assert "nan" not in re.sub(r"<style>.*</style>", "", text, flags=re.DOTALL).lower().split()
    numbers = [
        value
        for tag, found in page.elements
        for name, value in found.items()
        if name in ("x", "y", "cx", "cy", "x1", "x2", "y1", "y2", "d", "width", "height")
    ]
    assert not [value for value in numbers if "nan" in value or "inf" in value]
    assert [tag for tag, _ in page.elements].count("html") == 1


def test_text_cells_of_a_resumed_study_give_the_same_page(tmp_path: Path) -> None:
    written = [{**found, "mlp_hidden_size": str(found["mlp_hidden_size"]).replace("None", "null"),
                "learning_rate": str(found["learning_rate"])} for found in FIVE]  # fmt: skip
    write_report(tmp_path / "values.html", study_of(FIVE))
    write_report(tmp_path / "texts.html", study_of(written))
    assert (tmp_path / "values.html").read_bytes() == (tmp_path / "texts.html").read_bytes()


def test_a_wrong_study_leaves_the_old_page_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tuning.html"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match=r"'winner' .* must be a trial with a score\. Received: 2"):
        write_report(path, study_of(FIVE, winner=2))
    with pytest.raises(ValueError, match=r"must be one of 0\.0005, 0\.005, 0\.05\. Received: 7"):
        write_report(path, study_of([row(3, 0.1, learning_rate=7)]))
    with pytest.raises(ValueError, match="must have the columns score"):
        write_report(path, study_of(FIVE, trials=pd.DataFrame(FIVE).drop(columns="score")))
    assert [found.name for found in tmp_path.iterdir()] == ["tuning.html"]
    assert path.read_text(encoding="utf-8") == "old"


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be running or finished\. Received: 'over'\."):
        study_of(FIVE, status="over")


def test_labels_without_room_stand_aslant_shortened_or_in_two_rows(tmp_path: Path) -> None:
    options = tuple([width] * 6 for width in (64, 128, 256))
    sizes = Parameter("mlp_hidden_size", "choice", options, "here")
    many = Parameter("n_layers", "choice", tuple(range(100, 130)), "here")
    rows = [row(1, 0.2, mlp_hidden_size=options[0], n_layers=110)]
    page = page_of(tmp_path, study_of(rows, parameters=(sizes, many), winner=1))
    assert "[64, 64, 64, …[128, 128, 12…[256, 256, 25…" in page.words
    assert "mlp_hidden_size [64, 64, 64, 64, 64, 64]" in page.words
    slanted = [found for tag, found in page.elements if "rotate:-35deg" in found.get("style", "")]
    assert {found["text-anchor"] for found in slanted} == {"end"}
    # Every second of 30 options below its panel; every second below the lines, in two rows.
    text = (tmp_path / "tuning.html").read_text(encoding="utf-8")
    assert (text.count(">100</text>"), text.count(">101</text>")) == (2, 0)
    assert (text.count(">102</text>"), text.count(">128</text>")) == (2, 2)


def test_an_extended_study_says_how_often_the_test_part_was_read(tmp_path: Path) -> None:
    words = page_of(tmp_path, study_of(FIVE, n_tested=2)).words
    assert "The test part was read 2 times, for a winner each, because the study was" in words
