"""Weights of labels by account, in little memory."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt


class LabelWeights(Mapping[str, dict[str, float]]):
    """Account -> label -> weight; a number and a weight an entry, made a dict when asked for.

    Args:
        rows: Each account once, with its labels and weights.
    """

    def __init__(self, rows: Iterable[tuple[str, Mapping[str, float]]]) -> None:
        numbers: dict[str, int] = {}
        self._rows: dict[str, tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]] = {}
        for account, weights in rows:
            places = [numbers.setdefault(label, len(numbers)) for label in weights]
            self._rows[account] = (np.array(places, np.int32), np.array([*weights.values()]))
        self._labels = list(numbers)

    def __getitem__(self, account: str) -> dict[str, float]:
        """Returns an account's weights, labels in the order in which they were given."""
        places, weights = self._rows[account]
        labels = (self._labels[place] for place in places.tolist())
        return dict(zip(labels, weights.tolist(), strict=True))

    def __iter__(self) -> Iterator[str]:
        """Yields the accounts."""
        return iter(self._rows)

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self._rows)
