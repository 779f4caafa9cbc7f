"""Small rankings in which ties are common, for the tests of this folder."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recbole_mirec.evaluation.metrics import per_brand_metrics
from recbole_mirec.evaluation.ranks import TieRanks, tie_ranks

LEVELS = np.array([-np.inf, -1.5, 0.0, 0.25, np.inf])


class Ranking(NamedTuple):
    scores: np.ndarray
    positives: np.ndarray
    candidates: np.ndarray
    brand_category: np.ndarray | None = None
    candidate_category: np.ndarray | None = None

    def ranks(self) -> TieRanks:
        categories = dict(zip(self._fields[3:], self[3:], strict=True))
        return tie_ranks(*self[:3], **categories)

    def values(self, metrics: list[str]) -> dict[str, np.ndarray]:
        return per_brand_metrics(self.ranks(), metrics)

    def at(self, rows: np.ndarray, columns: np.ndarray) -> "Ranking":
        """The given brands and candidates alone, in the given order."""
        matrices = (matrix[rows][:, columns] for matrix in self[:3])
        categories = (
            None if values is None else values[places]
            for values, places in zip(self[3:], (rows, columns), strict=True)
        )
        return Ranking(*matrices, *categories)


def everyone(scores: np.ndarray, positives: np.ndarray, *categories: np.ndarray) -> Ranking:
    """A ranking of all candidates."""
    return Ranking(scores, positives, np.ones_like(positives), *categories)


@st.composite
def rankings(draw, max_brands=5, max_candidates=7):
    """Up to five score levels (both infinities among them), any masks, categories -1 to 1."""
    n_brands = draw(st.integers(1, max_brands))
    n_candidates = draw(st.integers(1, max_candidates))
    shape = (n_brands, n_candidates)
    levels = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, len(LEVELS) - 1)))
    positives = draw(hnp.arrays(np.bool_, shape))
    return Ranking(
        LEVELS[levels],
        positives,
        positives | draw(hnp.arrays(np.bool_, shape)),
        draw(hnp.arrays(np.int64, n_brands, elements=st.integers(-1, 1))),
        draw(hnp.arrays(np.int64, n_candidates, elements=st.integers(-1, 1))),
    )


def assert_same(actual, expected, tolerance=1e-9):
    """The same names in the same order, and the same values, NaN where NaN is expected."""
    assert list(actual) == list(expected)
    for name in expected:
        np.testing.assert_allclose(
            actual[name], expected[name], rtol=0, atol=tolerance, equal_nan=True, err_msg=name
        )
