"""Values of the positives, added up or averaged over each brand."""

import numpy as np
from jaxtyping import Float, Int, Num

from recbole_mirec.evaluation.ranks import TieRanks


def sum_over_positives(
    ranks: TieRanks, values: Num[np.ndarray, " positive"]
) -> Float[np.ndarray, " brand"]:
    """Sum of a value of the positives over each brand; 0 for a brand without positives."""
    total = np.bincount(ranks.brand, values, minlength=len(ranks.n_positives))
    return total.astype(np.float64)  # bincount of nothing gives integers whatever the weights


def mean_over_positives(
    ranks: TieRanks, values: Num[np.ndarray, " positive"]
) -> Float[np.ndarray, " brand"]:
    """Mean of a value of the positives over each brand; NaN for a brand without positives."""
    return divide_or_nan(sum_over_positives(ranks, values), ranks.n_positives)


def value_of_brands(
    ranks: TieRanks, brand: Int[np.ndarray, " known"], values: Num[np.ndarray, " known"]
) -> Float[np.ndarray, " brand"]:
    """The given values at the given brands; NaN at the other ones."""
    result = np.full(len(ranks.n_positives), np.nan)
    result[brand] = values
    return result


def divide_or_nan(
    numerator: Float[np.ndarray, " brand"], denominator: Num[np.ndarray, " brand"]
) -> Float[np.ndarray, " brand"]:
    """Quotient, NaN where the denominator is 0."""
    result = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
