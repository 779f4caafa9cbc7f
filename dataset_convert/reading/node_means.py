"""Attribute vectors from lists of attributes and a published embedding of the attribute graph."""

import math
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dataset_convert.problems import Problems
from dataset_convert.reading import values as v
from dataset_convert.reading.lines import read_lines
from dataset_convert.reading.records import Table
from dataset_convert.reading.values import BadValue, Values

Vector = npt.NDArray[np.float32]
Embedding = dict[str, npt.NDArray[np.float64]]

A_HEADER = "the number of nodes and the dimension in line 1, as word2vec writes them"
_SEPARATORS = re.compile(r"[\s,;]+")


def read_node_means(
    table: Table, nodes: Embedding, known: Collection[str], problems: Problems
) -> dict[str, Vector]:
    """Returns the mean of the node embeddings of each account's attributes.

    Wang et al., IEEE TMM 25 (2023), equation (18), before its tower.

    Args:
        table: Accounts with attributes: a list, or text with spaces, commas or semicolons between
            them. Several rows of an account add up; an attribute counts once an account.
        nodes: Attribute -> embedding.
        known: The accounts.
        problems: Told of unknown accounts, and of attributes without embedding, which count for
            nothing.

    Raises:
        ConversionError: A file that cannot be trusted, or no row in it that can be used.
    """

    def parse(values: Values) -> tuple[str, list[str]]:
        account = v.token(values, "account").lower()
        if account not in known:
            raise BadValue("account", account, "the name of a known account")
        return account, _attributes(values)

    attributes: dict[str, dict[str, None]] = {}
    for record, (account, names) in table.parsed(parse, problems):
        for name in names:
            if name in nodes:
                attributes.setdefault(account, {})[name] = None
            else:
                bad = BadValue("attributes", name, "a node of the embedding: it counts for nothing")
                table.skip(record, bad, problems)
    return {
        account: np.mean([nodes[name] for name in names], axis=0).astype(np.float32)
        for account, names in attributes.items()
    }


def _attributes(values: Values) -> list[str]:
    value = values["attributes"]
    found = value if isinstance(value, list) else [value]
    texts = [v.text({"attributes": one}, "attributes") for one in found]
    return [name for text in texts for name in _SEPARATORS.split(text) if name]


def read_embedding(path: Path, file: str, problems: Problems) -> Embedding:
    """Returns node -> embedding, float64, of a file in word2vec's text format.

    Args:
        path: Text in UTF-8: the number of nodes and the dimension, then a line a node with its
            name and its numbers.
        file: Its name for messages.
        problems: Of the conversion.

    Raises:
        ConversionError: Anything else; without one node the means of others would be wrong.
    """
    lines = enumerate(read_lines(path, file, "utf-8", problems), start=1)
    head = next(lines, (1, ""))[1].split()
    if len(head) != 2 or not all(word.isdecimal() and len(word) < 10 for word in head):
        problems.refuse(file, row=1, value=" ".join(head), wanted=A_HEADER)
    n_nodes, dimension = int(head[0]), int(head[1])
    nodes: Embedding = {}
    for number, line in lines:
        words = line.split()
        if not words:
            continue
        numbers = [_number(word) for word in words[1:]]
        wanted = None
        if len(numbers) != dimension:
            wanted = f"a node and {dimension} numbers, as line 1 announces"
        elif words[0] in nodes:
            wanted = "every node once"
        elif not all(map(math.isfinite, numbers)):
            wanted = "finite numbers behind the node"
        if wanted:
            problems.refuse(file, row=number, value=line.strip(), wanted=wanted)
        nodes[words[0]] = np.array(numbers)
    if not dimension or len(nodes) != n_nodes:
        value = f"{len(nodes)} nodes of {dimension} numbers"
        problems.refuse(file, value=value, wanted=f"{n_nodes} nodes with numbers, as in line 1")
    return nodes


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan
