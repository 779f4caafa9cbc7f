"""The attribute perspective's input by the co-occurrence graph (18), and concepts."""

from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import AccountTables
from recbole_mirec.graph.cooccurrence import cooccurrence_counts, edge_weights
from recbole_mirec.graph.embeddings import METHODS, node_embeddings
from recbole_mirec.graph.precomputed import read_edge_list, read_word2vec_text


def node_vectors(
    accounts: AccountTables, pairs: NDArray[np.int64], config: Any
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Node embeddings of the data set's attributes, kept below `checkpoint_dir` between runs.

    Args:
        accounts: the attribute lists.
        pairs: (pair, 2) training collaborations in internal ids; nothing else is counted.
        config: `graph_method`, that method's `graph_*` keys, `graph_eta`, and the files that
            replace the graph or the embeddings.

    Returns:
        float32 (attribute, dimension) in the order of `accounts.attribute_names` and the mask
        (attribute), True where an attribute is a node of the graph.

    Raises:
        UsageError: a walk that is too long, a file that cannot be read or that names no attribute
            of the data set, a graph without edges.
    """
    settings = _method_settings(config)
    graph_file, embedding_file = config["attribute_graph_file"], config["node_embedding_file"]
    names = accounts.attribute_names
    try:
        if embedding_file:
            names, vectors = read_word2vec_text(Path(embedding_file))
            known = np.ones(len(names), dtype=bool)
        else:
            if graph_file:
                names, weights = read_edge_list(Path(graph_file))
            else:
                weights = training_graph(accounts, pairs, config["graph_eta"])
            if not weights.nnz:
                raise UsageError(
                    "The attribute graph has no edges: no two attributes meet in a training "
                    "collaboration. Leave 'attribute' out of perspectives, or add attributes."
                )
            folder = Path(config["checkpoint_dir"]) / "node_embeddings"
            vectors, known = node_embeddings(weights, config["graph_method"], settings, folder)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
    row_of = {name: row for row, name in enumerate(names) if known[row]}
    rows = np.array([row_of.get(name, -1) for name in accounts.attribute_names], dtype=np.int64)
    mask = rows >= 0
    if not mask.any():
        raise UsageError(
            f"'{embedding_file or graph_file}' names none of the data set's {len(rows)} attributes "
            f"(for example '{accounts.attribute_names[0]}'). Its ids must be attribute names."
        )
    return np.where(mask[:, None], vectors[rows], 0).astype(np.float32), mask


def _method_settings(config: Any) -> dict[str, Any]:
    method = config["graph_method"]
    names = list(signature(METHODS[method]).parameters)[1:]
    # the one name that means something else in each method
    own = {"negative": "graph_netmf_negative"} if method == "netmf" else {}
    return {name: config[own.get(name, f"graph_{name}")] for name in names}


def training_graph(
    accounts: AccountTables, pairs: NDArray[np.int64], eta: float
) -> sparse.csr_array:
    """Edge weights (attribute, attribute) of (13)-(17) from the training collaborations."""
    brand, influencer = (accounts.sides[side].attributes for side in schema.SIDES)
    return edge_weights(cooccurrence_counts(brand, influencer, pairs), eta)


def attribute_counts(accounts: AccountTables, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Accounts of the training collaborations (pair, 2) that have each attribute: (attribute)."""
    counts = np.zeros(len(accounts.attribute_names), dtype=np.int64)
    for side, ids in zip(schema.SIDES, pairs.T, strict=True):
        counts += accounts.sides[side].attributes[np.unique(ids)].sum(axis=0)
    return counts


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
    rows, columns = incidence.multiply(usable).nonzero()
    order = np.lexsort((columns, counts[columns], rows))
    sizes = np.bincount(rows, minlength=incidence.shape[0])
    # (account, place) of all that an account has, cut after the places wanted
    ids = np.zeros((len(sizes), max(n_kept, int(sizes.max()))), dtype=np.int64)
    mask = np.arange(ids.shape[1]) < sizes[:, None]
    ids[mask] = columns[order]
    return ids[:, :n_kept], mask[:, :n_kept]
