"""`report.html`: a benchmark on one page that needs neither a network nor scripts."""

from collections import Counter
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from dataset_convert.page.document import document
from dataset_convert.page.markup import Child, append, element
from dataset_convert.page.tables import table
from dataset_convert.report.layout import Layout, Section, facts
from dataset_convert.report.style import CSS as SHARED_CSS
from dataset_convert.report.words import counted
from recbole_mirec.benchmark.report.account_sections import account_sections
from recbole_mirec.benchmark.report.contents import FINISHED, Contents, read_contents
from recbole_mirec.benchmark.report.detail_sections import (
    category_sections,
    curve_sections,
    rank_sections,
    unseen_sections,
)
from recbole_mirec.benchmark.report.result_sections import (
    ablation_tables,
    answer,
    interval_figures,
    model_tables,
    notes,
)
from recbole_mirec.benchmark.report.style import CSS
from recbole_mirec.benchmark.report.view import About, View
from recbole_mirec.benchmark.report.words import PROTOCOL_TITLES, PROTOCOL_WORDS, listed
from recbole_mirec.runs import write_text
from recbole_mirec.tuning.report.parts import duration

REPORT_FILE: Final = "report.html"


def write_report(folder: Path, about: About) -> Path:
    """Write the page of a benchmark, whole or not at all; the same for the same files.

    Args:
        folder: of the benchmark; holds results.csv, runs.csv, per_brand.csv, the runs' folders
            and, where accounts are to be shown, portrait.json.
        about: what the files do not say.

    Returns:
        Path of the page.

    Raises:
        ValueError: a file lacks a column, no run has finished, or `about.main` is no model of it.
        OSError: a file cannot be read or written.
    """
    path = folder / REPORT_FILE
    write_text(path, benchmark_page(read_contents(folder), about))
    return path


def benchmark_page(contents: Contents, about: About) -> str:
    """The page as HTML; see `write_report`."""
    if about.main not in contents.labels:
        raise ValueError(
            f"The 'main' of a benchmark's page must be one of {', '.join(contents.labels)}. "
            f"Received: {about.main}."
        )
    record = contents.records[0]
    layout = Layout(synthetic=bool(record.get("synthetic")))
    views = [View(contents, about, protocol) for protocol in contents.protocols]
    sections = [_protocol_section(view, layout) for view in views]
    sections += account_sections(contents.portrait, about.main, layout)
    sections += [_failures(contents), _making(contents, about)]
    shown = [section for section in sections if section.parts]
    heading = element("h1", f"Benchmark {about.name} on {record['dataset']}")
    if layout.synthetic:
        append(heading, " ", *layout.badge())
    body = element("body", heading, *_headline(views, layout), _links(shown))
    append(body, *(section.drawn() for section in shown))
    title = f"Benchmark {about.name}" + (" (synthetic data)" if layout.synthetic else "")
    return document(title, body, style=SHARED_CSS + CSS)


def _headline(views: list[View], layout: Layout) -> list[Element]:
    contents = views[0].contents
    models = [label for label in contents.labels if label not in views[0].about.ablations]
    text = f"{counted(len(models), 'model')} compared: {listed(models)}."
    if layout.synthetic:
        text += " The data is synthetic: figures on it say nothing about real brands."
    parts = [element("p", text)]
    for view in views:
        title = f"{PROTOCOL_TITLES.get(view.protocol, view.protocol)}: "
        parts.append(element("p", element("strong", title), answer(view), class_="headline"))
    return parts


def _links(sections: list[Section]) -> Element:
    items = [
        element("li", element("a", section.title, href=f"#{section.anchor}"))
        for section in sections
    ]
    return element("nav", element("ul", *items))


def _protocol_section(view: View, layout: Layout) -> Section:
    title = PROTOCOL_TITLES.get(view.protocol, view.protocol)
    folds = f" Cross-validation over brands, {view.n_folds()} folds." if view.n_folds() else ""
    parts = [
        element("p", PROTOCOL_WORDS.get(view.protocol, "") + folds),
        *model_tables(view, layout),
        *notes(view),
        *_titled("Every metric with its interval", interval_figures(view, layout)),
        *_titled("Ablations of the perspectives", ablation_tables(view, layout)),
        *_titled("By category of the brand", category_sections(view, layout)),
        *_titled("Ranks of the collaborators", rank_sections(view, layout)),
        *_titled("Influencers not seen in training", unseen_sections(view, layout)),
        *_titled("Learning curves", curve_sections(view, layout)),
    ]
    return Section(view.protocol, f"{title} (protocol {view.protocol})", parts)


def _titled(title: str, parts: list[Element]) -> list[Element]:
    return [element("h3", title, class_="part"), *parts] if parts else []


def _failures(contents: Contents) -> Section:
    """Runs that did not finish, those of one reason together."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for _, run in contents.runs[contents.runs["status"] != FINISHED].iterrows():
        key = (str(run["label"]), str(run["status"]), str(run["reason"]))
        fold = f", fold {run['fold']}" if run["fold"] else ""
        groups.setdefault(key, []).append(f"{run['protocol']}, seed {run['seed']}{fold}")
    rows: list[list[Child]] = [
        [label, status, reason or "no reason was given", "; ".join(names)]
        for (label, status, reason), names in groups.items()
    ]
    parts = [table(["model", "what happened", "reason", "runs"], rows, n_words=4)] if rows else []
    for cell in (cell for part in parts for cell in part.iter("td")):
        cell.set("class", "told")
    return Section("failures", "Runs that did not finish", parts)


def _making(contents: Contents, about: About) -> Section:
    """How the figures came about, so that they can be made again."""
    finished = contents.runs[contents.runs["status"] == FINISHED]
    counts = Counter(finished["label"])
    record = contents.records[0]
    versions = record.get("versions", {})
    told: dict[str, Child] = {
        "command": element("code", about.command),
        "data": f"{record['dataset']}, fingerprint {str(record['data_fingerprint'])[:12]}",
        "runs": f"{len(finished)} finished, {len(contents.runs) - len(finished)} not; "
        f"{', '.join(f'{label} {n}' for label, n in counts.items())}",
        "seeds": ", ".join(map(str, sorted(set(finished["seed"].tolist())))),
        "computing": f"{duration(float(finished['seconds'].sum()))} in all, on one thread a run",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    parts = [facts(told)]
    if about.remarks:
        parts.append(element("ul", *(element("li", text) for text in about.remarks)))
    return Section("making", "How this was made", parts)
