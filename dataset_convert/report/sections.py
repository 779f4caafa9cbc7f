"""Sections on accounts, collaborations, splits, and on what came in and what was left out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.page.markup import Child, element
from dataset_convert.report import statistics
from dataset_convert.report.bins import count_log, count_whole
from dataset_convert.report.figures import histogram
from dataset_convert.report.layout import Layout, Section, bar_cell, count_cell, facts
from dataset_convert.report.words import (
    NOTHING,
    PART_TITLES,
    counted,
    given,
    modality_title,
    part_of,
    plural,
    side_title,
)

_OTHER: dict[schema.Side, schema.Side] = {
    schema.BRAND: schema.INFLUENCER,
    schema.INFLUENCER: schema.BRAND,
}
_PROTOCOLS = {
    schema.NEW_BRAND: "New brands: validation and test brands are unknown in training, and their "
    "candidates are the influencers of the part.",
    schema.KNOWN_BRAND: "Known brands: each brand's collaborations are split, and all influencers "
    "are candidates.",
}
_N_COMBINATIONS = 10
_FINGERPRINT_DIGITS = 12


def collaborations(data: AtomicData, layout: Layout) -> Section:
    """Returns how many partners accounts have, and how many followers."""
    figures = [
        _degrees(statistics.degrees(data, side), side, layout)
        for side in schema.SIDES
        if len(statistics.accounts_of(data, side))
    ]
    known = [_followers(data, side, layout) for side in schema.SIDES]
    figures += [figure for figure in known if figure is not None]
    grid = element("div", *figures, class_="grid halves")
    return Section("collaborations", "Collaborations and followers", [grid])


def categories(data: AtomicData, layout: Layout) -> Section:
    """Returns how accounts and collaborations are spread over categories."""
    found = statistics.categories(data)
    if not found:
        unknown = element("p", "The brands' categories are not known.")
        return Section("categories", "Categories", [unknown])
    header = ["category", "brands", "collaborations"]
    has_influencers = found[0].influencers is not None
    header += ["influencers"] if has_influencers else []
    brands, pairs = (max(getattr(one, name) for one in found) for name in ("brands", "pairs"))
    influencers = max(one.influencers or 0 for one in found)
    rows: list[list[Child]] = []
    for one in found:
        row: list[Child] = [given(one.name), count_cell(one.brands, brands, side=schema.BRAND)]
        row.append(count_cell(one.pairs, pairs, side="pair"))
        if has_influencers:
            row.append(count_cell(one.influencers or 0, influencers, side=schema.INFLUENCER))
        rows.append(row)
    text = (
        f"{counted(len(found), 'category')} of brands, the largest first; collaborations are those "
        "of the category's brands. In each column the longest bar is its largest number."
    )
    if has_influencers:
        text += (
            " The influencers' categories stand in a file of their own, which no model reads: they "
            "may come from the brands that they worked with."
        )
    return Section("categories", "Categories", [layout.table(header, rows, text)])


def splits(data: AtomicData, layout: Layout) -> Section:
    """Returns the sizes of the splits' parts, and what training knows of the others."""
    parts: list[Element] = []
    for protocol, tables in data.splits.items():
        parts += [element("h3", f"Protocol {protocol}"), element("p", _PROTOCOLS[protocol])]
        parts += _split_tables(tables, layout)
    return Section("splits", "Training, validation and test", parts)


def modalities(data: AtomicData, layout: Layout) -> Section:
    """Returns which modalities accounts have, and in which combinations."""
    sides = statistics.presence(data)
    names = list(sides[0].present)
    if not names:
        nothing = element("p", "The accounts have no features; only the collaborations are known.")
        return Section("features", "What is known of the accounts", [nothing])
    header = ["modality", *(f"{found.side}s" for found in sides)]
    rows: list[list[Child]] = [
        [
            modality_title(name),
            *(bar_cell(one.present[name], one.n_accounts, side=one.side) for one in sides),
        ]
        for name in names
    ]
    text = "Accounts that have each modality. What is missing stays missing: it is not filled in."
    parts = [layout.table(header, rows, text), *_combinations(sides, names, layout)]
    return Section("features", "What is known of the accounts", parts)


def odd_rows(manifest: Mapping[str, Any], layout: Layout) -> Section:
    """Returns which rows of the input were left out, or stayed with a problem, and why."""
    found = statistics.odd_rows(manifest)
    if not found:
        whole = element("p", "None: every row that was read could be used.")
        return Section("rows", "Rows with problems", [whole])
    lines: list[list[Child]] = [
        [
            given(rows.file),
            element("bdi", rows.reason),
            "kept" if rows.kept else "left out",
            f"{rows.n_rows:,}",
        ]
        for rows in found
    ]
    text = "Each of them stands in problems.csv with its place."
    header = ["file", "what was wanted", "the row was", "rows"]
    made = layout.table(header, lines, text, n_words=3)
    for line in list(made.iter("tr"))[1:]:
        line[1].set("class", "words")
    return Section("rows", "Rows with problems", [made])


def source(manifest: Mapping[str, Any], layout: Layout) -> Section:
    """Returns where the data came from and how it was made."""
    fitted = {
        "training": "training accounts of the protocol new-brand only",
        "all": "all accounts, those of validation and test included",
    }
    told: dict[str, Child] = {
        "Source": given(str(manifest.get("source", "not said"))),
        "Data": "synthetic" if layout.synthetic else "not synthetic",
    }
    if "fit_on" in manifest:
        told["Features learnt from"] = fitted.get(manifest["fit_on"], str(manifest["fit_on"]))
    if "seed" in manifest:
        told["Seed"] = str(manifest["seed"])
    hidden = manifest.get("pseudonyms")
    told["Account ids"] = (
        f"pseudonyms ({hidden['method']}, {hidden['digits']} digits)" if hidden else "as they came"
    )
    extractors = {
        modality: report["extractor"]
        for modality, report in manifest.get("features", {}).items()
        if "extractor" in report
    }
    if extractors:
        texts = [f"{modality_title(name)}: {kind}" for name, kind in extractors.items()]
        told["Extractors"] = "; ".join(texts)
    prints = manifest.get("input_fingerprints", {})
    if prints:
        texts = [f"{part} {digits[:_FINGERPRINT_DIGITS]}" for part, digits in prints.items()]
        told["Fingerprints of the input"] = element("code", ", ".join(texts))
    return Section("source", "Source and settings", [facts(told)])


def _combinations(
    sides: Sequence[statistics.Presence], names: Sequence[str], layout: Layout
) -> list[Element]:
    ordered = sorted(
        {found for one in sides for found in one.combinations},
        key=lambda found: (
            -sum(one.combinations.get(found, 0) for one in sides),
            -len(found),
            found,
        ),
    )
    rows: list[list[Child]] = [
        [
            _combination(found, names),
            *(
                bar_cell(one.combinations.get(found, 0), one.n_accounts, side=one.side)
                for one in sides
            ),
        ]
        for found in ordered[:_N_COMBINATIONS]
    ]
    text = "Accounts by exactly what they have"
    if len(ordered) > _N_COMBINATIONS:
        text += f"; the {_N_COMBINATIONS} most frequent of {len(ordered)} combinations"
    header = ["an account has", *(f"{one.side}s" for one in sides)]
    return [element("h3", "Combinations"), layout.table(header, rows, f"{text}.")]


def _combination(found: Collection[str], names: Sequence[str]) -> str:
    absent = [modality_title(name) for name in names if name not in found]
    if not absent:
        return "everything"
    if len(absent) < len(found):
        return f"all but {', '.join(absent)}"
    return ", ".join(map(modality_title, found)) or "nothing"


def _degrees(found: npt.NDArray[np.int64], side: schema.Side, layout: Layout) -> Element:
    other = _OTHER[side]
    drawn = histogram(
        count_whole(found),
        counted=f"{side}s",
        axis=f"{other}s per {side}",
        label=f"Histogram of {side}s by their number of {other}s",
    )
    low, high = int(found.min()), int(found.max())
    if low == high:
        text = f"Every {side} has {counted(low, other)}."
    else:
        text = (
            f"{side_title(side)} have {low:,} to {high:,} {other}s; the median is "
            f"{float(np.median(found)):g}."
        )
    if side == schema.INFLUENCER and high > 1:
        n_several = int((found > 1).sum())
        text += f" More than one brand: {part_of(n_several, len(found))}."
    return layout.figure(drawn, text, title=f"{other.capitalize()}s per {side}")


def _followers(data: AtomicData, side: schema.Side, layout: Layout) -> Element | None:
    known = statistics.followers(data, side)
    above = known[known > 0]
    if not len(above):
        return None
    drawn = histogram(
        count_log(above),
        counted=f"{side}s",
        axis="followers, logarithmic",
        label=f"Histogram of {side}s by their number of followers, on a logarithmic axis",
    )
    n_accounts = len(statistics.accounts_of(data, side))
    text = (
        f"From {above.min():,.0f} to {above.max():,.0f} followers; the median is "
        f"{np.median(above):,.0f}; known of {len(known):,} of {counted(n_accounts, side)}."
    )
    n_none = len(known) - len(above)
    if n_none:
        text += f" {counted(n_none, side)} without any {plural('is', n_none)} not drawn."
    return layout.figure(drawn, text, title=f"Followers of {side}s")


def _split_tables(tables: Mapping[str, pd.DataFrame], layout: Layout) -> list[Element]:
    found = statistics.parts(tables)
    n_pairs = sum(part.pairs for part in found)
    sizes: list[list[Child]] = [
        [
            PART_TITLES[part.name],
            f"{part.brands:,}",
            f"{part.influencers:,}",
            bar_cell(part.pairs, n_pairs),
        ]
        for part in found
    ]
    header = ["part", "brands", "influencers", "collaborations"]
    made = [layout.table(header, sizes, "Sizes of the parts; an account can be in several.")]
    others = [part for part in found if part.name != schema.TRAIN]
    seen = {
        "brands": [(part.brands_in_training, part.brands) for part in others],
        "influencers": [(part.influencers_in_training, part.influencers) for part in others],
        "collaborations of these influencers": [
            (part.pairs_of_these, part.pairs) for part in others
        ],
        "the very collaborations": [(part.pairs_in_training, part.pairs) for part in others],
    }
    overlaps: list[list[Child]] = [
        [what, *(part_of(*pair) if pair[0] else NOTHING for pair in pairs)]
        for what, pairs in seen.items()
    ]
    header = ["seen in training", *(PART_TITLES[part.name] for part in others)]
    text = (
        "How much of a part training has seen. Influencers that training knows are usual; a "
        "collaboration that it knows would be an answer given away."
    )
    return [*made, layout.table(header, overlaps, text)] if others else made
