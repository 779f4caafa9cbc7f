"""Readers of graphs and node embeddings that were computed elsewhere."""

import csv
import logging
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from scipy.sparse import csr_array

logger = logging.getLogger(__name__)


def read_edge_list(path: Path) -> tuple[tuple[str, ...], csr_array]:
    """Read a precomputed attribute graph: one edge a line, two ids (or names) and a weight.

    Fields are separated by commas where the first line that is not blank holds a comma (quoting as
    in CSV), else by white space; a first line whose third field is "weight" is a header. The edge
    is undirected. Where a pair stands more than once, in either order, the last line wins: the rule
    of the published reader, for whose list it matters (5,888 pairs in two weights). Lines and such
    pairs are counted in the log.

    Returns:
        The ids as the file writes them, sorted by value where all are whole numbers, as text
        otherwise; and their weights: node x node, float64, symmetric, no self loops.

    Raises:
        ValueError: with file and line, for a line without three fields, an empty id, a weight that
            is not a positive finite number, a self loop; with the file, for one without edges or
            not in UTF-8.
        OSError: the file cannot be read.
    """
    rows = list(_rows(path))
    if rows and [field.lower() for field in rows[0][1][2:3]] == ["weight"]:
        del rows[0]
    last: dict[tuple[str, str], float] = {}
    conflicts: set[tuple[str, str]] = set()
    for where, fields in rows:
        _require(
            len(fields) == 3 and all(fields) and fields[0] != fields[1],
            f"{where}: an edge needs two different ids and a weight, separated as in the first "
            "line",
            fields,
        )
        weight = _number(fields[2], where)
        _require(weight > 0, f"{where}: a weight must be positive", fields[2])
        pair = (min(fields[:2]), max(fields[:2]))
        if last.get(pair, weight) != weight:
            conflicts.add(pair)
        last[pair] = weight
    _require(bool(last), f"{path}: an edge list must hold at least one edge", "none")
    names = {name for pair in last for name in pair}
    numbers = all(name.isdecimal() for name in names)
    # The text breaks the tie between 7 and 07, which are two ids.
    nodes = tuple(sorted(names, key=lambda name: (int(name), name) if numbers else (0, name)))
    row_of = {name: row for row, name in enumerate(nodes)}
    ends = np.array([[row_of[source], row_of[target]] for source, target in last])
    one_way = csr_array((list(last.values()), ends.T), shape=(len(nodes), len(nodes)))
    weights = csr_array(one_way + one_way.T)
    weights.sort_indices()
    logger.info(
        f"Attribute graph from {path}: {len(nodes)} nodes, {len(rows)} lines, {len(conflicts)} "
        f"pairs with two weights."
    )
    return nodes, weights


def read_word2vec_text(
    path: Path,
) -> tuple[tuple[str, ...], Float32[np.ndarray, "node dimension"]]:
    """Read precomputed node embeddings in word2vec's text format.

    The first line holds the number of nodes and the dimension, every other line an id (or a name
    without white space) and its vector.

    Returns:
        The ids as the file writes them, in its order, and their vectors.

    Raises:
        ValueError: with file and line, for a bad first line, a wrong number of fields, a value that
            is not a finite number, an id given twice; with the file, for another number of nodes
            than announced or text not in UTF-8.
        OSError: the file cannot be read.
    """
    rows = _rows(path)
    where, head = next(rows, (f"{path}, line 1", []))
    _require(
        len(head) == 2 and all(word.isdecimal() and int(word) > 0 for word in head),
        f"{where}: the first line must be the number of nodes and the dimension",
        " ".join(head)[:80],
    )
    n_nodes, dimension = map(int, head)
    vectors: dict[str, list[float]] = {}
    for where, (name, *values) in rows:
        _require(
            len(values) == dimension and name not in vectors,
            f"{where}: a node needs an id that stands once, and {dimension} values",
            f"{name!r} with {len(values)} values",
        )
        vectors[name] = [_number(value, where) for value in values]
    _require(
        len(vectors) == n_nodes, f"{path}: line 1 announces {n_nodes} nodes", f"{len(vectors)}"
    )
    return tuple(vectors), np.array(list(vectors.values()), dtype=np.float32)


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Where it stands and the fields of every line that is not blank, separated as the first."""
    try:
        # utf-8-sig: spreadsheet programs put a byte order mark before the first id.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the text must be in UTF-8. Received: {error}") from error
    filled = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    for number, line in filled:
        fields = next(csv.reader([line])) if "," in filled[0][1] else line.split()
        yield f"{path}, line {number}", [field.strip() for field in fields]


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    _require(math.isfinite(number), f"{where}: a value must be a finite number", text)
    return number


def _require(holds: bool, rule: str, received: object) -> None:
    if not holds:
        raise ValueError(f"{rule}. Received: {received!r}")
