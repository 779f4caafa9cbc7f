"""Sums over pairs of account and word, added block by block."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

Numbers = npt.NDArray[np.int32]

BUFFERED_PAIRS: Final = 500_000
GROUP_ROWS: Final = 256
"""Accounts that are stored together."""


class PairSums:
    """Values of pairs of a row (account) and a column (word), summed.

    What is added waits in a buffer, so that adding is cheap. Rows are stored in groups, each a
    matrix of its own: adding to a group copies it, so never is there a second copy of everything.

    Args:
        dtype: Of the sums; bool only notes that there was something.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = dtype
        self._groups: list[sparse.csr_matrix] = []
        self._buffer: list[tuple[Numbers, Numbers, npt.NDArray[Any]]] = []
        self._n_buffered = 0

    def add(self, rows: Numbers, columns: Numbers, values: npt.NDArray[Any]) -> None:
        """Adds a value, above 0, to each pair of a row and a column."""
        if len(values):
            self._buffer.append((rows, columns, values.astype(self._dtype)))
            self._n_buffered += len(values)
        if self._n_buffered > BUFFERED_PAIRS:
            self._merge()

    def n_rows_with(self, mask: npt.NDArray[np.bool_], n_columns: int) -> npt.NDArray[np.int64]:
        """Returns for every column in how many rows of a mask it has a value."""
        self._merge()
        found = np.zeros(n_columns, np.int64)
        for number, group in enumerate(self._groups):
            part = mask[number * GROUP_ROWS : (number + 1) * GROUP_ROWS]
            found += np.bincount(group[np.flatnonzero(part)].indices, minlength=n_columns)
        return found

    def keep_columns(self, columns: npt.NDArray[np.int64]) -> None:
        """Forgets all columns but some, which are numbered anew in the given order."""
        self._merge()
        for number, group in enumerate(self._groups):
            group.resize(GROUP_ROWS, max(group.shape[1], int(columns.max()) + 1))
            self._groups[number] = group[:, columns]

    def matrix(self, rows: Sequence[int], n_columns: int) -> sparse.csr_matrix:
        """Returns some rows in the given order, columns sorted within each."""
        self._merge()
        places = [divmod(row, GROUP_ROWS) for row in rows]
        sizes = [np.diff(group.indptr) for group in self._groups]
        ends = np.cumsum([0, *(sizes[group][row] for group, row in places)], dtype=np.int64)
        columns, values = np.empty(ends[-1], np.int32), np.empty(ends[-1], self._dtype)
        for (number, row), start, end in zip(places, ends, ends[1:], strict=False):
            group = self._groups[number]
            here = slice(group.indptr[row], group.indptr[row + 1])
            columns[start:end], values[start:end] = group.indices[here], group.data[here]
        found = sparse.csr_matrix((values, columns, ends), shape=(len(rows), n_columns))
        found.sort_indices()
        return found

    def _merge(self) -> None:
        if not self._buffer:
            return
        rows, columns, values = map(np.concatenate, zip(*self._buffer, strict=True))
        self._buffer, self._n_buffered = [], 0
        group_of = rows // GROUP_ROWS
        order = np.argsort(group_of, kind="stable")
        n_groups = max(len(self._groups), int(group_of.max()) + 1)
        ends = np.cumsum(np.bincount(group_of, minlength=n_groups))
        width = int(columns.max()) + 1
        for number, chosen in enumerate(np.split(order, ends[:-1])):
            if number == len(self._groups):
                self._groups.append(sparse.csr_matrix((GROUP_ROWS, width), dtype=self._dtype))
            if len(chosen):
                pairs = (values[chosen], (rows[chosen] % GROUP_ROWS, columns[chosen]))
                self._groups[number] = _sum(self._groups[number], pairs, width)


def _sum(group: sparse.csr_matrix, pairs: tuple[Any, Any], width: int) -> sparse.csr_matrix:
    shape = (GROUP_ROWS, max(width, group.shape[1]))
    group.resize(shape)
    return group + sparse.csr_matrix(pairs, shape=shape)
