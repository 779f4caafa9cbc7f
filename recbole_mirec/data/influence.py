"""An influencer's standing by itself: followers, and how well its collaborations did."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_convert import schema
from recbole_mirec.data.competence import mean_competence, training_competence


def influence_numbers(dataset: Any) -> dict[str, NDArray[np.float64]]:
    """What the data set tells of an influencer's reach and effect, on one scale.

    Args:
        dataset: brings `accounts` and `pairs`.

    Returns:
        `followers` and `competence` (the mean over its training collaborations), those of which
        any training influencer has a value -> float64 (influencer) by internal id, each in
        [-1, 1]; see `standing`.
    """
    pairs = dataset.pairs[schema.TRAIN]
    fitted = np.isin(np.arange(dataset.item_num), pairs[:, 1])
    values = {
        schema.FOLLOWERS: dataset.accounts.sides[schema.INFLUENCER].followers,
        schema.COMPETENCE: mean_competence(pairs, training_competence(dataset), dataset.item_num),
    }
    return {
        name: standing(numbers, fitted)
        for name, numbers in values.items()
        if not np.isnan(numbers[fitted]).all()
    }


def standing(values: NDArray[np.float64], fitted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where values stand among those of some accounts.

    Args:
        values: (account), NaN where unknown.
        fitted: (account), True for the accounts to compare with, at least one value among them.

    Returns:
        (account): the share of compared values below less the share above, in [-1, 1]; 0, the
        middle, where the value is unknown.
    """
    known = ~np.isnan(values)
    compared = np.sort(values[fitted & known])
    below = np.searchsorted(compared, values, side="left")
    above = len(compared) - np.searchsorted(compared, values, side="right")
    return np.where(known, (below - above) / len(compared), 0.0)
