"""The concepts that represent an account: its most telling attributes, with node embeddings."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dataset_convert import schema
from recbole_mirec.data.account_tables import AccountTables
from recbole_mirec.data.attribute_inputs import GraphSettings, node_vectors


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
