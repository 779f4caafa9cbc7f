"""The attribute perspective's input by the co-occurrence graph (18), and concepts."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec import graph
from recbole_mirec.data.accounts import AccountTables

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GraphSettings:
    """The `graph_*` keys of the model's YAML, and the files that replace parts of the graph.

    Attributes:
        method: `node2vec` or `netmf`.
        eta: eta of (17).
        node2vec: arguments of `Node2VecSettings`.
        netmf: arguments of `NetMFSettings`.
        graph_file: precomputed edge list over attribute names, or None.
        embedding_file: precomputed node embeddings in word2vec text, or None.
        cache_folder: where node embeddings are kept between runs.
    """

    method: str
    eta: float
    node2vec: Mapping[str, Any]
    netmf: Mapping[str, Any]
    graph_file: Path | None
    embedding_file: Path | None
    cache_folder: Path

    @classmethod
    def from_config(cls, config: Any) -> "GraphSettings":
        """Read the keys from a resolved configuration."""
        names = [field.name for field in dataclasses.fields(graph.Node2VecSettings)]
        return cls(
            method=str(config["graph_method"]),
            eta=config["graph_eta"],
            node2vec={name: config[f"graph_{name}"] for name in names},
            netmf={
                "dimension": config["graph_dimension"],
                "window": config["graph_window"],
                "negative": config["graph_netmf_negative"],
            },
            graph_file=_path(config["attribute_graph_file"]),
            embedding_file=_path(config["node_embedding_file"]),
            cache_folder=Path(config["checkpoint_dir"]) / "node_embeddings",
        )


def graph_features(
    accounts: AccountTables, pairs: NDArray[np.int64], settings: GraphSettings
) -> dict[schema.Side, tuple[Tensor, Tensor]]:
    """Attribute inputs of both sides.

    Args:
        accounts: the attribute lists.
        pairs: (pair, 2) training collaborations in internal ids; nothing else is counted.
        settings: how the graph is made and embedded.

    Returns:
        side -> float32 (account, dimension) and mask (account), True where an account has an
        attribute that is a node of the graph.

    Raises:
        UsageError: an unknown method, a file that cannot be read or that names no attribute of
            the data set, a graph without edges.
    """
    vectors, known = node_vectors(accounts, pairs, settings)
    features = {}
    for side in schema.SIDES:
        means, mask = graph.account_mean(accounts.sides[side].attributes, vectors, known)
        features[side] = (torch.from_numpy(means), torch.from_numpy(mask))
    return features


def node_vectors(
    accounts: AccountTables, pairs: NDArray[np.int64], settings: GraphSettings
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Node embeddings of the data set's attributes.

    Args:
        accounts: the attribute lists.
        pairs: (pair, 2) training collaborations in internal ids; nothing else is counted.
        settings: how the graph is made and embedded.

    Returns:
        float32 (attribute, dimension) in the order of `accounts.attribute_names` and the mask
        (attribute), True where an attribute is a node of the graph.

    Raises:
        UsageError: as `graph_features`.
    """
    try:
        return _node_vectors(accounts, pairs, settings)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None


def _node_vectors(
    accounts: AccountTables, pairs: NDArray[np.int64], settings: GraphSettings
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if settings.embedding_file is not None:
        names, vectors = graph.read_word2vec_text(settings.embedding_file)
        return _align(accounts, names, vectors, np.ones(len(names), bool), settings.embedding_file)
    names = accounts.attribute_names
    if settings.graph_file is not None:
        edges = graph.read_edge_list(settings.graph_file)
        names, weights = edges.nodes, edges.weights
        _LOGGER.info(
            "Attribute graph from %s: %d nodes, %d lines, %d pairs with two weights.",
            settings.graph_file,
            len(names),
            edges.n_lines,
            edges.n_conflicts,
        )
    else:
        weights = training_graph(accounts, pairs, settings.eta)
    if not weights.nnz:
        raise UsageError(
            "The attribute graph has no edges: no two attributes meet in a training "
            "collaboration. Leave 'attribute' out of perspectives, or add attributes."
        )
    vectors, known = graph.node_embeddings(weights, _method(settings), settings.cache_folder)
    return _align(accounts, names, vectors, known, settings.graph_file)


def training_graph(
    accounts: AccountTables, pairs: NDArray[np.int64], eta: float
) -> sparse.csr_array:
    """Edge weights (attribute, attribute) of (13)-(17) from the training collaborations."""
    counts = graph.cooccurrence_counts(
        accounts.sides[schema.BRAND].attributes,
        accounts.sides[schema.INFLUENCER].attributes,
        pairs,
    )
    return graph.edge_weights(counts, eta)


def _method(settings: GraphSettings) -> graph.NetMFSettings | graph.Node2VecSettings:
    if settings.method == "node2vec":
        return graph.Node2VecSettings(**settings.node2vec)
    if settings.method == "netmf":
        return graph.NetMFSettings(**settings.netmf)
    raise UsageError(f"Unknown graph_method '{settings.method}'. Valid: node2vec, netmf.")


def _align(
    accounts: AccountTables,
    names: tuple[str, ...],
    vectors: NDArray[np.float32],
    known: NDArray[np.bool_],
    source: Path | None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Rows of the data set's attributes, in its order."""
    rows = {name: row for row, name in enumerate(names)}
    aligned = np.zeros((len(accounts.attribute_names), vectors.shape[1]), dtype=np.float32)
    mask = np.zeros(len(aligned), dtype=bool)
    for position, name in enumerate(accounts.attribute_names):
        row = rows.get(name)
        if row is not None and known[row]:
            aligned[position], mask[position] = vectors[row], True
    if not mask.any():
        raise UsageError(
            f"'{source}' names none of the data set's {len(mask)} attributes "
            f"(for example '{accounts.attribute_names[0]}'). Its ids must be attribute names."
        )
    return aligned, mask


def _path(value: Any) -> Path | None:
    return None if value in (None, "") else Path(str(value))


@dataclass(frozen=True, eq=False)
class Concepts:
    """A few concepts an account.

    Attributes:
        vectors: float32 (concept, dimension), one concept an attribute.
        ids: side -> int64 (account, place), rows of `vectors`, the most telling first; 0 where the
            account has no more.
        masks: side -> bool (account, place), True where there is a concept.
    """

    vectors: NDArray[np.float32]
    ids: Mapping[schema.Side, NDArray[np.int64]]
    masks: Mapping[schema.Side, NDArray[np.bool_]]


def account_concepts(
    accounts: AccountTables,
    pairs: NDArray[np.int64],
    settings: GraphSettings,
    n_concepts: int,
) -> Concepts:
    """Take every account's attributes that the fewest training accounts have.

    Args:
        accounts: the attribute lists.
        pairs: (pair, 2) training collaborations in internal ids, for graph and counts.
        settings: how the graph is made and embedded.
        n_concepts: at most so many an account.

    Returns:
        The concepts; attributes that are no node of the graph are none.

    Raises:
        UsageError: as `node_vectors`.
    """
    vectors, known = node_vectors(accounts, pairs, settings)
    counts = np.zeros(len(vectors), dtype=np.int64)
    for column, side in enumerate(schema.SIDES):
        rows = accounts.sides[side].attributes[np.unique(pairs[:, column])]
        counts += np.asarray(rows.sum(axis=0), dtype=np.int64).reshape(-1)
    ids, masks = {}, {}
    for side in schema.SIDES:
        ids[side], masks[side] = rarest_attributes(
            accounts.sides[side].attributes, counts, known, n_concepts
        )
    return Concepts(vectors, ids, masks)


def rarest_attributes(
    incidence: sparse.csr_array,
    counts: NDArray[np.int64],
    usable: NDArray[np.bool_],
    n_kept: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The attributes of each account that the fewest others have.

    Args:
        incidence: 0/1 (account, attribute).
        counts: (attribute) accounts that have it.
        usable: (attribute), False for those to leave out.
        n_kept: at most so many an account.

    Returns:
        int64 (account, place), the rarest first, equal counts by position, 0 beyond the last, and
        the mask of what is there.
    """
    rows, columns = incidence.nonzero()
    kept = usable[columns]
    rows, columns = rows[kept], columns[kept]
    order = np.lexsort((columns, counts[columns], rows))
    rows, columns = rows[order], columns[order]
    sizes = np.bincount(rows, minlength=incidence.shape[0])
    places = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]
    kept = places < n_kept
    ids = np.zeros((incidence.shape[0], n_kept), dtype=np.int64)
    ids[rows[kept], places[kept]] = columns[kept]
    return ids, np.arange(n_kept) < sizes[:, None]
