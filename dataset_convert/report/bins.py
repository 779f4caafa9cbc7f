"""Values counted in bins with round edges."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FEWEST_BINS, MOST_BINS = 8, 30
PER_DECADE = 5


@dataclass(frozen=True)
class Bins:
    """A histogram.

    Attributes:
        edges: Ascending, one more than bins; a bin holds its lower edge and not its upper one.
        counts: Values in each bin.
        log: Whether edges are equal ratios apart.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    log: bool = False

    @property
    def single(self) -> bool:
        """Whether each bin holds one whole number."""
        return not self.log and self.edges[1] - self.edges[0] == 1


def count_whole(values: npt.NDArray[np.int64]) -> Bins:
    """Returns bins of whole numbers: one each, or 2, 5, 10, 20, ... where there would be too many.

    Few numbers begin at 0, and bins that nothing is in follow, so that no bar is very wide.

    Args:
        values: At least one, 0 or more.

    Raises:
        ValueError: No values, or negative ones.
    """
    if not len(values) or values.min() < 0:
        raise ValueError(
            "The 'values' parameter of count_whole must be whole numbers of 0 or more, at least "
            f"one. Received: {values.tolist()[:5]}"
        )
    low, high = int(values.min()), int(values.max())
    low = 0 if high < MOST_BINS else low
    width = next(
        factor * 10**exponent
        for exponent in range(20)
        for factor in (1, 2, 5)
        if high // (factor * 10**exponent) - low // (factor * 10**exponent) < MOST_BINS
    )
    first = low // width
    counts = np.bincount(values // width - first, minlength=FEWEST_BINS)
    edges = tuple(float(width * (first + number)) for number in range(len(counts) + 1))
    return Bins(edges, tuple(int(count) for count in counts))


def count_log(values: npt.NDArray[np.float64]) -> Bins:
    """Returns bins that are equal ratios apart, five to ten times the value.

    Args:
        values: At least one, all above 0.

    Raises:
        ValueError: No values, or some that are not above 0.
    """
    if not len(values) or not values.min() > 0:
        raise ValueError(
            "The 'values' parameter of count_log must be numbers above 0, at least one. "
            f"Received: {values.tolist()[:5]}"
        )
    # Rounded: the logarithm of 1000 is 2.9999999999999996.
    places = np.floor(np.round(PER_DECADE * np.log10(values), 9)).astype(np.int64)
    first, last = int(places.min()), int(places.max())
    counts = np.bincount(places - first, minlength=last - first + 1)
    edges = tuple(10 ** (number / PER_DECADE) for number in range(first, last + 2))
    return Bins(edges, tuple(int(count) for count in counts), log=True)


def place(value: float, bins: Bins) -> float:
    """Returns where a value stands from 0 to 1 between the first and the last edge."""
    low, high = bins.edges[0], bins.edges[-1]
    if bins.log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)
