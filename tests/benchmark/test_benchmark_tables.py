"""Tables as they are written, character by character."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from benchmark_cases import content, plan

from recbole_mirec.benchmark.plan import make_plan, planned_runs
from recbole_mirec.benchmark.summary import RUN_COLUMNS, BenchmarkResult
from recbole_mirec.benchmark.tables import (
    Cell,
    Sheet,
    Table,
    latex,
    latex_text,
    markdown,
    result_text,
    write_tables,
)

NAN = float("nan")
CELLS = {
    "Model": ["A|B_c", "[<b>]\n"],
    "R@10": [Cell(".238", bold=True, dagger=True), Cell(".019", dagger=True)],
    "MedR": [Cell("2.0"), Cell("\u2013")],
}
TABLE = Table(
    name="new-brand.models.paper",
    caption="Pool_1: 50 % & more. †: p < .05.",
    title="Models, by the paper's rules",
    cells=pd.DataFrame(CELLS).set_index("Model"),
    notes=("5 % of *all*", "x^2 ~ y\\z #1 $2 {e}"),
)


def test_markdown_by_hand() -> None:
    assert markdown(TABLE) == (
        "Pool\\_1: 50 % & more. †: p \\< .05.\n"
        "\n"
        "| Model | R@10 | MedR |\n"
        "| --- | ---: | ---: |\n"
        "| A\\|B\\_c | **.238**† | 2.0 |\n"
        "| \\[\\<b\\>\\]  | .019† | \u2013 |\n"
        "\n"
        "- 5 % of \\*all\\*\n"
        "- x^2 \\~ y\\\\z \\#1 $2 {e}\n"
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
        "{[}\\textless{}b\\textgreater{}]  & .019$^\\dagger$ & -- \\\\\n"
        "\\hline\n"
        "\\end{tabular}\n"
        "\\par\\footnotesize\\raggedright 5 \\% of *all* \\\\ x\\textasciicircum{}2 "
        "\\textasciitilde{} y\\textbackslash{}z \\#1 \\$2 \\{e\\}\n"
        "\\end{table}\n"
    )
    # what needs no escape stays
    assert latex_text("MIRec: 2.5, a-b (c)") == "MIRec: 2.5, a-b (c)"
    assert latex_text("\u2212.050") == "$-$.050"


MODELS = {
    "Cosine": {"model": "Cosine"},
    "BPR": {"model": "BPR"},
    "Late": {"model": "BPR", "epochs": 3},
}


def row(label: str, metric: str, mean: float, **changes: Any) -> dict[str, Any]:
    of = {"label": label, "protocol": "new-brand", "part": "test", "metric": metric, "mean": mean}
    of |= {"against": "" if label == "Cosine" else "Cosine", "significant": False, "leads": False}
    of |= {"difference": NAN if label == "Cosine" else mean - 0.5, "p_holm": NAN}
    ends = {"low": 0.1, "high": 0.6, "difference_low": -0.04, "difference_high": 0.01}
    return of | ends | changes


def result(rows: list[dict[str, Any]] | None = None, **changes: Any) -> BenchmarkResult:
    made = plan(models=MODELS)
    test = {"test": {"n_brands": 2, "n_candidates": 45}}
    records: dict[str, Any] = {"Cosine": test | {"notes": []}, "Late": {}}
    noted = test | {"notes": ["It has no signal."]}
    runs = []
    for run in planned_runs(made):
        label = run.entry.label
        status = ("failed", "no memory") if run.seed == 1 else ("not run", "")
        what = (label, run.entry.model, run.protocol, run.seed, run.fold)
        how = status if label == "Late" else ("finished", "")
        runs.append((*what, *how, 0, 0, 1.0, str(run.folder), records.get(label, noted)))
    brands = pd.DataFrame(
        {
            **{"label": "Cosine", "protocol": "new-brand", "seed": 1, "fold": 0, "part": "test"},
            "brand_id": ["b1", "b2", "b3", "b4"],
            "brand_category": ["shoes", "food & drink", "shoes", None],
            "MAP": [0.5, 0.3, 0.1, 0.9],
            "FirstRank": [1.0, 4.0, 2.0, 9.0],
        }
    )
    fields = {
        "plan": made,
        "folder": Path("it"),
        "runs": pd.DataFrame(runs, columns=[*RUN_COLUMNS, "record"]),
        "per_brand": brands,
        "results": pd.DataFrame(
            rows
            or [
                row("Cosine", "MAP", 0.5, leads=True),
                row("BPR", "MAP", 0.45, significant=True, p_holm=0.0004),
                row("Cosine", "MedR", 2.0),
                row("BPR", "MedR", 12.5),
                row("Cosine", "paper_map", 0.25),
                row("BPR", "paper_map", 0.2),
            ]
        ),
        "synthetic": True,
        "remarks": ("Not tuned.",),
    }
    return BenchmarkResult(**(fields | changes))


def tables(of: BenchmarkResult) -> list[Table]:
    return list(Sheet(of, "new-brand").tables())


def texts(table: Table) -> list[list[str]]:
    rows = table.cells.itertuples(name=None)
    return [[name, *(cell.text for cell in cells)] for name, *cells in rows]


SETTING = (
    "protocol new-brand, test part: 2 brands rank 45 candidates each; mean over the seeds 1, 2."
)


def test_the_tables_of_models_differences_and_categories() -> None:
    models, paper, differences, categories = tables(result())
    assert Sheet(result(), "new-brand").setting == SETTING
    assert models.name == "new-brand.models"
    assert models.title == "Models"
    assert models.caption.startswith("†: differs from Cosine at the 5% level, after Holm's")
    assert [models.cells.index.name, *models.cells] == ["Model", "MAP", "MedR"]
    assert list(models.cells.itertuples(name=None)) == [
        ("Cosine", Cell(".500", bold=True), Cell("2.0")),
        ("BPR", Cell(".450", dagger=True), Cell("12.5")),
        ("Late", Cell("\u2013"), Cell("\u2013")),
    ]
    assert models.notes == [
        "Late: 2 of 2 runs without figures (failed: no memory; not run).",
        "BPR: It has no signal.",
        "No seed plays a part in Cosine: one run each.",
        "Not tuned.",
    ]
    assert paper.name == "new-brand.models.paper"
    assert paper.title == "Models, by the paper's rules"
    assert paper.caption.startswith("By the paper's rules: compare published tables with these")
    assert texts(paper)[1] == ["BPR", ".200"]
    assert differences.name == "new-brand.differences"
    assert list(differences.cells) == ["MAP", "AUC", "R@10", "R@50", "MRR"]
    assert texts(differences) == [
        ["BPR", "\u2212.050 (\u2212.040 to +.010), p < .001", *["\u2013"] * 4],
        ["Late", *["\u2013"] * 5],
    ]
    assert [cell.dagger for cell in differences.cells.iloc[0]] == [True, *[False] * 4]
    assert categories.name == "new-brand.categories"
    assert list(categories.cells) == ["Brands", "MAP", "MedR"]
    assert texts(categories) == [
        ["food & drink", "1", ".300", "4.0"],
        ["shoes", "2", ".300", "1.5"],
    ]
    assert categories.caption.startswith("Cosine by the brand's category. Differences between")


def test_real_data_is_not_called_synthetic_and_categories_may_be_missing(tmp_path: Path) -> None:
    brands = result().per_brand.assign(brand_category=None)
    for synthetic in (True, False):
        folder = tmp_path / str(synthetic)
        write_tables(result(synthetic=synthetic, per_brand=brands, folder=folder))
        texts = [path.read_text(encoding="utf-8") for path in (folder / "tables").iterdir()]
        assert len(texts) == 6
        assert all(SETTING in text for text in texts)
        assert all(("mirec-tiny (synthetic data), " in text) == synthetic for text in texts)


def test_categories_of_a_fold_each() -> None:
    two = result().per_brand.assign(fold=[1, 2, 1, 2])
    *_, table = tables(result(plan=plan(models=MODELS, folds=2), per_brand=two))
    assert texts(table) == [["food & drink", "1", ".300", "4.0"], ["shoes", "2", ".300", "1.5"]]


def test_the_table_of_ablations(tmp_path: Path) -> None:
    kept = {"model": "Cosine", "perspectives": [["content"], ["audience"]]}
    rows = [
        # the best of the models, which is no mark of this table
        row("Cosine", "MAP", 0.5, leads=True),
        row("Cosine [content]", "MAP", 0.4, significant=True),
        row("Cosine [audience]", "MAP", 0.3),
    ]
    given = result(rows, plan=plan(models=MODELS, ablations=kept), folder=tmp_path)
    table = next(one for one in tables(given) if one.name == "new-brand.ablations")
    assert [table.cells.index.name, *table.cells] == ["Perspectives", "MAP"]
    assert list(table.cells.itertuples(name=None)) == [
        ("content", Cell(".400", dagger=True)),
        ("audience", Cell(".300")),
        ("Cosine", Cell(".500")),
    ]
    write_tables(given)
    whole = table._replace(caption=f"mirec-tiny (synthetic data), {SETTING} {table.caption}")
    for suffix, draw in {"md": markdown, "tex": latex}.items():
        path = tmp_path / "tables" / f"new-brand.ablations.{suffix}"
        assert path.read_text(encoding="utf-8") == draw(whole)


def test_the_summary_as_text() -> None:
    assert result_text(result()).splitlines() == [
        "little on mirec-tiny (synthetic data): 3 of 5 runs finished",
        "",
        "protocol new-brand, test part; p: MAP against Cosine",
        "           MAP  MedR     MAP, 95 %  p (Holm)",
        "Cosine  0.5000   2.0  .100 to .600         -",
        "BPR     0.4500  12.5  .100 to .600    < .001",
        "",
        "failed: runs/Late/new-brand/seed-1: no memory",
        "not run: runs/Late/new-brand/seed-2",
        "Files: it (report.html, results.csv, tables/)",
    ]


@pytest.mark.parametrize(
    ("main", "words"), [("Cosine", "Cosine, of ablations against Full"), ("Full", "Full")]
)
def test_what_ablations_are_compared_with_is_said(main: str, words: str) -> None:
    models = {"Cosine": {"model": "Cosine"}, "Full": {"model": "MIRec"}}
    kept = {"model": "Full", "perspectives": [["content"]]}
    made = make_plan(content(models=models, ablations=kept, main=main), {})
    rows = [row(label, "MAP", 0.5) for label in ("Cosine", "Full", "Full [content]")]
    title = f"protocol new-brand, test part; p: MAP against {words}"
    assert title in result_text(result(rows, plan=made)).splitlines()
