"""What a model gives to other programs: vectors, encoders, an index, and lists in a database."""

import io
import json
import sqlite3
import warnings
from collections.abc import Iterable, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from dataset_convert.common.commands import printable
from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import guarded, naming, replacing, write_whole
from recbole_mirec.recommend.bundle import query

if TYPE_CHECKING:
    from recbole_mirec.recommend.page import ListView
    from recbole_mirec.recommend.recommender import Recommender

# Neighbours of an account in the index, and how many are looked at when it is built and asked.
_LINKS, _BREADTH = 32, 256
_K = 10


def workbook(frame: pd.DataFrame) -> bytes:
    """A table as an .xlsx file, without texts that a spreadsheet takes for formulas.

    Raises:
        UsageError: openpyxl is not installed.
    """
    file = io.BytesIO()
    safe = guarded(frame).map(lambda x: printable(x) if isinstance(x, str) else x)
    try:
        safe.to_excel(file, index=False, engine="openpyxl")
    except ImportError:
        raise UsageError("--xlsx needs a library: pip install openpyxl.") from None
    return file.getvalue()


def vectors(recommender: "Recommender", side: schema.Side) -> NDArray[np.float32]:
    """Vectors of a side's accounts: (account, dimension), its parts side by side.

    The inner product of a brand's and an influencer's is the score.
    """
    own = recommender.bundle.sides[side].vectors
    return np.hstack([own[part] for part in recommender.parts]).astype(np.float32)


def write_vectors(path: Path, recommender: "Recommender") -> None:
    """Write ids and vectors: to `.npz` as arrays, to `.parquet` as a row an account.

    Raises:
        UsageError: the file's name ends otherwise.
    """
    ids = dict(zip(schema.SIDES, (recommender.brands, recommender.influencers), strict=True))
    if path.suffix == ".npz":
        own = recommender.bundle.sides[schema.BRAND].vectors
        widths = [own[part].shape[1] for part in recommender.parts]
        arrays: dict[str, Any] = {"parts": recommender.parts, "widths": widths}
        for side in schema.SIDES:
            arrays |= {f"{side}_ids": np.array(ids[side], dtype=str)}
            arrays |= {f"{side}_vectors": vectors(recommender, side)}
        with replacing(path) as file:
            np.savez(file, **arrays)
    elif path.suffix == ".parquet":
        rows = [
            pd.DataFrame(
                {"side": side, "account": ids[side], "vector": list(vectors(recommender, side))}
            )
            for side in schema.SIDES
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming(path):
            made = "select side, account, vector::float[] as vector from made"
            query(f"copy ({made}) to $path (format parquet)", path, pd.concat(rows))
    else:
        raise UsageError(f"--vectors must end in .npz or .parquet. Received: '{path}'.")


def write_index(path: Path, recommender: "Recommender") -> str:
    """Write a faiss index of the influencers' vectors, and their ids in its order as `.json`.

    It is asked with brands' vectors, and gives who scores highest first: a graph of near ones
    (HNSW) of influencers that one more dimension brings to one length, M, so that the nearest by
    distance is the best by inner product (Bachrach et al., RecSys 2014); of a brand, at length 1,
    that dimension is 0. Distances are ``1 + M^2 - 2 <b, i> / |b|``.

    Returns:
        How many of the exact first ten of each brand it finds, in a sentence.

    Raises:
        UsageError: faiss is not installed.
    """
    _need("--faiss", "faiss")
    # its types do not know all of its constructors
    faiss: Any = import_module("faiss")

    brands, influencers = (vectors(recommender, side) for side in schema.SIDES)
    n_dimensions = influencers.shape[1]
    squares = (influencers**2).sum(axis=1, keepdims=True)
    level = np.hstack([influencers, np.sqrt(squares.max(initial=0) - squares)])
    graph = faiss.IndexHNSWFlat(n_dimensions + 1, _LINKS)
    graph.hnsw.efConstruction = graph.hnsw.efSearch = _BREADTH
    graph.add(level)
    index = faiss.IndexPreTransform(graph)
    index.prepend_transform(faiss.RemapDimensionsTransform(n_dimensions, n_dimensions + 1, False))
    index.prepend_transform(faiss.NormalizationTransform(n_dimensions, 2.0))
    k = min(_K, len(influencers))
    _, found = index.search(brands, k)
    exact = np.argpartition(-(brands @ influencers.T), k - 1, axis=1)[:, :k]
    same = [len({*one} & {*other}) for one, other in zip(found, exact, strict=True)]
    recall = sum(same) / (k * max(len(same), 1))
    write_whole(path, faiss.serialize_index(index).tobytes())
    about = {"ids": recommender.influencers, "recall": recall, "k": k, "brands": len(brands)}
    write_whole(path.with_name(f"{path.name}.json"), json.dumps(about, indent=1).encode())
    return f"{path}: {recall:.4f} of the exact first {k} of {len(brands)} brands are found (recall)"


def _need(option: str, *libraries: str) -> None:
    """See that optional libraries are installed.

    Raises:
        UsageError: one is not.
    """
    try:
        with warnings.catch_warnings():
            # What SWIG makes warns of itself when it is imported.
            warnings.simplefilter("ignore", DeprecationWarning)
            for name in libraries:
                __import__(name)
    except ImportError:
        extra = option.removeprefix("--")
        raise UsageError(
            f"{option} needs a library: pip install 'recbole-mirec[{extra}]'."
        ) from None


def write_encoders(folder: Path, recommender: "Recommender") -> str:
    """Write `brand.onnx` and `influencer.onnx`: from an account's features to its vector.

    Every account of the bundle is encoded by both the written file and NumPy.

    Returns:
        How far they are apart, in a sentence.

    Raises:
        UsageError: onnx or onnxruntime is not installed.
        RuntimeError: a file's vectors are not those of NumPy.
    """
    _need("--onnx", "onnx", "onnxruntime")
    from recbole_mirec.recommend.onnx_encoder import encoder, furthest

    told = []
    for side in schema.SIDES:
        accounts = recommender.bundle.sides[side]
        made = encoder(recommender.fitted, side, accounts.table)
        apart = furthest(made, recommender.fitted, side, accounts.table)
        if not apart <= 1e-5:
            raise RuntimeError(f"The ONNX encoder of {side}s is {apart} away from NumPy.")
        write_whole(folder / f"{side}.onnx", made)
        told.append(f"{len(accounts.known):,} {side}s at most {apart:.1e}")
    return f"{folder}: ONNX and NumPy are apart by {', '.join(told)}"


_TABLES = """
create table about (key text primary key, value text);
create table brands (brand_id text primary key, category text, followers real, notes text);
create table influencers (influencer_id text primary key{facts});
create table recommendations (
  brand_id text not null references brands, influencer_id text not null references influencers,
  rank integer not null, fit real not null, score real not null, chance real,
  partner integer not null, why text not null, primary key (brand_id, influencer_id));
create table reasons (
  brand_id text not null, influencer_id text not null, part text not null, modality text not null,
  name text not null, adds real not null,
  foreign key (brand_id, influencer_id) references recommendations (brand_id, influencer_id));
create index reasons_of on reasons (brand_id, influencer_id);
"""


def write_results(path: Path, views: Sequence["ListView"]) -> None:
    """Write lists as an SQLite database: brands, influencers, recommendations, reasons.

    Of two lists of one brand the later one is kept.

    Args:
        path: of the file, which is written anew.
        views: the lists, of one model.
    """
    views = list({view.found.brand.name: view for view in views}.values())
    facts = list(dict.fromkeys(name for view in views for name in view.facts))
    types = {
        x: "real" if all(v.is_number(x) for v in views if x in v.facts) else "text" for x in facts
    }
    declared = "".join(f", {_quoted(name)} {kind}" for name, kind in types.items())
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript("pragma foreign_keys = on;" + _TABLES.format(facts=declared))
        about = {
            x: views[0].about[x] for x in ("model", "dataset", "synthetic", "data_fingerprint")
        }
        _insert(made, "about", [(key, str(value)) for key, value in about.items()])
        people = {one.id: one.facts for view in views for one in view.picks}
        _insert(made, "brands", map(_brand, views))
        rows = ((name, *(own.get(x) for x in facts)) for name, own in people.items())
        _insert(made, "influencers", rows)
        for view in views:
            _insert(made, "recommendations", _recommendations(view))
            _insert(made, "reasons", _reasons(view))
        write_whole(path, made.serialize())


def _insert(made: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    rows = list(rows)
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        made.executemany(f"insert into {table} values ({marks})", rows)
    made.commit()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _brand(view: "ListView") -> tuple[Any, ...]:
    own = view.found.brand.own.known.iloc[0]
    known = (own.get(name) for name in ("category", schema.FOLLOWERS))
    category, followers = (None if x is None or pd.isna(x) else x for x in known)
    return view.found.brand.name, category, followers, "\n".join(view.notes)


def _recommendations(view: "ListView") -> Iterable[tuple[Any, ...]]:
    brand = view.found.brand.name
    for one in view.picks:
        figures = (one.rank, one.fit, one.why.score, one.chance, one.partner)
        yield brand, one.id, *figures, "; ".join(view.why(one))


def _reasons(view: "ListView") -> Iterable[tuple[Any, ...]]:
    brand = view.found.brand.name
    for one in view.picks:
        for x, _ in one.why.merged:
            yield brand, one.id, x.part, x.modality, one.why.called(x), x.value
