"""Small rankings in which ties are common, for the property tests of this folder."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

LEVELS = np.array([-np.inf, -1.5, 0.0, 0.25, np.inf])


class Ranking(NamedTuple):
    scores: np.ndarray
    positives: np.ndarray
    candidates: np.ndarray
    brand_category: np.ndarray
    candidate_category: np.ndarray

    @property
    def masks(self):
        return self.positives, self.candidates

    @property
    def categories(self):
        return {
            "brand_category": self.brand_category,
            "candidate_category": self.candidate_category,
        }


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
