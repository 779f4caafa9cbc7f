"""report.html: what it says and marks, what it does without, and that nothing on it can run."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_cases import Page
from report_cases import NOTE, changed, page_of, portrait, write_folder

from recbole_mirec import plots
from recbole_mirec.benchmark.page import View
from recbole_mirec.benchmark.tables import metric_text, p_text, signed_text

FAR = {"Cosine": (-0.15, 0.004), "BPR": (-0.2, 0.03), "Ours: content": (-0.08, 0.4)}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a benchmark in which the main model is far ahead."""
    result = write_folder(tmp_path_factory.mktemp("far"), differences=FAR, leader="Ours")
    return page_of(result, portrait=portrait())


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What is drawn on a test's own pages: plot -> arguments. Drawing itself takes seconds."""
    found: dict[str, list[Any]] = {}
    for name in ("intervals", "ranks", "learning_curves", "network", "account_map"):
        monkeypatch.setattr(
            plots, name, lambda *args, at=name: found.setdefault(at, []).append(args)
        )
    return found


def test_the_headline_says_who_wins_by_how_much_and_whether_it_is_significant(far: Page) -> None:
    assert (
        "New brands: Ours has the highest MAP: .350 (95 % interval .310 to .410). That is .150 "
        "above Cosine (interval of the difference +.120 to +.170; significant, p = .004 after "
        "Holm's correction). It is significantly above 2 of 2 other models."
    ) in far.words
    assert "3 models compared: Ours, Cosine, BPR." in far.words


def test_where_the_main_model_loses_the_headline_says_so(tmp_path: Path) -> None:
    result = write_folder(tmp_path, differences={"Cosine": (np.nan, np.nan)}, main="Cosine")
    known = {"difference": 0.15, "difference_low": -0.01, "difference_high": 0.31}
    changed(result, "Ours", "MAP", **known, p_holm=0.2, against="Cosine")
    assert (
        "Ours has the highest MAP: .350 (95 % interval .310 to .410). That is .150 above Cosine "
        "(interval of the difference \u2212.010 to +.310; not significant, p = .200 after"
    ) in page_of(result).words


def test_a_leaking_model_neither_wins_nor_is_beaten(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path / "a", differences=FAR, leaking=["BPR"]))
    assert "MAP (leaking models aside: BPR): .350" in page.words
    assert "It is significantly above 1 of 1 other models." in page.words
    assert "Never the best of a column, since it leaks: BPR." in page.words
    page = page_of(write_folder(tmp_path / "b", differences=FAR, main="BPR", leaking=["Ours"]))
    assert "New brands: Cosine has the highest MAP (leaking models aside: Ours): .200" in page.words


def test_map_comes_first_and_only_what_is_significant_after_holm_is_marked(far: Page) -> None:
    head, ours, cosine, bpr, *_ = far.rows
    assert head == ["Model", "MAP", "AUC", "MedR"]
    assert ours == ["Ours", ".350", ".675", "2.9"]
    assert cosine == ["Cosine", ".200†", ".600", "5.0"]
    assert bpr[:2] == ["BPR", ".150†"]
    difference = "\u2212.150 (\u2212.170 to \u2212.120), p .004†"
    assert ["Cosine", difference, *["\u2013"] * 4] in far.rows
    assert ["content", ".267", ".633", "3.8"] in far.rows
    # Ours leads among the models; beside its ablations it is what they are compared with.
    assert far.text.count("<strong>.") == 1
    assert ["Ours", ".350", ".675", "2.9"] in far.rows[5:]


def test_one_seed_only_is_never_called_significant(tmp_path: Path) -> None:
    result = changed(write_folder(tmp_path, differences=FAR), "Cosine", "MAP", significant=False)
    words = page_of(result).words
    assert "not called significant, for there is one seed only, p = .004 after" in words


def test_ablations_are_compared_with_their_full_model(tmp_path: Path) -> None:
    result = write_folder(tmp_path, differences=FAR, ablated="Cosine")
    page = page_of(changed(result, "Ours: content", "MAP", against="Cosine", significant=True))
    assert "†: differs from Cosine at the 5% level" in page.words
    at = next(i for i, row in enumerate(page.rows) if row[0] == "Perspectives")
    # Cosine's own mark is of the comparison with Ours, and stands in the table of models only.
    assert [row[:2] for row in page.rows[at + 1 : at + 3]] == [
        ["content", ".267†"],
        ["Cosine", ".200"],
    ]


def test_failures_stand_beside_the_tables_and_in_a_list_with_their_reason(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path, failed=["BPR"]))
    assert ["BPR", *["\u2013"] * 3] in page.rows
    reason = "DivergedError: the loss is <NaN>"
    assert f"BPR: 2 of 2 runs without figures (failed: {reason})." in page.words
    assert ["BPR", "failed", reason, "new-brand, seed 1; new-brand, seed 2"] in page.rows
    assert "<NaN>" not in page.text


def test_a_protocol_under_which_nothing_finished_is_shown_all_the_same(tmp_path: Path) -> None:
    result = write_folder(tmp_path, protocols=["new-brand", "known-brand"])
    frames = {"results": result.results, "per_brand": result.per_brand}
    frames = {name: one[one["protocol"] == "new-brand"] for name, one in frames.items()}
    result.runs.loc[result.runs["protocol"] == "known-brand", "status"] = "failed"
    page = page_of(dataclasses.replace(result, **frames))
    assert "Known brands: No model has results." in page.words
    assert "Protocol known-brand, test part: 3 brands" in page.words


def test_synthetic_is_said_once_and_notes_once(far: Page, tmp_path: Path) -> None:
    assert far.words.count("ynthetic") == 1
    assert far.words.count(NOTE) == 1
    setting = "test part: 3 brands rank 40 candidates each; mean over the seeds 1, 2."
    assert far.words.count(setting) == 1
    assert "ynthetic" not in page_of(write_folder(tmp_path, synthetic=False)).words


def test_intervals_of_shares_stay_within_0_and_1_and_ranks_above_1(
    tmp_path: Path, drawn: dict[str, list[Any]]
) -> None:
    result = write_folder(tmp_path, labels=["Ours", "Cosine", "BPR"], differences=FAR)
    changed(result, "Ours", "MAP", low=-0.2, high=1.3)
    changed(result, "BPR", "MedR", low=-3.0, high=12.0)
    assert "(95 % interval .000 to 1.000)" in page_of(result).words
    (rows, lines), _, (ranks, _) = drawn["intervals"]
    assert [(row[0], row[2:]) for row in rows] == [
        ("Ours", (0.0, 1.0, "orange")),
        ("Cosine", (pytest.approx(0.16), pytest.approx(0.26), "blue")),
        ("BPR", (pytest.approx(0.11), pytest.approx(0.21), "blue")),
    ]
    assert lines == {"untrained": pytest.approx(0.2)}
    assert [row[0] for row in ranks] == ["Ours", "Cosine", "BPR"]
    assert ranks[2][2:4] == (1.0, 12.0)


def test_learning_curves_are_of_models_with_epochs_a_line_a_run(
    tmp_path: Path, drawn: dict[str, list[Any]]
) -> None:
    page_of(write_folder(tmp_path))
    (runs, ends), _ = drawn["learning_curves"]  # Ours and BPR
    assert [best for _, best in runs] == [2, 2]
    assert runs[0][0].tolist() == [[1, 0.1, 9], [2, 0.3, 7], [3, 0.2, 5]]
    assert ends == (pytest.approx(0.088), pytest.approx(0.312))


def test_categories_are_means_over_brands_and_seeds(tmp_path: Path, far: Page) -> None:
    result = write_folder(tmp_path)
    found = View(result, "new-brand").by_category.loc["Ours"]
    assert found.loc["food", "MAP"] == pytest.approx((0.5 + 0.3 + 0.7 + 0.3) / 4)
    # The median within a seed (two brands, their middle), then the mean of the seeds.
    seeds = [(1 / 0.5 + 1 / 0.3) / 2, (1 / 0.7 + 1 / 0.3) / 2]
    assert found.loc["food", "MedR"] == pytest.approx(sum(seeds) / 2)
    assert list(found["n_brands"]) == [2, 1]
    assert "food 2, shoes 1" in far.words
    assert ["MAP", "food", "shoes"] in far.rows
    assert ["Ours", ".450", ".150"] in far.rows
    cells = [found["style"] for tag, found in far.elements if tag == "td" and "style" in found]
    # of .450, .150; .250, .100; .100, .250 for MAP: from 0 at .100 to 100 at .450
    assert [float(style.split(":")[1].strip(" %")) for style in cells[:4]] == pytest.approx(
        [100, 14.3, 42.9, 0], abs=0.1
    )


def test_the_share_of_ranks_found_is_exact(tmp_path: Path) -> None:
    view = View(write_folder(tmp_path, labels=["Ours"]), "new-brand")
    cuts, chance, shares = view.rank_curves()
    assert chance.tolist() == (cuts / 40).tolist()
    # of 2, 3, 10, 2 under the one seed and 1, 3, 5, 1 under the other
    found = dict(zip(cuts.tolist(), shares["Ours"][1].tolist(), strict=True))
    assert shares["Ours"][0] == "orange"
    assert [found[k] for k in (1.0, 2.0, 3.0, 9.0, 40.0)] == [0.25, 0.5, 0.75, 0.875, 1.0]


def test_unseen_influencers_are_counted_once_however_many_runs_there_are(far: Page) -> None:
    assert "1 of the 4 test collaborations (25 %)" in far.words
    assert ["Ours", ".175"] in far.rows


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"labels": ["Ours"]}, "Ablations of the perspectives"),
        ({"categories": [None] * 3}, "By category of the brand"),
        ({"protocols": ["known-brand"]}, "New brands"),
        ({}, "Runs that did not finish"),
        ({}, "Map of the accounts"),
    ],
)
def test_what_there_is_not_is_left_out(
    tmp_path: Path, changes: dict[str, object], absent: str, far: Page
) -> None:
    page = page_of(write_folder(tmp_path, **changes))  # type: ignore[arg-type]
    assert absent not in page.words
    assert absent in far.words or absent == "Runs that did not finish"
    assert "No finished run of Ours was opened" in page.words


def test_both_protocols_have_their_sections_and_folds_are_told(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path, protocols=["new-brand", "known-brand"], folds=2))
    ids = [found["id"] for tag, found in page.elements if tag == "section"]
    links = [found["href"] for tag, found in page.elements if tag == "a"]
    assert ids[:2] == ["new-brand", "known-brand"]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert "cross-validation by brand, 2 folds: in each fold 3 brands" in page.words


def test_what_a_portrait_lacks_is_said_with_its_reason(tmp_path: Path) -> None:
    result = write_folder(tmp_path)
    missing = {"graph": "no lists", "map": "BPR", "cases": "no test part"}
    nothing = portrait(graph=None, map=None, cases=None, missing=missing)
    words = page_of(result, portrait=nothing).words
    for reason in missing.values():
        assert f"Not shown: {reason}." in words


def test_accounts_are_shown_with_their_shares_and_what_they_have_in_common(far: Page) -> None:
    assert "rank 39.5 · worst ranked other" in far.words
    expected = "The best <brand>: average precision .750; 2 of 40 candidates worked with it."
    assert expected in far.words
    assert "<bdi>art</bdi>" in far.text
    assert '<bdi class="shared">food</bdi>' in far.text
    assert '<bdi class="shared">62 % cake · oven</bdi>' in far.text
    assert "score+1.50" in far.words
    bars = [found["style"] for _, found in far.elements if found.get("class") == "bar"]
    # The largest share fills the half from the middle; the others are in proportion.
    numbers = [[part.split(": ")[1] for part in bar.split("; ")[1:]] for bar in bars]
    assert numbers == [["50.0%", "50.0%"], ["16.7%", "33.3%"], ["11.1%", "50.0%"]]


def test_the_same_results_make_the_same_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    result = write_folder(tmp_path, labels=["Ours", "Cosine"])
    one, other = (page_of(result, portrait=portrait()) for _ in range(2))
    assert one.text == other.text
    assert not list(tmp_path.glob("*.part"))


HOSTILE = (
    "</title></style></pre>$x<script>alert('x')</script><img src=x onerror=alert(1)>\x07\u6f22{{1}}"
)


def test_no_name_can_become_markup(
    tmp_path: Path, far: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    result = write_folder(tmp_path, labels=["Ours", "BPR"])
    for frame in (result.runs, result.per_brand, result.results):
        names = dict.fromkeys(("BPR", "food", "finished", "folder"), HOSTILE)
        columns = frame.columns.intersection(["label", "brand_category", "protocol"])
        frame[columns] = frame[columns].replace(names | {"new-brand": HOSTILE})
    result.runs.loc[:, "record"] = [one | {"notes": [HOSTILE]} for one in result.runs["record"]]
    for entry in result.plan.families[0][0]:
        entry.protocols = [HOSTILE]
    entry.label = HOSTILE
    text = json.dumps(portrait())
    for name in ("food", "b1", "cake", "Ours"):
        text = text.replace(f'"{name}"', json.dumps(HOSTILE))
    page = page_of(result, command=HOSTILE, portrait=json.loads(text))
    assert page.nothing_runs()
    assert page.tags() <= far.tags()
    assert page.words.count("<script>alert('x')</script>") > 10
    assert "\x07" not in page.text and "?\u6f22{{1}}" in page.words
    assert far.nothing_runs()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2384, ".238"), (1.0, "1.000"), (0.99961, "1.000"), (0.0, ".000"), (np.nan, "\u2013")],
)
def test_metrics_have_three_places_and_no_zero_before_the_point(value: float, text: str) -> None:
    assert metric_text(value) == text


def test_ranks_differences_and_p_values_as_a_person_reads_them() -> None:
    assert metric_text(2, "paper_medr") == "2.0"
    assert metric_text(1234.5, "unseen_MedR") == "1,234.5"
    assert [signed_text(x) for x in (0.05, -0.05)] == ["+.050", "\u2212.050"]
    assert [p_text(x) for x in (0.0004, 0.0312, 1.0, np.nan)] == [
        "< .001",
        ".031",
        "1.000",
        "\u2013",
    ]
