"""`report.html`: a data set on one page that needs neither a network nor scripts."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dataset_convert import findings, schema
from dataset_convert.atomic import AtomicData
from dataset_convert.common.pages import render
from dataset_convert.common.words import counted, part_of, percent, plural
from dataset_convert.features.labels import BLOCKS, SCENE_PREFIX, token_label
from dataset_convert.findings import PROBLEMS, Finding

REPORT_FILE: Final = "report.html"
WARNINGS: Final = "warnings"
"""Key of the manifest: what the conversion adds to the page's own warnings."""
N_COMBINATIONS, N_ATTRIBUTES, N_UNCOVERED, N_PROBLEMS = 10, 30, 60, 200
MOST_COLUMNS, FEWEST_COLUMNS = 16, 8

_FACTS: Final = {
    "labels": "different labels",
    "thresholds": "lowest score that counts",
    "min_members": "members that an audience needs",
    "model_sha256": "files of the model",
}
_UNTOLD: Final = ("of", "fingerprint", "extractor")
_TOLD_IN_WORDS: Final = (
    *("most_frequent_labels", "training_posts", "training_posts_with_labels"),
    *("training_accounts", "training_accounts_with_labels"),
)
_SHA256, _SHOWN_DIGITS = re.compile("[0-9a-f]{64}"), 12


class Bar(NamedTuple):
    """A number with a bar, `share` of its place long, in the colour of a side."""

    text: str
    share: float
    side: str = ""


class Figure(NamedTuple):
    """A histogram: columns by the number that each begins at, and what they say in words."""

    title: str
    columns: dict[str, Bar]
    text: str


def data_report(data: AtomicData) -> bytes:
    """Returns the page of a data set, the same for the same data.

    Everything on it comes from the atomic data and the manifest, so that under pseudonyms it holds
    no name; of rows that were left out it tells numbers and reasons, never values.

    Args:
        data: As it is written, or as it was read. Of its manifest are used, where they are there:
            `synthetic`, `source`, `seed`, `fit_on`, `pseudonyms`, `input_fingerprints`, `posts`,
            `features`, `problems`, `warnings` and `said`.

    Returns:
        HTML in UTF-8.
    """
    manifest = data.manifest
    reports = manifest.get("features", {})
    uncovered = reports.get(schema.ATTRIBUTES, {}).get("uncovered_words", {})
    told = (Finding(**one) for one in manifest.get(WARNINGS, []))
    text = render(
        "dataset_convert",
        "report.html.j2",
        *(counted, part_of, percent, plural, title, plain_facts),
        data=data,
        manifest=manifest,
        synthetic=bool(manifest.get("synthetic")),
        warnings=[*told, *findings.find_all(data)],
        problems=manifest.get(PROBLEMS, []),
        most_problems=N_PROBLEMS,
        presence=_presence(data),
        features={name: reports[name] for name in schema.MODALITIES if name in reports},
        labels=_labels,
        attributes=_attributes(data),
        uncovered=list(uncovered.items())[:N_UNCOVERED],
        figures=[*_partners(data), *_followers(data)],
        categories=_categories(data),
        splits={name: findings.parts(tables) for name, tables in data.splits.items()},
        part_titles=findings.PART_TITLES,
    )
    return text.encode()


def title(name: str) -> str:
    """Returns a modality's name without underscores: content topics."""
    return name.replace("_", " ")


def plain_facts(report: Mapping[str, Any]) -> dict[str, str]:
    """Returns the numbers and short words of an extractor's report, with readable names."""
    texts = {
        _FACTS.get(key, _readable(key)): _plain(value)
        for key, value in report.items()
        if key not in (*_UNTOLD, *_TOLD_IN_WORDS)
    }
    return {key: text for key, text in texts.items() if text}


def _plain(value: object) -> str:
    """A number, a word, or several of them; "" for what is long or not there."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        inside = {_readable(key): _plain(one) for key, one in value.items()}
        return "; ".join(f"{key} {text}" for key, text in inside.items() if text)
    if not isinstance(value, str):
        return ""
    return value[:_SHOWN_DIGITS] if _SHA256.fullmatch(value) else value


def _readable(key: str) -> str:
    words = title(key.removeprefix("n_"))
    return f"number of {words}" if key.startswith("n_") else words


def histogram(values: npt.NDArray[Any], side: str, *, log: bool = False) -> dict[str, Bar]:
    """Returns columns as high as the number of values from the one's number to the next one's.

    Args:
        values: At least one; above 0 with `log`, else whole numbers of 0 or more.
        side: Whose they are.
        log: Whether columns are about equal ratios apart.
    """
    edges = column_edges(values, log=log)
    counts, _ = np.histogram(values, edges)
    return {
        short_number(edge): Bar(f"{n:,}" if n else "", n / counts.max(), side)
        for edge, n in zip(edges[:-1].tolist(), counts.tolist(), strict=True)
    }


def column_edges(values: npt.NDArray[Any], *, log: bool = False) -> npt.NDArray[np.float64]:
    """Returns round edges: 1, 2, 5, 10, 20, ... with `log`, or whole numbers equally far apart.

    Few numbers begin at 0, and columns that nothing is in follow, so that none is very wide.
    """
    steps = [factor * 10**exponent for exponent in range(20) for factor in (1, 2, 5)]
    if log:
        fine = [step / 1000 for step in steps]
        first = max(i for i, step in enumerate(fine) if i == 0 or step <= values.min())
        last = next(i for i, step in enumerate(fine) if step > values.max())
        return np.array(fine[first : last + 1])
    low, high = int(values.min()), int(values.max())
    low = 0 if high < MOST_COLUMNS else low
    width = next(step for step in steps if high // step - low // step < MOST_COLUMNS)
    n_columns = max(FEWEST_COLUMNS, high // width - low // width + 1)
    return np.asarray(width * (low // width + np.arange(n_columns + 1)), dtype=np.float64)


def short_number(value: float) -> str:
    """Returns a round number with few signs: 500, 10k, 2M."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.4g}{prefix}"
    return f"{value:.4g}"


def _partners(data: AtomicData) -> Iterable[Figure]:
    for side, other in zip(schema.SIDES, reversed(schema.SIDES), strict=True):
        found = findings.degrees(data, side)
        if not len(found):
            continue
        low, high = int(found.min()), int(found.max())
        text = (
            f"Every {side} has {counted(low, other)}."
            if low == high
            else f"{side.capitalize()}s have {low:,} to {high:,} {other}s; the median is "
            f"{float(np.median(found)):g}."
        )
        if side == schema.INFLUENCER and high > 1:
            text += f" More than one brand: {part_of(int((found > 1).sum()), len(found))}."
        yield Figure(f"{other.capitalize()}s per {side}", histogram(found, side), text)


def _followers(data: AtomicData) -> Iterable[Figure]:
    for side in schema.SIDES:
        known = findings.followers(data, side)
        above = known[known > 0]
        if not len(above):
            continue
        n_none = len(known) - len(above)
        text = (
            f"From {above.min():,.0f} to {above.max():,.0f} followers; the median is "
            f"{np.median(above):,.0f}; known of {len(known):,} of "
            f"{counted(len(data.accounts(side)), side)}."
        )
        if n_none:
            text += f" {counted(n_none, side)} without any {plural('is', n_none)} not drawn."
        yield Figure(f"Followers of {side}s", histogram(above, side, log=True), text)


def _categories(data: AtomicData) -> list[list[Any]]:
    """Rows of the table of categories under its header; in a column the largest bar is full."""
    found = findings.categories(data)
    sides = {"brands": schema.BRAND, "collaborations": "pair", "influencers": schema.INFLUENCER}
    return [["category", *found.columns]] + [
        [name, *(_bar(n, found[what].max(), sides[str(what)]) for what, n in row.items())]
        for name, row in found.iterrows()
    ]


def _presence(data: AtomicData) -> dict[str, Any]:
    """Rows of the accounts that have each modality, and of those by exactly what they have."""
    sides = findings.presence(data)
    names = list(sides[schema.BRAND].columns)
    combinations = {
        side: Counter(
            tuple(name for name, known in zip(names, row, strict=True) if known)
            for row in has.to_numpy(dtype=bool)
        )
        for side, has in sides.items()
    }
    total = sum(combinations.values(), Counter[tuple[str, ...]]())
    ordered = sorted(total, key=lambda found: (-total[found], -len(found), found))

    def cells(numbers: Iterable[int]) -> list[Bar]:
        return [
            Bar(part_of(n, len(has)), n / len(has) if len(has) else 0.0, side)
            for n, (side, has) in zip(numbers, sides.items(), strict=True)
        ]

    return {
        "modalities": [
            [title(name), *cells(int(has[name].sum()) for has in sides.values())] for name in names
        ],
        "combinations": [
            [_combination(found, names), *cells(of[found] for of in combinations.values())]
            for found in ordered[:N_COMBINATIONS]
        ],
        "n_all": len(ordered),
    }


def _combination(found: Sequence[str], names: Sequence[str]) -> str:
    absent = [title(name) for name in names if name not in found]
    if not absent:
        return "everything"
    if len(absent) < len(found):
        return f"all but {', '.join(absent)}"
    return ", ".join(map(title, found)) or "nothing"


def _labels(report: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """Object or scene -> rows of the most frequent labels, with the training posts that show it."""
    n_posts = int(report.get("training_posts", 0))
    found = {block: report["most_frequent_labels"].get(block, []) for block in BLOCKS}
    return {
        block: [
            [
                token_label(token).removeprefix(SCENE_PREFIX),
                Bar(part_of(int(n), n_posts), int(n) / int(labels[0][1])),
            ]
            for token, n in labels
        ]
        for block, labels in found.items()
        if labels
    }


def _attributes(data: AtomicData) -> dict[str, Any]:
    """The most frequent attributes, and how many an account has."""
    found = findings.attribute_accounts(data)
    largest = {side: max((n[side] for n in found.values()), default=0) for side in schema.SIDES}
    sizes = {
        side: np.array([len(names) for names in findings.attribute_lists(data, side)], dtype=int)
        for side in schema.SIDES
    }
    return {
        "n": len(found),
        "covered": {side: (len(n), len(data.accounts(side))) for side, n in sizes.items()},
        "rows": [
            [name, *(_bar(n[side], largest[side], side) for side in schema.SIDES)]
            for name, n in list(found.items())[:N_ATTRIBUTES]
        ],
        "figures": [
            Figure(
                f"Attributes per {side}",
                histogram(counts, side),
                f"{side.capitalize()}s that have attributes.",
            )
            for side, counts in sizes.items()
            if len(counts)
        ],
    }


def _bar(n: int, largest: int, side: str = "") -> Bar:
    return Bar(f"{n:,}", n / largest if largest else 0.0, side)
