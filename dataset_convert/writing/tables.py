"""Raw material as the files of the source `tables`: its inverse."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import yaml

from dataset_convert import raw, schema
from dataset_convert.common.files import write_whole
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.reading.accounts import MAX_TEXT
from dataset_convert.sources.table_settings import COLUMNS, FROM_COLLABORATIONS, PROFILE

Format = Literal["csv", "jsonl", "parquet"]
CONFIG_FILE: Final = "convert.yaml"
"""Of the options with which the files are read back."""

Row = dict[str, Any]
Write = Callable[[Iterable[Row]], None]
Opener = Callable[[Path, tuple[str, ...]], AbstractContextManager[Write]]
_LABELS: Final = "labels"
_BATCH: Final = 4096


def write_tables(material: RawMaterial, folder: Path, *, format: Format) -> None:
    """Writes raw material as tables; reading them back gives the same content.

    Posts are streamed from the material to the file. `convert.yaml` holds the options of the
    source, so that `python -m dataset_convert --source tables --input FOLDER --config
    FOLDER/convert.yaml` reads them back. A table without rows is not written.

    Args:
        material: Any; pictures of posts must lie within `folder` already.
        folder: Made where it is missing; files of the same names are replaced.
        format: Of the tables; vectors are `.npy` files in any of them.

    Raises:
        ValueError: An unknown format, or content that the tables cannot hold: space around an id,
            a name or a category, or inside a label; a text of more than `MAX_TEXT` characters or
            with halves of characters; a picture outside the folder.
    """
    if format not in _OPENERS:
        raise ValueError(
            f"The 'format' parameter of write_tables must be one of {', '.join(_OPENERS)}. "
            f"Received: {format!r}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Iterable[Row]] = {
        raw.ACCOUNTS: _account_rows(material),
        raw.COLLABORATIONS: _pair_rows(material),
        raw.SPLITS: ({"brand": b, "part": p} for b, p in material.brand_parts.items()),
        raw.POSTS: (_post_row(post, folder, raw.POSTS) for post in material.posts()),
        raw.AUDIENCE: (_post_row(post, folder, raw.AUDIENCE) for post in material.audience_posts()),
    }
    for name, rows in tables.items():
        columns = tuple(x for x in COLUMNS[name] if x not in ("platform", "person"))
        _write_table(folder / f"{name}.{format}", rows, columns, _OPENERS[format])
    options = {
        "synthetic": material.synthetic,
        "category_of_influencers": (
            PROFILE if material.influencer_category_is_profile else FROM_COLLABORATIONS
        ),
        "vectors": _write_vectors(material, folder),
    }
    write_whole(folder / CONFIG_FILE, yaml.safe_dump({"source": options}).encode())


def _write_table(
    path: Path, rows: Iterable[Row], columns: tuple[str, ...], open_table: Opener
) -> None:
    stream = iter(rows)
    first = next(stream, None)
    if first is None:
        path.unlink(missing_ok=True)
        return
    partial = path.with_name(f".{path.name}.part")
    try:
        with open_table(partial, columns) as write:
            write(chain([first], stream))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _account_rows(material: RawMaterial) -> Iterator[Row]:
    for values in material.accounts[list(raw.ACCOUNT_COLUMNS)].itertuples(index=False):
        account, role, name, biography, category, followers = values
        yield {
            "id": _stripped(account, "id"),
            "role": role,
            "name": _stripped(name, "name"),
            "biography": _text(biography, account),
            "category": _stripped(category, "category"),
            "followers": _number(followers),
        }


def _pair_rows(material: RawMaterial) -> Iterator[Row]:
    columns = list(schema.INTERACTION_TYPES)
    for brand, influencer, *numbers in material.collaborations[columns].itertuples(index=False):
        competence, timestamp = map(_number, numbers)
        yield {
            "brand": brand,
            "influencer": influencer,
            "competence": competence,
            "timestamp": timestamp,
        }


def _post_row(post: Post, folder: Path, table: str) -> Row:
    row = {
        "account": post.account,
        "text": _text(post.text, post.account),
        "timestamp": post.timestamp,
        _LABELS: _labels(post),
        "image": _image(post, folder),
    }
    if table == raw.AUDIENCE:
        return row | {"member": _stripped(post.member, "member")}
    return row | {"likes": post.n_likes, "comments": post.n_comments}


def _stripped(value: object, what: str) -> str | None:
    if not isinstance(value, str):  # None or NaN
        return None
    if value != value.strip():
        _refuse(f"{what} without space around it", value)
    return value


def _text(value: object, account: str) -> str:
    if not isinstance(value, str):
        return ""
    if len(value) > MAX_TEXT:
        _refuse(
            f"texts of at most {MAX_TEXT:,} characters", f"{len(value):,} characters of {account}"
        )
    return value


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _labels(post: Post) -> Mapping[str, float] | None:
    for label in post.labels:
        if label.split() != [label]:
            _refuse("labels without space in them", label)
    return post.labels or None


def _image(post: Post, folder: Path) -> str | None:
    if post.image is None:
        return None
    if not post.image.resolve().is_relative_to(folder.resolve()):
        _refuse("pictures within the folder", str(post.image))
    return post.image.resolve().relative_to(folder.resolve()).as_posix()


def _refuse(wanted: str, found: str) -> None:
    raise ValueError(
        f"The 'material' parameter of write_tables must have {wanted}. Received: {found!r}"
    )


@contextmanager
def _open_csv(path: Path, columns: tuple[str, ...]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as stream:
        # The line end is that of the format's standard; with it, cells with a lone \r are quoted.
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow(columns)
        yield lambda rows: writer.writerows([_cell(row[name]) for name in columns] for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        words = " ".join(f"{label}:{score!r}" for label, score in value.items())
        # What starts like an object would be read as one.
        return json.dumps(dict(value)) if words.startswith("{") else words
    return repr(value)


@contextmanager
def _open_json_lines(path: Path, columns: tuple[str, ...]) -> Iterator[Write]:
    def write(rows: Iterable[Row]) -> None:
        for row in rows:
            values = {name: row[name] for name in columns if row[name] is not None}
            if _LABELS in values:
                values[_LABELS] = dict(values[_LABELS])
            stream.write(json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n")

    with path.open("w", encoding="utf-8", newline="") as stream:
        yield write


@contextmanager
def _open_parquet(path: Path, columns: tuple[str, ...]) -> Iterator[Write]:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    kinds = dict.fromkeys(
        ("followers", "competence", "timestamp", "likes", "comments"), pa.float64()
    )
    kinds[_LABELS] = pa.map_(pa.string(), pa.float64())
    layout = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])

    def write(rows: Iterable[Row]) -> None:
        stream = iter(rows)
        while batch := list(islice(stream, _BATCH)):
            for row in batch:
                if row.get(_LABELS) is not None:
                    row[_LABELS] = list(row[_LABELS].items())
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=layout))

    with parquet.ParquetWriter(path, layout) as writer:
        yield write


def _write_vectors(material: RawMaterial, folder: Path) -> dict[str, dict[str, str]]:
    written = {}
    for modality, vectors in material.vectors.items():
        names = {"matrix": f"{modality}.npy", "ids": f"{modality}_ids.txt"}
        array = io.BytesIO()
        np.save(array, np.vstack(list(vectors.values())), allow_pickle=False)
        write_whole(folder / names["matrix"], array.getvalue())
        write_whole(folder / names["ids"], "".join(f"{account}\n" for account in vectors).encode())
        written[modality] = names
    return written


_OPENERS: dict[str, Opener] = {
    "csv": _open_csv,
    "jsonl": _open_json_lines,
    "parquet": _open_parquet,
}
