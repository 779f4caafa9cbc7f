"""Tables as Markdown and as LaTeX."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MISSING = "-"
_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "†": r"$^\dagger$"},
}


@dataclass(frozen=True)
class Cell:
    """An entry of a table.

    Attributes:
        text: as it stands, still without escapes.
        bold: whether it leads its column.
        dagger: whether it differs significantly from what the caption says.
    """

    text: str
    bold: bool = False
    dagger: bool = False


@dataclass(frozen=True)
class Table:
    """A table of a benchmark.

    Attributes:
        name: of its files.
        caption: sentences that say what the figures are.
        header: heads of the columns, the first one of the rows' names.
        rows: as many cells each as there are heads.
        notes: lines under the table.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


def markdown(table: Table) -> str:
    """A pipe table under its caption, the notes as a list."""
    lines = [markdown_text(table.caption), ""]
    lines.append(_piped(map(markdown_text, table.header)))
    lines.append(_piped(["---", *["---:"] * (len(table.header) - 1)]))
    lines += [
        _piped(_marked(cell, markdown_text, "**{}**", "†") for cell in row) for row in table.rows
    ]
    if table.notes:
        lines += ["", *(f"- {markdown_text(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """A `table` environment that needs no package; the notes follow the rows in small print."""
    columns = "l" + "r" * (len(table.header) - 1)
    bold = r"\textbf{{{}}}"
    body = [
        _ended(_marked(cell, latex_text, bold, r"$^\dagger$") for cell in row) for row in table.rows
    ]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(table.caption)}}}",
        rf"\label{{tab:{re.sub('[^a-z0-9]+', '-', table.name.lower())}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\hline",
        _ended(map(latex_text, table.header)),
        r"\hline",
        *body,
        r"\hline",
        r"\end{tabular}",
    ]
    if table.notes:
        notes = r" \\ ".join(map(latex_text, table.notes))
        lines.append(rf"\par\footnotesize\raggedright {notes}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def markdown_text(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", text)


def latex_text(text: str) -> str:
    """Text in which nothing is a command."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def number(value: float, decimals: int = 3) -> str:
    """A figure as the paper's tables print it: .238; a dash where there is none."""
    if value != value:
        return MISSING
    text = f"{value:.{decimals}f}"
    # no minus before what is rounded to zero
    text = text.removeprefix("-") if float(text) == 0 else text
    return re.sub(r"^(-?)0\.", r"\1.", text)


def _marked(cell: Cell, escape: Callable[[str], str], bold: str, dagger: str) -> str:
    text = bold.format(escape(cell.text)) if cell.bold else escape(cell.text)
    return text + dagger if cell.dagger else text


def _piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ended(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
