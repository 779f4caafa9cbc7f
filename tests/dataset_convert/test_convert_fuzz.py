"""Whatever the tables hold, a conversion ends with a data set or with one line that says why."""

import contextlib
import csv
import io
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from dataset_convert.__main__ import main
from dataset_convert.atomic import read_atomic
from dataset_convert.extraction import KINDS
from dataset_convert.features.base import parts_of

COLUMNS = {
    "accounts": ("id", "role", "name", "biography", "category", "followers"),
    "collaborations": ("brand", "influencer", "competence", "timestamp"),
    "posts": ("account", "text", "timestamp", "likes", "labels", "image"),
    "audience": ("account", "member", "text", "labels"),
    "splits": ("brand", "part"),
}
MODALITIES = (
    "content_topics",
    "content_visual",
    "audience_topics",
    "audience_visual",
    "attributes",
)
BRANDS, INFLUENCERS = [f"brand{n}" for n in range(6)], [f"person{n}" for n in range(9)]
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.text(max_size=12),
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.sampled_from(
        [
            "=1+1",
            "1e999",
            "NaN",
            "-0",
            "2024-13-45",
            "../../etc/passwd",
            "a\x00b",
            "'",
            '"',
            "\ufeff",
        ]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=3),
)


def good_rows(table: str, draw: st.DrawFn) -> list[list[Any]]:
    """Rows as they should be, few enough to convert quickly."""
    labels = st.sampled_from(["cup:0.8 plate:0.3", "scene:beach:0.5", "", "cup:0.05"])
    words = st.lists(
        st.sampled_from(["tea", "cup", "sun", "sea", "run", "fit", "car", "#fun", "😀", "ok"]),
        max_size=8,
    )
    if table == "accounts":
        return [
            [one, "brand" if one in BRANDS else "influencer", one, "a chef", "food", 100]
            for one in [*BRANDS, *INFLUENCERS]
        ]
    if table == "collaborations":
        return [[b, i, 0.5, None] for n, b in enumerate(BRANDS) for i in INFLUENCERS[n : n + 3]]
    if table == "splits":
        return [[one, draw(st.sampled_from(["train", "train", "test", "valid"]))] for one in BRANDS]
    wide = len(COLUMNS[table]) - 4
    return [
        [one, "someone" if table == "audience" else " ".join(draw(words))]
        + ([" ".join(draw(words))] if table == "audience" else [None, 3])
        + [draw(labels)]
        + [None] * (wide - 1 if table == "posts" else 0)
        for one in [*BRANDS, *INFLUENCERS]
        for _ in range(2)
    ]


@st.composite
def folders(draw: st.DrawFn) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Tables with some cells, rows and columns replaced by junk; some tables are missing."""
    tables = {}
    for table, columns in COLUMNS.items():
        needed = table in ("accounts", "collaborations")
        if draw(st.integers(0, 9)) in ((7,) if needed else (3, 5, 7)):
            continue
        header, rows = list(columns), good_rows(table, draw)
        for _ in range(draw(st.integers(0, 3))):
            row = draw(st.integers(0, len(rows) - 1))
            rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(JUNK)
        if draw(st.integers(0, 9)) == 7:
            rows.append(draw(st.lists(JUNK, max_size=len(header) + 1)))
        if draw(st.integers(0, 19)) == 7:
            header[draw(st.integers(0, len(header) - 1))] = draw(st.text(max_size=5))
        tables[table] = (header, rows)
    return tables


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    path.write_bytes(text.getvalue().encode(errors="surrogatepass"))


def write_json_lines(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    lines = [json.dumps(dict(zip(header, row, strict=False))) for row in rows]
    path.write_text("\n".join(lines))


def write_parquet(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    cells = [[*row, *[None] * len(header)][: len(header)] for row in rows]
    columns = {name: [row[n] for row in cells] for n, name in enumerate(header)}
    try:
        pd.DataFrame(columns, dtype=object).to_parquet(path)
    except Exception:
        # Several kinds in a column, which Parquet cannot hold: as text, then.
        texts = {
            clean(name): [None if cell is None else clean(str(cell)) for cell in column]
            for name, column in columns.items()
        }
        pd.DataFrame(texts, dtype=object).to_parquet(path)


def clean(text: str) -> str:
    return text.encode(errors="replace").decode()


# No shrinking: a conversion takes too long for hundreds of them.
QUICK: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.reuse, Phase.generate),
}
OUTCOMES = "converted|error: .+"
WRITERS = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}
CONFIG: Mapping[str, Any] = {
    "features": {"content_topics": {"n_topics": 2, "max_iter": 2}},
    "pseudonyms": False,
    "n_jobs": 1,
}


def convert(folder: Path, config: Mapping[str, Any]) -> tuple[int, str]:
    (folder / "convert.yaml").write_text(yaml.safe_dump(dict(config)))
    errors = io.StringIO()
    arguments = ["--source", "tables", "--input", str(folder / "raw"), "--name", "fuzz"]
    arguments += ["--config", str(folder / "convert.yaml"), "--output", str(folder / "dataset")]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        code = main(arguments)
    return code, errors.getvalue()


def outcome(folder: Path, config: Mapping[str, Any]) -> str:
    """Returns "converted" where a data set with pairs was written, or else the reason told."""
    code, told = convert(folder, config)
    event("converted" if code == 0 else "refused")
    if code == 0:
        assert len(read_atomic(folder / "dataset" / "fuzz", "fuzz").interactions) > 0
        return "converted"
    assert code == 2
    reasons = [line for line in told.splitlines() if line.startswith("error: ")]
    event(reasons[0][:70])
    assert len(reasons) == 1
    assert not (folder / "dataset" / "fuzz").exists()
    return reasons[0]


@pytest.mark.parametrize("suffix", WRITERS)
@given(tables=folders())
@settings(max_examples=15, **QUICK)
def test_tables_are_converted_or_refused(
    suffix: str, tables: dict[str, tuple[list[str], list[list[Any]]]]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "raw").mkdir()
        for table, (header, rows) in tables.items():
            WRITERS[suffix](folder / "raw" / f"{table}.{suffix}", header, rows)
        assert re.fullmatch(OUTCOMES, outcome(folder, CONFIG))


@given(data=st.data())
@settings(max_examples=25, **QUICK)
def test_files_of_any_bytes_are_converted_or_refused(data: st.DataObject) -> None:
    tables = data.draw(folders())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "raw").mkdir()
        for table, (header, rows) in tables.items():
            suffix = data.draw(st.sampled_from(sorted(WRITERS)))
            path = folder / "raw" / f"{table}.{suffix}"
            WRITERS[suffix](path, header, rows)
            if data.draw(st.integers(0, 9)) == 7:
                content = bytearray(path.read_bytes())
                start = data.draw(st.integers(0, len(content)))
                end = data.draw(st.integers(start, min(len(content), start + 40)))
                content[start:end] = data.draw(st.binary(max_size=40))
                path.write_bytes(bytes(content))
        hidden = {"pseudonyms": True, "key_file": str(folder / "key")}
        assert re.fullmatch(OUTCOMES, outcome(folder, {**CONFIG, **hidden}))


# Small numbers, as a large max_iter would be taken at its word.
OPTION_VALUES = st.one_of(
    JUNK.map(lambda value: value % 5 if isinstance(value, int) else value),
    st.integers(1, 4),
    st.sampled_from([0, -1, 2, 3, 0.5]),
    st.sampled_from(["english", "raw", ".", 0.1, 2.5, True]),
    st.lists(st.integers(-2, 4), max_size=3),
)


@st.composite
def feature_options(draw: st.DrawFn) -> dict[str, Any]:
    """Extractors of some modalities, with options of theirs, of others' or of nobody."""
    features: dict[str, Any] = {}
    for modality in draw(st.sets(st.sampled_from(MODALITIES), min_size=1, max_size=2)):
        able = [name for name, kind in KINDS.items() if modality in kind.modalities]
        extractor = draw(st.sampled_from([*able, able[0]]))
        known = KINDS[extractor].takes.model_fields
        names = st.sampled_from([*known, *known, "of", "n_jobs", "x"])
        options = draw(st.dictionaries(names, OPTION_VALUES, max_size=2))
        for name, inside in parts_of(KINDS[extractor].takes).items():
            if name in options or draw(st.integers(0, 3)) == 3:
                within = st.sampled_from([*inside, "x"])
                options[name] = draw(st.dictionaries(within, OPTION_VALUES, max_size=2))
        features[modality] = {"extractor": extractor, **options}
    return features


CONFIGURATIONS = st.one_of(
    st.fixed_dictionaries({"features": feature_options()}),
    st.tuples(
        st.sampled_from(["source", "features", "splits", "fit_on", "n_jobs", "key_file"]),
        st.one_of(JUNK, st.dictionaries(st.sampled_from(["columns", "files", "seed"]), JUNK)),
    ).map(lambda pair: dict([pair])),
)


@given(config=CONFIGURATIONS)
@settings(max_examples=50, **QUICK)
def test_configurations_are_used_or_refused(config: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "raw").mkdir()
        rows = [[b, "brand"] for b in BRANDS] + [[i, "influencer"] for i in INFLUENCERS]
        write_csv(folder / "raw" / "accounts.csv", ("id", "role"), rows)
        pairs = [[b, i] for n, b in enumerate(BRANDS) for i in INFLUENCERS[n : n + 3]]
        write_csv(folder / "raw" / "collaborations.csv", ("brand", "influencer"), pairs)
        posts = [[one, "tea cup sun #fun", "cup:0.8"] for one in [*BRANDS, *INFLUENCERS]]
        write_csv(folder / "raw" / "posts.csv", ("account", "text", "labels"), posts)
        assert re.fullmatch(OUTCOMES, outcome(folder, {**CONFIG, **config}))
