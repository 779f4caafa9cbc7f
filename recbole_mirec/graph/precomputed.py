"""Readers of graphs and node embeddings that were computed elsewhere."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from scipy.sparse import csr_array


@dataclass(frozen=True)
class EdgeList:
    """A weighted undirected graph read from a file.

    Attributes:
        nodes: the ids or names as the file writes them, by row of `weights`; sorted by value where
            all of them are whole numbers, as text otherwise.
        weights: node x node, float64, symmetric, no self loops.
        n_lines: edge lines read, blank lines and the header aside.
        n_conflicts: pairs that stand with more than one weight, in either order.
    """

    nodes: tuple[str, ...]
    weights: csr_array
    n_lines: int
    n_conflicts: int


def read_edge_list(path: Path) -> EdgeList:
    """Read a precomputed attribute graph: one edge a line, two ids (or names) and a weight.

    Fields are separated by commas where the first line that is not blank holds a comma (quoting as
    in CSV), else by white space; a first line whose third field is "weight" is a header. The edge
    is undirected. Where a pair stands more than once, in either order, the last line wins: the rule
    of the published reader, for whose list it matters (5,888 pairs in two weights).

    Args:
        path: a UTF-8 text file.

    Returns:
        The graph, with the counts that a log line should show.

    Raises:
        ValueError: with file and line, for a line without three fields, an empty id, a weight that
            is not a positive finite number, a self loop; with the file, for one without edges or
            not in UTF-8.
        OSError: the file cannot be read.
    """
    last: dict[tuple[str, str], float] = {}
    conflicts: set[tuple[str, str]] = set()
    n_lines = 0
    for number, fields in _edge_lines(path):
        source, target, weight = _parse_edge(fields, f"{path}, line {number}")
        pair = (source, target) if source < target else (target, source)
        if last.get(pair, weight) != weight:
            conflicts.add(pair)
        last[pair] = weight
        n_lines += 1
    if not last:
        raise ValueError(f"{path}: an edge list must hold at least one edge. Received: none")
    nodes = _sorted_nodes({node for pair in last for node in pair})
    return EdgeList(nodes, _symmetric_weights(nodes, last), n_lines, len(conflicts))


def read_word2vec_text(
    path: Path,
) -> tuple[tuple[str, ...], Float32[np.ndarray, "node dimension"]]:
    """Read precomputed node embeddings in word2vec's text format.

    The first line holds the number of nodes and the dimension, every other line an id (or a name
    without white space) and its vector.

    Args:
        path: a UTF-8 text file.

    Returns:
        The ids as the file writes them, in its order, and their vectors.

    Raises:
        ValueError: with file and line, for a bad first line, a wrong number of fields, a value that
            is not a finite number, an id given twice; with the file, for another number of nodes
            than announced or text not in UTF-8.
        OSError: the file cannot be read.
    """
    lines = _text_lines(path)
    n_nodes, dimension = _parse_header(next(lines, (1, ""))[1], f"{path}, line 1")
    vectors: dict[str, list[float]] = {}
    for number, line in lines:
        fields = line.split()
        if not fields:
            continue
        where = f"{path}, line {number}"
        if len(fields) != dimension + 1:
            raise ValueError(
                f"{where}: a node needs an id and {dimension} values. "
                f"Received: {len(fields)} fields"
            )
        if fields[0] in vectors:
            raise ValueError(f"{where}: an id may stand only once. Received again: {fields[0]!r}")
        vectors[fields[0]] = [_finite_number(field, where) for field in fields[1:]]
    if len(vectors) != n_nodes:
        raise ValueError(f"{path}: line 1 announces {n_nodes} nodes. Received: {len(vectors)}")
    return tuple(vectors), np.array(list(vectors.values()), dtype=np.float32)


def _text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line)."""
    # utf-8-sig: spreadsheet programs put a byte order mark before the first id.
    with path.open(encoding="utf-8-sig") as file:
        try:
            yield from enumerate(file, start=1)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: the text must be in UTF-8. Received: {error}") from error


def _edge_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of every edge line."""
    lines = ((number, line) for number, line in _text_lines(path) if line.strip())
    has_commas = False
    for index, (number, line) in enumerate(lines):
        if index == 0:
            has_commas = "," in line
        fields = next(csv.reader([line])) if has_commas else line.split()
        fields = [field.strip() for field in fields]
        if index == 0 and fields[2:] and fields[2].lower() == "weight":
            continue
        yield number, fields


def _parse_edge(fields: list[str], where: str) -> tuple[str, str, float]:
    if len(fields) != 3 or not fields[0] or not fields[1]:
        raise ValueError(
            f"{where}: an edge needs two ids and a weight, separated as in the first line. "
            f"Received: {fields}"
        )
    weight = _finite_number(fields[2], where)
    if weight <= 0:
        raise ValueError(f"{where}: a weight must be positive. Received: {fields[2]}")
    if fields[0] == fields[1]:
        raise ValueError(f"{where}: an edge must join two nodes. Received: {fields[0]!r} twice")
    return fields[0], fields[1], weight


def _parse_header(line: str, where: str) -> tuple[int, int]:
    fields = line.split()
    if len(fields) != 2 or not all(field.isdecimal() and int(field) > 0 for field in fields):
        raise ValueError(
            f"{where}: the first line must be the number of nodes and the dimension. "
            f"Received: {line.strip()[:80]!r}"
        )
    return int(fields[0]), int(fields[1])


def _finite_number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where}: a value must be a finite number. Received: {text!r}")
    return number


def _sorted_nodes(nodes: set[str]) -> tuple[str, ...]:
    if all(node.isdecimal() for node in nodes):
        # The text breaks the tie between 7 and 07, which are two ids.
        return tuple(sorted(nodes, key=lambda node: (int(node), node)))
    return tuple(sorted(nodes))


def _symmetric_weights(nodes: tuple[str, ...], weights: dict[tuple[str, str], float]) -> csr_array:
    row_of = {node: row for row, node in enumerate(nodes)}
    source = np.array([row_of[pair[0]] for pair in weights])
    target = np.array([row_of[pair[1]] for pair in weights])
    value = np.array(list(weights.values()))
    rows, columns = np.concatenate([source, target]), np.concatenate([target, source])
    graph = csr_array(
        (np.concatenate([value, value]), (rows, columns)), shape=(len(nodes), len(nodes))
    )
    graph.sort_indices()
    return graph
