"""Folders and settings with faults of every kind: `fuzz_conversion.py --n 2000 --seed 7`.

Each is looked at by `--suggest` and converted, in this process, over the data set of an earlier
one. Right is a data set that can be read, or one line that says why not and the earlier data set as
it was; everything else is printed with its number, for `--only`, and makes the exit code 1.
"""

import argparse
import contextlib
import csv
import io
import json
import random
import re
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import yaml

from dataset_convert.__main__ import main as convert
from dataset_convert.atomic import read_atomic
from dataset_convert.extraction import KINDS

BRANDS = [f"brand{n}" for n in range(9)]
INFLUENCERS = [f"person{n}" for n in range(14)]
TABLES: dict[str, tuple[list[str], list[list[Any]]]] = {
    "accounts": (
        ["id", "role", "name", "category", "followers"],
        [[x, "brand", x.title(), "food", ""] for x in BRANDS]
        + [[x, "influencer", x.title(), "food", "12.4K"] for x in INFLUENCERS],
    ),
    "collaborations": (
        ["brand", "influencer", "competence", "timestamp"],
        [[b, x, "3,4 %", "2025-01-31"] for n, b in enumerate(BRANDS) for x in INFLUENCERS[n:][:4]],
    ),
    "posts": (
        ["account", "text", "timestamp", "likes", "labels"],
        [[x, "tea cup sun sea #fun", 1_700_000_000, 12, "cup:0.8"] for x in BRANDS + INFLUENCERS],
    ),
    "audience": (
        ["account", "member", "text", "labels"],
        [[x, f"fan{n}", "so good 😀", ""] for x in INFLUENCERS for n in range(3)],
    ),
    "splits": (["brand", "part"], [[x, "train"] for x in BRANDS[2:]] + [[BRANDS[0], "test"]]),
}
JUNK: list[Any] = [
    "", None, "@", "=1+1", "1e999", "NaN", "-0", "2024-13-45", "../../etc/passwd", "a\0b", "'", '"',
    "\ufeff", "\ud800", "x" * 5_000, 10**30, -1, 0.1, True, [1, [2]], {"a": {"b": []}}, "1.78E+16",
    "a\nb,c;d\te", "brand1, brand2", "https://www.instagram.com/brand1/?hl=en", "{", "日本",
]  # fmt: skip
KEYS = re.findall(
    r"\w+",
    """source features splits fit_on seed n_jobs tables columns files where path posts accounts
    collaborations sheet header_row fill_down facts from_captions tags memory handles dates decimal
    content_topics attributes extractor n_topics n_valid n_test x""",
)
OPTIONS = sorted({*KINDS, *(name for kind in KINDS.values() for name in kind.takes.model_fields)})
MODALITIES = (
    "content_topics",
    "content_visual",
    "audience_topics",
    "audience_visual",
    "attributes",
)


def folder_of(rng: random.Random, folder: Path) -> None:
    """Writes tables with up to three faults in cells, headers, rows, bytes or files."""
    content = {name: (list(h), [list(r) for r in rows]) for name, (h, rows) in TABLES.items()}
    for _ in range(rng.randrange(4)):
        header, rows = content[rng.choice(list(content))]
        row = rng.choice([*rows, header])
        row[rng.randrange(len(row))] = rng.choice(JUNK)
        if rng.random() < 0.2:
            rows.insert(rng.randrange(len(rows)), rng.choices(JUNK, k=rng.randrange(1, 7)))
    for name, (header, rows) in content.items():
        if rng.random() < 0.04 or (name == "splits" and rng.random() < 0.6):
            continue
        suffixes = [".csv", ".csv", ".tsv", ".json", ".jsonl", ".parquet"]
        suffix, text = rng.choice(suffixes), io.StringIO()
        objects = [{str(k): v for k, v in zip(header, row, strict=False)} for row in rows]
        if suffix == ".parquet":
            cells = [{_text(k): _text(v) for k, v in one.items()} for one in objects]
            pd.DataFrame(cells).to_parquet(folder / f"{name}.parquet")
            continue
        if suffix == ".json":
            json.dump(objects, text)
        elif suffix == ".jsonl":
            text.write("\n".join(map(json.dumps, objects)))
        else:
            writer = csv.writer(text, delimiter="\t" if suffix == ".tsv" else rng.choice(",;|"))
            writer.writerows([header, *rows])
        encoding = rng.choice(["utf-8"] * 6 + ["utf-16", "cp1252"])
        data = bytearray(text.getvalue().encode(encoding, "replace"))
        if rng.random() < 0.08:
            start = rng.randrange(len(data))
            data[start : start + rng.randrange(60)] = rng.randbytes(rng.randrange(60))
        (folder / f"{name}{suffix}").write_bytes(data)


def _text(value: Any) -> str | None:
    return None if value is None else str(value).encode(errors="replace").decode()


def features_of(rng: random.Random) -> dict[str, Any]:
    """Returns options of extractors, of others' or of nobody, small ones: a large one is heeded."""
    values = [*(x for x in JUNK if x not in (10**30, "\ud800")), 0, 1, 2, 3, 0.5, *KINDS]
    return {
        rng.choice(MODALITIES): {
            rng.choice(["extractor", *OPTIONS]): rng.choice(
                [*values, {rng.choice(OPTIONS): rng.choice(values)}]
            )
            for _ in range(rng.randrange(1, 3))
        }
        for _ in range(rng.randrange(1, 3))
    }


def settings_of(rng: random.Random, depth: int = 0) -> Any:
    """Returns a mapping of some keys that there are to anything."""
    if depth > 3 or rng.random() < 0.2 * depth:
        return rng.choice([x for x in JUNK if x != "\ud800"])
    return {rng.choice(KEYS): settings_of(rng, depth + 1) for _ in range(rng.randrange(1, 3))}


def run(*words: str) -> tuple[int, str]:
    """Runs the command; returns its exit code and what it said on standard error."""
    told = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
        code = convert(words)
    return code, told.getvalue()


def outcome(number: int, seed: int, place: Path) -> str:
    """Returns `converted`, `refused`, or what went wrong."""
    rng = random.Random(f"{seed} {number}")
    raw, config, output = place / "raw", place / "c.yaml", place / "dataset" / "own"
    for old in [*raw.glob("*"), place / "suggested.yaml"]:
        old.unlink(missing_ok=True)
    raw.mkdir(exist_ok=True)
    folder_of(rng, raw)
    plain = {"features": {"content_topics": {"n_topics": 2, "max_iter": 2}}, "n_jobs": 1}
    given = settings_of(rng) if rng.random() < 0.4 else {}
    if rng.random() < 0.3:
        given = {"features": features_of(rng)}
    elif rng.random() < 0.2:
        given = {"pseudonyms": True, "key_file": str(place / "key")}
    settings = {"pseudonyms": False, **plain, **(given if isinstance(given, dict) else {})}
    config.write_text(yaml.safe_dump(settings))
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    code, told = run("--suggest", str(raw), "--output", str(place / "suggested.yaml"))
    if code not in (0, 2) or (code == 2 and told.lower().count("error: ") != 1):
        return f"--suggest: {code} {told}"
    words = ("--source", "tables", "--input", str(raw), "--name", "own", "--config", str(config))
    code, told = run(*words, "--output", str(place / "dataset"))
    after = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    if left := psutil.Process().children(recursive=True):
        return f"left behind: {left}"
    if code == 0:
        return "converted" if len(read_atomic(output, "own").interactions) else "no pairs"
    lines = [line for line in told.splitlines() if line.lower().startswith("error: ")]
    if code == 2 and len(lines) == 1:
        return "refused" if after == before else f"refused, and the old data set changed: {lines}"
    return f"exit code {code}: {told}"


def main() -> int:
    """Tries folders and prints counts; 1 where one went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of folders")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        for number in options.only or range(options.n):
            try:
                found = outcome(number, options.seed, Path(place))
            except (Exception, SystemExit):
                found = traceback.format_exc()
            is_right = found in ("converted", "refused")
            counts[found if is_right else "wrong"] += 1
            if not is_right:
                print(f"folder {number}: {found}", flush=True)
            if counts.total() % 100 == 0:
                print(dict(counts), file=sys.stderr)
    print(", ".join(f"{what} {counts[what]:,}" for what in ("converted", "refused", "wrong")))
    return int(counts["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
