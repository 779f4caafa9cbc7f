"""`report.html`: a data set on one page that needs neither a network nor scripts."""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from dataset_convert.atomic import AtomicData
from dataset_convert.page.document import document
from dataset_convert.page.markup import append, element
from dataset_convert.report import sections
from dataset_convert.report.feature_sections import feature_sections
from dataset_convert.report.findings import Finding, find_all
from dataset_convert.report.layout import Layout, Section
from dataset_convert.report.statistics import SKIPPED
from dataset_convert.report.style import CSS
from dataset_convert.report.words import counted, given

REPORT_FILE: Final = "report.html"
WARNINGS, NOTES = "warnings", "notes"
"""Keys of the manifest: what the conversion adds to the page's own warnings, and other lines."""


def data_report(data: AtomicData) -> bytes:
    """Returns the page of a data set, the same for the same data.

    Everything on it comes from the atomic data and the manifest, so that under pseudonyms it holds
    no name; of rows that were left out it tells numbers and reasons, never values.

    Args:
        data: As it is written, or as it was read. Of its manifest are used, where they are there:
            `synthetic`, `source`, `seed`, `fit_on`, `pseudonyms`, `input_fingerprints`, `posts`,
            `features`, `skipped`, `noted`, `warnings` (fields of a `Finding`) and `notes` (lines).

    Returns:
        HTML in UTF-8.
    """
    layout = Layout(synthetic=bool(data.manifest.get("synthetic")))
    warnings = [Finding(**one) for one in data.manifest.get(WARNINGS, [])]
    warnings += find_all(data)
    parts = [
        sections.collaborations(data, layout),
        sections.categories(data, layout),
        sections.splits(data, layout),
        sections.modalities(data, layout),
        *feature_sections(data, layout),
        sections.odd_rows(data.manifest, layout),
        sections.source(data.manifest, layout),
        _notes(data.manifest.get(NOTES, [])),
    ]
    shown = [section for section in parts if section.parts]
    body = element("body", *_headline(data, layout))
    append(body, _warnings(warnings), _contents(shown), *(section.drawn() for section in shown))
    title = f"Data report of {data.name}" + (" (synthetic data)" if layout.synthetic else "")
    return document(title, body, style=CSS).encode()


def _headline(data: AtomicData, layout: Layout) -> list[Element]:
    heading = element("h1", "Data report of ", given(data.name))
    if layout.synthetic:
        append(heading, " ", *layout.badge())
    posts = data.manifest.get("posts", {})
    numbers: dict[str, int | None] = {
        "brands": len(data.brands),
        "influencers": len(data.influencers),
        "collaborations": len(data.interactions),
        "posts read": posts.get("own"),
        "audience posts read": posts.get("audience"),
        "rows left out": sum(data.manifest.get(SKIPPED, {}).values()),
    }
    tiles = element("dl", class_="tiles")
    for name, number in numbers.items():
        if number is not None:
            append(tiles, element("div", element("dt", name), element("dd", f"{number:,}")))
    kind = "synthetic" if layout.synthetic else "not synthetic"
    text = (
        f"{counted(len(data.brands), 'brand')} and {counted(len(data.influencers), 'influencer')} "
        f"with {counted(len(data.interactions), 'collaboration')}; the data is {kind}. What to "
        "know before it is used comes first."
    )
    return [heading, element("p", text, class_="headline"), tiles]


def _warnings(found: Sequence[Finding]) -> Element:
    if not found:
        text = "Nothing to warn about was found in accounts, splits and features."
        return element("p", text, class_="quiet")
    listed = element("ol")
    for one in found:
        append(
            listed,
            element("li", element("strong", element("bdi", one.text)), element("bdi", one.remedy)),
        )
    return element("div", element("h2", counted(len(found), "warning")), listed, class_="warnings")


def _contents(shown: Sequence[Section]) -> Element:
    links = [
        element("li", element("a", section.title, href=f"#{section.anchor}")) for section in shown
    ]
    return element("nav", element("ul", *links), aria_label="Contents")


def _notes(lines: Sequence[str]) -> Section:
    items = [element("li", element("bdi", line)) for line in lines]
    parts = [element("ul", *items, class_="told")] if items else []
    return Section("notes", "What the conversion said", parts)
