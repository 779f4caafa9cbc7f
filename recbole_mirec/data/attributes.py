"""The attribute perspective's input by the co-occurrence graph (18), and concepts."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import AccountTables
from recbole_mirec.graph.cooccurrence import account_mean, cooccurrence_counts, edge_weights
from recbole_mirec.graph.embeddings import NetMFSettings, Node2VecSettings, node_embeddings
from recbole_mirec.graph.precomputed import read_edge_list, read_word2vec_text

_LOGGER = logging.getLogger(__name__)
METHODS: dict[str, type] = {"node2vec": Node2VecSettings, "netmf": NetMFSettings}


@dataclass(frozen=True, kw_only=True)
class GraphSettings:
    """The `graph_*` keys of the model's YAML, and the files that replace parts of the graph.

    Attributes:
        embedding: method and its settings.
        eta: eta of (17).
        graph_file: precomputed edge list over attribute names, or None.
        embedding_file: precomputed node embeddings in word2vec text, or None.
        cache_folder: where node embeddings are kept between runs.
    """

    embedding: NetMFSettings | Node2VecSettings
    eta: float
    graph_file: Path | None
    embedding_file: Path | None
    cache_folder: Path

    @classmethod
    def from_config(cls, config: Any) -> "GraphSettings":
        """Read the keys from a resolved configuration.

        Raises:
            UsageError: an unknown method, or a walk that is too long.
        """
        name = str(config["graph_method"])
        if name not in METHODS:
            raise UsageError(f"Unknown graph_method '{name}'. Valid: {', '.join(METHODS)}.")
        keys = {field.name: f"graph_{field.name}" for field in fields(METHODS[name])}
        if name == "netmf":
            keys["negative"] = "graph_netmf_negative"
        try:
            embedding = METHODS[name](**{field: config[key] for field, key in keys.items()})
        except ValueError as error:
            raise UsageError(str(error)) from None
        files = [config[key] for key in ("attribute_graph_file", "node_embedding_file")]
        graph_file, embedding_file = (Path(str(file)) if file else None for file in files)
        return cls(
            embedding=embedding,
            eta=config["graph_eta"],
            graph_file=graph_file,
            embedding_file=embedding_file,
            cache_folder=Path(config["checkpoint_dir"]) / "node_embeddings",
        )


def graph_features(
    accounts: AccountTables, pairs: NDArray[np.int64], settings: GraphSettings
) -> dict[schema.Side, tuple[Tensor, Tensor]]:
    """Attribute inputs of both sides: means of `node_vectors`, whose arguments it takes.

    Returns:
        side -> float32 (account, dimension) and mask (account), True where an account has an
        attribute that is a node of the graph.

    Raises:
        UsageError: as `node_vectors`.
    """
    vectors, known = node_vectors(accounts, pairs, settings)
    means = {
        side: account_mean(accounts.sides[side].attributes, vectors, known) for side in schema.SIDES
    }
    return {
        side: (torch.from_numpy(mean), torch.from_numpy(mask))
        for side, (mean, mask) in means.items()
    }


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
        UsageError: a file that cannot be read or that names no attribute of the data set, a graph
            without edges.
    """
    names, file = accounts.attribute_names, settings.embedding_file or settings.graph_file
    try:
        if settings.embedding_file is not None:
            names, vectors = read_word2vec_text(settings.embedding_file)
            known = np.ones(len(names), dtype=bool)
        else:
            if settings.graph_file is None:
                weights = training_graph(accounts, pairs, settings.eta)
            else:
                edges = read_edge_list(settings.graph_file)
                names, weights = edges.nodes, edges.weights
                _LOGGER.info(
                    f"Attribute graph from {file}: {len(names)} nodes, {edges.n_lines} lines, "
                    f"{edges.n_conflicts} pairs with two weights."
                )
            if not weights.nnz:
                raise UsageError(
                    "The attribute graph has no edges: no two attributes meet in a training "
                    "collaboration. Leave 'attribute' out of perspectives, or add attributes."
                )
            vectors, known = node_embeddings(weights, settings.embedding, settings.cache_folder)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
    row_of = {name: row for row, name in enumerate(names) if known[row]}
    rows = np.array([row_of.get(name, -1) for name in accounts.attribute_names], dtype=np.int64)
    mask = rows >= 0
    if not mask.any():
        raise UsageError(
            f"'{file}' names none of the data set's {len(rows)} attributes (for example "
            f"'{accounts.attribute_names[0]}'). Its ids must be attribute names."
        )
    aligned = np.where(mask[:, None], vectors[rows], 0).astype(np.float32)
    return aligned, mask


def training_graph(
    accounts: AccountTables, pairs: NDArray[np.int64], eta: float
) -> sparse.csr_array:
    """Edge weights (attribute, attribute) of (13)-(17) from the training collaborations."""
    brand, influencer = (accounts.sides[side].attributes for side in schema.SIDES)
    return edge_weights(cooccurrence_counts(brand, influencer, pairs), eta)


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
    """Take every account's attributes that the fewest training accounts have, at most `n_concepts`.

    Attributes that are no node of the graph are none; the other arguments and errors are those of
    `node_vectors`.
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
