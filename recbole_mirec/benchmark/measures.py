"""What is measured of a model: how brands' values become one figure, metric by metric."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_mirec.evaluation import pooled_share
from recbole_mirec.evaluation.metrics import FIRST_RANK, MEDIAN_RANK
from recbole_mirec.evaluation.paper_rules import (
    COMPARED,
    PAPER_FIRST_RANK,
    PAPER_MEDIAN_RANK,
    WON,
)
from recbole_mirec.results import UNSEEN


@dataclass(frozen=True)
class Measure:
    """A metric over brands.

    Attributes:
        name: of the metric.
        columns: of the brands' values that it takes.
        summary: reduces the last axis of their layouts, called with `axis=-1`.
        is_mean: whether it is the mean over the brands, whose differences can be tested brand by
            brand.
    """

    name: str
    columns: tuple[str, ...]
    summary: Callable[..., Any]
    is_mean: bool


def lower_median(values: NDArray[Any], *, axis: int = -1) -> NDArray[Any]:
    """The median; of an even number, the lower middle one."""
    middle = (values.shape[axis] - 1) // 2
    return np.asarray(np.take(np.sort(values, axis=axis), middle, axis=axis))


def measures_of(columns: Iterable[str]) -> list[Measure]:
    """The metrics that columns of per-brand values give: as `recbole_mirec.results` names them."""
    names = list(columns)
    found = []
    for name in names:
        if name.endswith((WON, COMPARED)):
            continue
        prefix = UNSEEN if name.startswith(UNSEEN) else ""
        if name == prefix + FIRST_RANK:
            found.append(Measure(prefix + MEDIAN_RANK, (name,), np.median, is_mean=False))
        elif name == PAPER_FIRST_RANK:
            found.append(Measure(PAPER_MEDIAN_RANK, (name,), lower_median, is_mean=False))
        elif name + COMPARED in names:
            pooled = (name + WON, name + COMPARED)
            found.append(Measure(name, pooled, pooled_share, is_mean=False))
        else:
            found.append(Measure(name, (name,), np.mean, is_mean=True))
    return found
