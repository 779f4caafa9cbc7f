"""report.html: what it says and marks, what it does without, and that nothing on it can run."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_cases import ABOUT, NOTE, Page, page_of, portrait, write_folder

from recbole_mirec.benchmark.portrait_file import (
    read_portrait_file,
    write_portrait_file,
)
from recbole_mirec.benchmark.report.contents import read_contents
from recbole_mirec.benchmark.report.detail_sections import category_table, found_shares
from recbole_mirec.benchmark.report.view import View
from recbole_mirec.benchmark.report.words import listed, metric_text, p_text, signed_text

FAR = {"Cosine": (-0.15, 0.004), "BPR": (-0.2, 0.03), "Ours: content": (-0.08, 0.4)}


def headlines(page: Page) -> str:
    return page.words[: page.words.index("How this was made")]


def test_the_headline_says_who_wins_by_how_much_and_whether_it_is_significant(
    tmp_path: Path,
) -> None:
    words = headlines(page_of(write_folder(tmp_path, differences=FAR)))
    assert (
        "New brands: Ours has the highest MAP: .350 (95 % interval .310 to .410). That is .150 "
        "above the next best, Cosine (interval of the difference +.120 to +.170; significant, "
        "p\u00a0=\u00a0.004 after Holm's correction). It is significantly above 2 of 2 other "
        "models."
    ) in words
    assert "3 models compared: Ours, Cosine and BPR. The data is synthetic" in words


def test_where_the_main_model_loses_the_headline_says_so(tmp_path: Path) -> None:
    about = dataclasses.replace(ABOUT, main="Cosine")
    found = write_folder(tmp_path, differences={"Ours": (0.15, 0.2), "Cosine": (np.nan, np.nan)})
    table = pd.read_csv(found / "results.csv")
    rows = (table["label"] == "Ours") & (table["metric"] == "MAP")
    table.loc[rows, ["difference", "difference_low", "difference_high"]] = 0.15, -0.01, 0.31
    table.loc[rows, "p_holm"] = 0.2
    table.to_csv(found / "results.csv", index=False)
    assert (
        "Ours has the highest MAP: .350 (95 % interval .310 to .410). Cosine is .150 behind "
        "(interval of the difference \u2212.010 to +.310; not significant, p\u00a0=\u00a0.200 after"
    ) in page_of(found, about).words


def test_a_leaking_model_does_not_win(tmp_path: Path) -> None:
    about = dataclasses.replace(ABOUT, main="BPR", leaking=("Ours",))
    page = page_of(write_folder(tmp_path), about)
    assert "New brands: Cosine has the highest MAP (leaking models aside: Ours): .200" in page.words
    assert "Ours leaks" in [row[0] for row in page.rows()]


def test_a_leaking_model_is_none_of_those_that_are_beaten(tmp_path: Path) -> None:
    about = dataclasses.replace(ABOUT, leaking=("BPR",))
    assert (
        "Ours has the highest MAP (leaking models aside: BPR): .350 (95 % interval .310 to .410). "
        "That is .150 above the next best, Cosine (interval of the difference +.120 to +.170; "
        "significant, p\u00a0=\u00a0.004 after Holm's correction). It is significantly above 1 of "
        "1 other models."
    ) in page_of(write_folder(tmp_path, differences=FAR), about).words


def test_only_what_is_significant_after_holm_is_marked(tmp_path: Path) -> None:
    rows = page_of(write_folder(tmp_path, differences=FAR)).rows()
    first = rows[: next(i for i, row in enumerate(rows) if row[0] == "Ours: content")]
    named = {row[0]: row for row in first}
    assert named["model"] == ["model", "AUC", "MAP", "MedR", "MAP less Ours's", "p (Holm)"]
    assert named["Ours"] == ["Ours", ".675", ".350", "2.9", "\u2013", "\u2013"]
    assert named["Cosine"][1:3] == [".600", ".200†"]
    assert named["Cosine"][4:] == ["\u2212.150 (\u2212.170 to \u2212.120)", ".004"]
    assert named["BPR"][2] == ".150†"
    later = next(row for row in rows if row[0] == "Ours: content")
    assert later[2] == ".267" and later[5] == ".400"


def test_bold_is_only_what_leads_its_own_table(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path / "a", leader="Ours"))
    # Among the models; in the table of ablations it is only what they are compared with.
    assert page.text.count("<strong title") == 1
    assert "<strong title" not in page_of(write_folder(tmp_path / "b")).text
    page = page_of(write_folder(tmp_path / "c", leader="Ours: content"))
    assert page.text.count("<strong title") == 1


def test_one_seed_only_is_never_called_significant(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, differences=FAR)
    table = pd.read_csv(folder / "results.csv").assign(significant=False)
    table.to_csv(folder / "results.csv", index=False)
    page = page_of(folder)
    assert (
        "not called significant, for there is one seed only, p\u00a0=\u00a0.004 after" in page.words
    )
    assert "†" not in "".join(cell for row in page.rows() for cell in row)


def test_ablations_are_compared_with_their_full_model(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, differences=FAR)
    table = pd.read_csv(folder / "results.csv")
    ablation = table["label"] == "Ours: content"
    table.loc[ablation, "against"] = "Cosine"
    table.loc[table["metric"].eq("MAP") & ablation, "significant"] = True
    table.to_csv(folder / "results.csv", index=False)
    rows = page_of(folder, dataclasses.replace(ABOUT, ablated="Cosine")).rows()
    at = next(i for i, row in enumerate(rows) if row[0] == "Ours: content")
    header = next(row for row in reversed(rows[:at]) if row[0] == "model")
    assert header[4] == "MAP less Cosine's"
    assert rows[at][2] == ".267†"
    # Cosine's own mark is of the comparison with Ours, and stands in the table of models only.
    assert {row[2] for row in rows if row[0] == "Cosine" and len(row) > 3} == {".200", ".200†"}


def test_failed_models_stand_in_the_tables_and_in_a_list_with_their_reason(
    tmp_path: Path,
) -> None:
    page = page_of(write_folder(tmp_path, failed=["BPR"]))
    assert ["BPR failed", *["\u2013"] * 5] in page.rows()
    reason = "DivergedError: the loss is <NaN>"
    assert ["BPR", "failed", reason, "new-brand, seed 1; new-brand, seed 2"] in page.rows()
    assert "<NaN>" not in page.text
    assert "Runs that did not finish" not in page_of(write_folder(tmp_path / "other")).words


def test_a_model_that_was_not_run_is_not_called_failed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, failed=["BPR"])
    table = pd.read_csv(folder / "runs.csv").replace({"failed": "not run"})
    table.to_csv(folder / "runs.csv", index=False)
    assert "BPR not run" in [row[0] for row in page_of(folder).rows()]


def test_a_category_called_na_is_a_category(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    table = pd.read_csv(folder / "per_brand.csv").replace({"shoes": "NA"})
    table.to_csv(folder / "per_brand.csv", index=False)
    assert ["MAP", "NA", "food"] in page_of(folder).rows()


def test_notes_and_captions_stand_below_the_tables(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path))
    assert page.words.count(NOTE) == 1
    assert "Test part: 3 brands, 40 candidates; 1 to 2 seeds a model." in page.words
    assert page.of_class("synthetic")


def test_real_data_is_not_called_synthetic(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path, synthetic=False))
    assert "synthetic" not in page.words
    assert not page.of_class("synthetic")


def test_intervals_stand_in_proportion_the_best_at_the_top(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path, labels=["Ours", "Cosine", "BPR"], differences=FAR))
    titles = [part for part in page.words.split("\n") if part]
    assert titles
    means = [found for found in page.of_class("mean main") if "%" in found["cx"]]
    whiskers = page.of_class("whisker main")
    # AUC, MAP and MedR; ends at -0.04 and +0.06 of the mean.
    assert len(means) == len(whiskers) == 3
    for mean, whisker in zip(means, whiskers, strict=True):
        low, at, high = (float(x.rstrip("%")) for x in (whisker["x1"], mean["cx"], whisker["x2"]))
        assert (at - low) / (high - low) == pytest.approx(0.4, abs=0.01)
        assert 0 < low < high < 100
    assert [mean["cy"] for mean in means] == ["11"] * 3
    assert len(page.of_class("mean other")) == 3  # two in MAP, and one of the key
    assert len(page.of_class("line untrained")) == 4


def test_learning_curves_have_a_line_a_run_and_a_dot_at_the_chosen_epoch(
    tmp_path: Path,
) -> None:
    page = page_of(write_folder(tmp_path, labels=["Ours", "Cosine", "BPR"]))
    curves, losses, dots = (page.of_class(n) for n in ("curve", "curve loss", "chosen"))
    assert len(curves) == len(losses) == len(dots) == 4
    assert "Without epochs: Cosine." in page.words
    places = [point.split() for point in curves[0]["d"][1:].split("L")]
    assert [x for x, _ in places] == ["0.0", "500.0", "1000.0"]
    # The second epoch, .3 in validation, is the highest point.
    heights = [float(y) for _, y in places]
    assert min(heights) == heights[1]
    assert dots[0]["cx"] == "50.00%"
    assert float(dots[0]["cy"]) == pytest.approx(heights[1], abs=0.1)


def test_categories_are_means_over_brands_and_seeds(tmp_path: Path) -> None:
    view = View(read_contents(write_folder(tmp_path)), ABOUT, "new-brand")
    found = category_table(view, "Ours")
    assert found.loc["food", "MAP"] == pytest.approx((0.5 + 0.3 + 0.7 + 0.3) / 4)
    assert found.loc["shoes", "MAP"] == pytest.approx(0.15)
    # The median within a seed (two brands, their middle), then the mean of the seeds.
    seeds = [(1 / 0.5 + 1 / 0.3) / 2, (1 / 0.7 + 1 / 0.3) / 2]
    assert found.loc["food", "MedR"] == pytest.approx(sum(seeds) / 2)
    assert list(found["n_brands"]) == [2, 1]


def test_the_heat_map_prints_every_value(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path))
    assert ["Ours", ".450", ".150"] in page.rows()
    assert ["MAP", "food", "shoes"] in page.rows()
    colours = {cell["style"] for tag, cell in page.elements if tag == "td" and "style" in cell}
    assert len(colours) > 3


def test_the_share_of_ranks_found_is_exact() -> None:
    found = found_shares(np.array([1.0, 2.5, 2.5, 40.0]), np.array([1.0, 2.0, 3.0, 40.0]))
    assert found.tolist() == [0.25, 0.25, 0.75, 1.0]


def test_unseen_influencers_are_counted_once_however_many_runs_there_are(
    tmp_path: Path,
) -> None:
    page = page_of(write_folder(tmp_path))
    assert "1 of the 4 test collaborations (25\u00a0%)" in page.words
    assert ["Ours", ".175 (.350)"] in page.rows()


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"labels": ["Ours"]}, "Ablations of the perspectives"),
        ({"labels": ["Ours", "Cosine"]}, "Ablations of the perspectives"),
        ({"categories": False}, "By category of the brand"),
        ({"protocols": ["known-brand"]}, "New brands"),
    ],
)
def test_what_there_is_not_is_left_out(
    tmp_path: Path, changes: dict[str, object], absent: str
) -> None:
    whole = page_of(write_folder(tmp_path / "whole"))
    page = page_of(write_folder(tmp_path / "part", **changes))  # type: ignore[arg-type]
    assert absent in whole.words
    assert absent not in page.words


def test_both_protocols_have_their_sections_and_folds_are_told(tmp_path: Path) -> None:
    page = page_of(write_folder(tmp_path, protocols=["new-brand", "known-brand"], folds=2))
    ids = [found["id"] for tag, found in page.elements if tag == "section"]
    links = [found["href"] for tag, found in page.elements if tag == "a"]
    assert ids[:2] == ["new-brand", "known-brand"]
    assert links == [f"#{name}" for name in ids]
    assert "Cross-validation over brands, 2 folds." in page.words


def test_without_a_portrait_the_page_says_why_it_tells_nothing_of_accounts(
    tmp_path: Path,
) -> None:
    page = page_of(write_folder(tmp_path))
    assert "No finished run of Ours was opened" in page.words
    assert not page.of_class("network")


def test_what_a_portrait_lacks_is_said_with_its_reason(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    lacking = portrait(graph=None, map=None, cases=(), missing={"graph": "no lists", "map": "BPR"})
    write_portrait_file(folder, lacking)
    words = page_of(folder).words
    assert "Not shown: no lists." in words
    assert "Not shown: BPR." in words
    assert "Not shown: there is nothing to show." in words


def test_accounts_are_shown_with_their_shares_and_what_they_have_in_common(
    tmp_path: Path,
) -> None:
    folder = write_folder(tmp_path)
    write_portrait_file(folder, portrait())
    page = page_of(folder)
    assert "rank 39.5 · worst ranked other" in page.words
    assert "The best <brand>: average precision .750; 2 of 40 candidates worked with it." in (
        page.words
    )
    assert "<bdi>travel</bdi>" in page.text
    assert "<strong><bdi>food</bdi></strong>" in page.text
    assert '<strong class="topic">62\u00a0% <bdi>cake · oven</bdi></strong>' in page.text
    assert "score+1.50" in page.words
    adds, takes = page.of_class("adds"), page.of_class("takes")
    # The largest share fills the half from the middle; the others are in proportion.
    assert [(bar["x"], bar["width"]) for bar in adds] == [("50.0%", "50.0%"), ("50.0%", "11.1%")]
    assert [(bar["x"], bar["width"]) for bar in takes] == [("33.3%", "16.7%")]


def test_a_dot_a_brand_and_a_path_a_category_of_influencers(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    write_portrait_file(folder, portrait())
    page = page_of(folder)
    near, far = page.of_class("near"), page.of_class("far")
    assert len(near) == 2
    assert [found["d"].count("M") for found in far] == [1, 1, 1]
    colour = {found["stroke"] for found in near}
    assert colour < {found["stroke"] for found in far}
    assert "Categories only colour the marks" in page.words


def test_a_portrait_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_portrait_file(tmp_path, portrait())
    assert read_portrait_file(tmp_path) == portrait()
    write_portrait_file(tmp_path, portrait(graph=None, map=None, cases=()))
    assert read_portrait_file(tmp_path) == portrait(graph=None, map=None, cases=())
    assert read_portrait_file(tmp_path / "nowhere") is None


def test_a_damaged_portrait_is_refused(tmp_path: Path) -> None:
    (tmp_path / "portrait.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"portrait\.json' must be a portrait .* Received: KeyErr"):
        read_portrait_file(tmp_path)


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    table = pd.read_csv(folder / "results.csv")
    table.drop(columns="p_holm").to_csv(folder / "results.csv", index=False)
    with pytest.raises(ValueError, match=r"results\.csv' must have the columns p_holm\. Received"):
        page_of(folder)


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, labels=["BPR"], failed=["BPR"])
    with pytest.raises(ValueError, match="must hold a finished run"):
        page_of(tmp_path)


def test_a_main_model_that_was_not_run_is_refused(tmp_path: Path) -> None:
    about = dataclasses.replace(ABOUT, main="Theirs")
    with pytest.raises(ValueError, match=r"one of Ours, Cosine, .* Received: Theirs\."):
        page_of(write_folder(tmp_path), about)


def test_nothing_on_the_page_can_load_or_run_and_every_element_is_closed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    write_portrait_file(folder, portrait())
    page = page_of(folder)
    assert page.depth == 0
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "use"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")
        assert "url(" not in attributes.get("style", "")
    assert "http:" not in page.text and "https:" not in page.text


def test_the_same_files_make_the_same_page(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    write_portrait_file(folder, portrait())
    assert page_of(folder).text == page_of(folder).text
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2384, ".238"), (1.0, "1.000"), (0.99961, "1.000"), (0.0, ".000"), (np.nan, "\u2013")],
)
def test_metrics_have_three_places_and_no_zero_before_the_point(value: float, text: str) -> None:
    assert metric_text("MAP", value) == text


def test_ranks_differences_and_p_values_as_a_person_reads_them() -> None:
    assert metric_text("paper_medr", 2) == "2.0"
    assert metric_text("unseen_MedR", 1234.5) == "1,234.5"
    assert [signed_text("MAP", x) for x in (0.05, -0.05)] == ["+.050", "\u2212.050"]
    assert [p_text(x) for x in (0.0004, 0.0312, 1.0)] == ["< .001", ".031", "1.000"]
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
