"""Raw material as the files of the source `tables`: its inverse."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from pyarrow import parquet

from dataset_convert import raw, schema
from dataset_convert.raw import Post, RawMaterial

CONFIG_FILE: Final = "convert.yaml"
POST: Final = ("text", "timestamp")
COLUMNS: Final = {
    raw.ACCOUNTS: ("id", "role", "name", "biography", "category", "followers"),
    raw.COLLABORATIONS: ("brand", "influencer", "competence", "timestamp"),
    raw.POSTS: ("account", *POST, "likes", "comments", "labels", "image"),
    raw.AUDIENCE: ("account", "member", *POST, "labels", "image"),
    raw.SPLITS: ("brand", "part"),
}
NUMBERS: Final = ("followers", "competence", "timestamp", "likes", "comments")

Row = dict[str, Any]


def write_tables(material: RawMaterial, folder: Path, *, format: str) -> None:
    """Writes raw material as csv, jsonl or parquet; reading it back gives the same content.

    `convert.yaml` holds the options of the source. Pictures must lie in the folder already. A table
    without rows is not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Iterable[Row]] = {
        raw.ACCOUNTS: _rows(material.accounts[list(raw.ACCOUNT_COLUMNS)], raw.ACCOUNTS),
        raw.COLLABORATIONS: _rows(
            material.collaborations[list(schema.INTERACTION_TYPES)], raw.COLLABORATIONS
        ),
        raw.SPLITS: ({"brand": b, "part": p} for b, p in material.brand_parts.items()),
        raw.POSTS: (_post_row(post, folder) for post in material.posts()),
        raw.AUDIENCE: (_post_row(post, folder) for post in material.audience_posts()),
    }
    for name, rows in tables.items():
        if found := list(rows):
            columns = [x for x in COLUMNS[name] if x not in ("platform", "person")]
            WRITERS[format](folder / f"{name}.{format}", found, columns)
    options = {
        "synthetic": material.synthetic,
        "category_of_influencers": (
            "profile" if material.influencer_category_is_profile else "collaborations"
        ),
        "vectors": _write_vectors(material, folder),
    }
    (folder / CONFIG_FILE).write_text(yaml.safe_dump({"source": options}))


def _rows(frame: pd.DataFrame, table: str) -> Iterator[Row]:
    for values in frame.itertuples(index=False):
        cells = (None if pd.isna(value) else value for value in values)
        columns = (x for x in COLUMNS[table] if x not in ("platform", "person"))
        yield dict(zip(columns, cells, strict=True))


def _post_row(post: Post, folder: Path) -> Row:
    image = None if post.image is None else post.image.relative_to(folder).as_posix()
    known = {"account": post.account, "member": post.member, "text": post.text, "image": image}
    numbers = {"timestamp": post.timestamp, "likes": post.n_likes, "comments": post.n_comments}
    return known | numbers | {"labels": dict(post.labels) or None}


def _write_csv(path: Path, rows: list[Row], columns: tuple[str, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        # The line end is that of the format's standard; with it, cells with a lone \r are quoted.
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows([_cell(row[name]) for name in columns] for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        words = " ".join(f"{label}:{score!r}" for label, score in value.items())
        # What starts like an object would be read as one.
        return json.dumps(value) if words.startswith("{") else words
    return "" if value is None else value if isinstance(value, str) else repr(float(value))


def _write_json_lines(path: Path, rows: list[Row], columns: tuple[str, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        for row in rows:
            values = {name: row[name] for name in columns if row[name] is not None}
            stream.write(json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n")


def _write_parquet(path: Path, rows: list[Row], columns: tuple[str, ...]) -> None:
    kinds: dict[str, pa.DataType] = dict.fromkeys(NUMBERS, pa.float64())
    kinds["labels"] = pa.map_(pa.string(), pa.float64())
    layout = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])
    for row in rows:
        if row.get("labels") is not None:
            row["labels"] = list(row["labels"].items())
    parquet.write_table(pa.Table.from_pylist(rows, schema=layout), path)


def _write_vectors(material: RawMaterial, folder: Path) -> dict[str, dict[str, str]]:
    written = {}
    for modality, vectors in material.vectors.items():
        names = {"matrix": f"{modality}.npy", "ids": f"{modality}_ids.txt"}
        np.save(folder / names["matrix"], np.vstack(list(vectors.values())), allow_pickle=False)
        (folder / names["ids"]).write_text("".join(f"{account}\n" for account in vectors))
        written[modality] = names
    return written


WRITERS: Final = {"csv": _write_csv, "jsonl": _write_json_lines, "parquet": _write_parquet}
