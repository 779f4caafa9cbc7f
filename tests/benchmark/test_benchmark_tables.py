"""Tables as they are written, character by character."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from benchmark_cases import plan
from recbole_mirec.benchmark.execution import RunEnd
from recbole_mirec.benchmark.planned import planned_runs
from recbole_mirec.benchmark.table_text import (
    Cell,
    Table,
    latex,
    latex_text,
    markdown,
    markdown_text,
    number,
)

from recbole_mirec.benchmark.tables import Found, all_tables, write_tables

TABLE = Table(
    name="new-brand.models.paper",
    caption="Pool_1: 50 % & more. †: p < .05.",
    header=("Model", "R@10", "MedR"),
    rows=(
        (Cell("A|B_c"), Cell(".238", bold=True, dagger=True), Cell("2.0")),
        (Cell("D{e}"), Cell(".019", dagger=True), Cell("-")),
    ),
    notes=("5 % of *all*", "x^2 ~ y\\z #1 $2"),
)


def test_markdown_by_hand() -> None:
    assert markdown(TABLE) == (
        "Pool\\_1: 50 % & more. †: p \\< .05.\n"
        "\n"
        "| Model | R@10 | MedR |\n"
        "| --- | ---: | ---: |\n"
        "| A\\|B\\_c | **.238**† | 2.0 |\n"
        "| D{e} | .019† | - |\n"
        "\n"
        "- 5 % of \\*all\\*\n"
        "- x^2 \\~ y\\\\z \\#1 $2\n"
    )


def test_latex_by_hand() -> None:
    assert latex(TABLE) == (
        "\\begin{table}\n"
        "\\centering\n"
        "\\caption{Pool\\_1: 50 \\% \\& more. $^\\dagger$: p \\textless{} .05.}\n"
        "\\label{tab:new-brand-models-paper}\n"
        "\\begin{tabular}{lrr}\n"
        "\\hline\n"
        "Model & R@10 & MedR \\\\\n"
        "\\hline\n"
        "A|B\\_c & \\textbf{.238}$^\\dagger$ & 2.0 \\\\\n"
        "D\\{e\\} & .019$^\\dagger$ & - \\\\\n"
        "\\hline\n"
        "\\end{tabular}\n"
        "\\par\\footnotesize\\raggedright 5 \\% of *all* \\\\ x\\textasciicircum{}2 "
        "\\textasciitilde{} y\\textbackslash{}z \\#1 \\$2\n"
        "\\end{table}\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2376, ".238"),
        (1.0, "1.000"),
        (-0.0124, "-.012"),
        (-0.0001, ".000"),
        (0.0, ".000"),
        (0.9996, "1.000"),
        (float("nan"), "-"),
        (10.04, "10.040"),
    ],
)
def test_numbers_as_the_paper_prints_them(value: float, text: str) -> None:
    assert number(value) == text


def test_text_without_markup_stays() -> None:
    assert markdown_text("MIRec: 2.5, a-b (c)") == latex_text("MIRec: 2.5, a-b (c)")


MODELS = {
    "Cosine": {"model": "Cosine"},
    "BPR": {"model": "BPR"},
    "Late": {"model": "BPR", "epochs": 3},
}


def result(label: str, metric: str, mean: float, **changes: Any) -> dict[str, Any]:
    row = {
        "label": label,
        "protocol": "new-brand",
        "part": "test",
        "metric": metric,
        "mean": mean,
        "against": "" if label == "Cosine" else "Cosine",
        "difference": float("nan") if label == "Cosine" else mean - 0.5,
        "difference_low": -0.04,
        "difference_high": 0.01,
        "significant": False,
        "leads": False,
    }
    return row | changes


def found(**changes: Any) -> Found:
    made = plan(models=MODELS)
    record = {"test": {"n_brands": 2, "n_candidates": 45}, "notes": ["It has no signal."]}
    quiet = record | {"notes": []}
    ends: dict[Any, RunEnd | None] = {}
    for run in planned_runs(made):
        ends[run] = RunEnd("finished", "", 1.0, quiet if run.entry.label == "Cosine" else record)
        if run.entry.label == "Late":
            ends[run] = RunEnd("failed", "no memory", 1.0, {}) if run.seed == 1 else None
    rows = [
        result("Cosine", "MAP", 0.5, leads=True),
        result("BPR", "MAP", 0.45, significant=True),
        result("Cosine", "MedR", 2.0),
        result("BPR", "MedR", 12.5),
        result("Cosine", "paper_map", 0.25),
        result("BPR", "paper_map", 0.2),
    ]
    brands = pd.DataFrame(
        {
            "label": "Cosine",
            "protocol": "new-brand",
            "seed": 1,
            "fold": 0,
            "part": "test",
            "brand_id": ["b1", "b2", "b3"],
            "brand_category": ["shoes", "food & drink", "shoes"],
            "MAP": [0.5, 0.3, 0.1],
            "FirstRank": [1.0, 4.0, 2.0],
        }
    )
    fields = {
        "plan": made,
        "synthetic": True,
        "ends": ends,
        "per_brand": brands,
        "results": pd.DataFrame(rows),
        "remarks": ("Not tuned.",),
    }
    return Found(**(fields | changes))


SETTING = (
    "mirec-tiny (synthetic data), protocol new-brand, test part: 2 brands rank 45 candidates "
    "each; mean over the seeds 1, 2."
)


def test_the_table_of_models() -> None:
    tables = {table.name: table for table in all_tables(found())}
    assert set(tables) == {
        *("new-brand.models", "new-brand.models.paper", "new-brand.differences"),
        "new-brand.categories",
    }
    table = tables["new-brand.models"]
    assert table.caption.startswith(f"{SETTING} †: differs from Cosine (p at most .05 after Holm's")
    assert table.header == ("Model", "MAP", "MedR")
    assert table.rows == (
        (Cell("Cosine"), Cell(".500", bold=True), Cell("2.0")),
        (Cell("BPR"), Cell(".450", dagger=True), Cell("12.5")),
        (Cell("Late"), Cell("-"), Cell("-")),
    )
    assert table.notes == (
        "It has no signal.",
        "Late: 2 of 2 runs without figures (failed: no memory; not run).",
        "No seed plays a part in Cosine: one run each.",
        "Not tuned.",
    )
    paper = tables["new-brand.models.paper"]
    assert paper.caption.startswith(f"{SETTING} By the paper's rules.")
    assert [cell.text for cell in paper.rows[1]] == ["BPR", ".200"]


def test_the_table_of_differences() -> None:
    table = next(one for one in all_tables(found()) if one.name == "new-brand.differences")
    assert table.header == ("Model", "AUC", "R@10", "R@50", "MRR", "MAP")
    assert [cell.text for cell in table.rows[0]] == ["BPR", *["-"] * 4, "-.050 (-.040 to .010)"]
    assert [cell.dagger for cell in table.rows[0]] == [False] * 5 + [True]
    assert [cell.text for cell in table.rows[1]] == ["Late", *["-"] * 5]


def test_the_table_of_categories() -> None:
    table = next(one for one in all_tables(found()) if one.name == "new-brand.categories")
    assert table.header == ("Category", "Brands", "MAP", "MedR")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["food & drink", "1", ".300", "4.0"],
        ["shoes", "2", ".300", "1.5"],
    ]
    assert table.caption.startswith("Cosine by the brand's category. mirec-tiny (synthetic")


def test_real_data_is_not_called_synthetic_and_categories_may_be_missing() -> None:
    brands = found().per_brand.assign(brand_category=None)
    tables = list(all_tables(found(synthetic=False, per_brand=brands)))
    assert all("synthetic" not in table.caption for table in tables)
    assert [table.name for table in tables if "categories" in table.name] == []


def test_the_table_of_ablations(tmp_path: Path) -> None:
    made = plan(
        models=MODELS, ablations={"model": "Cosine", "perspectives": [["content"], ["audience"]]}
    )
    rows = [
        # the best of the models, which is no mark of this table
        result("Cosine", "MAP", 0.5, leads=True),
        result("Cosine [content]", "MAP", 0.4, significant=True),
        result("Cosine [audience]", "MAP", 0.3),
    ]
    given = found(plan=made, ends={}, results=pd.DataFrame(rows))
    table = next(one for one in all_tables(given) if one.name == "new-brand.ablations")
    assert table.header == ("Perspectives", "MAP")
    assert table.rows == (
        (Cell("content"), Cell(".400", dagger=True)),
        (Cell("audience"), Cell(".300")),
        (Cell("Cosine"), Cell(".500")),
    )
    write_tables(tmp_path, given)
    written = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert "new-brand.ablations.md" in written
    assert "new-brand.ablations.tex" in written
