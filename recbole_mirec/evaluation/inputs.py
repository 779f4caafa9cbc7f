"""Checks of scores, masks and categories before anything is ranked.

The shapes are left open in these signatures on purpose: a wrong shape has to reach the check and
its message, with or without a run-time type checker.
"""

import numpy as np
from jaxtyping import Shaped


def check_ranking_inputs(
    scores: Shaped[np.ndarray, "..."],
    positives: Shaped[np.ndarray, "..."],
    candidates: Shaped[np.ndarray, "..."],
) -> None:
    """Raise unless scores and masks describe one ranking a brand.

    Args:
        scores: brand x candidate, any unit, higher is better; infinities are allowed, NaN is not.
        positives: brand x candidate, True where the pair is a positive to be ranked.
        candidates: brand x candidate, True where the candidate takes part in the brand's ranking.

    Raises:
        ValueError: wrong shape or type, a NaN score (also at a non-candidate: it tells of a broken
            model), or a positive that is no candidate.
    """
    if scores.ndim != 2:
        raise ValueError(
            "The 'scores' parameter must have two axes, brand and candidate. "
            f"Received: shape {scores.shape}"
        )
    for name, mask in (("positives", positives), ("candidates", candidates)):
        if mask.shape != scores.shape:
            raise ValueError(
                f"The '{name}' parameter must have the shape of 'scores', {scores.shape}. "
                f"Received: shape {mask.shape}"
            )
        if mask.dtype != np.bool_:
            raise ValueError(
                f"The '{name}' parameter must be a boolean mask. Received: dtype {mask.dtype}"
            )
    if not np.issubdtype(scores.dtype, np.floating):
        raise ValueError(f"The 'scores' parameter must hold floats. Received: dtype {scores.dtype}")
    _check_cells(
        np.isnan(scores), "The 'scores' parameter must not hold NaN; look at the model's output"
    )
    _check_cells(
        positives & ~candidates,
        "Every positive must be a candidate; clear it in 'positives' or set it in 'candidates'",
    )


def check_categories(name: str, category: Shaped[np.ndarray, "..."], n_accounts: int) -> None:
    """Raise unless 'category' holds one category index an account, -1 where unknown.

    Args:
        name: the parameter's name, for the message.
        category: account; integers of at least -1.
        n_accounts: how many accounts the scores have on that side.

    Raises:
        ValueError: wrong length or type, or an index below -1.
    """
    if category.shape != (n_accounts,):
        raise ValueError(
            f"The '{name}' parameter must hold one category for each of {n_accounts} accounts. "
            f"Received: shape {category.shape}"
        )
    if not np.issubdtype(category.dtype, np.integer):
        raise ValueError(
            f"The '{name}' parameter must hold integers. Received: dtype {category.dtype}"
        )
    if (category < -1).any():
        raise ValueError(
            f"The '{name}' parameter must hold categories from 0, or -1 where unknown. "
            f"Received: {category.min()} at {int(category.argmin())}"
        )


def check_cutoff(k: int) -> None:
    """Raise unless 'k', a depth of a ranking, is at least 1.

    Raises:
        ValueError: 'k' below 1.
    """
    if k < 1:
        raise ValueError(f"A cut-off k must be at least 1. Received: {k}")


def _check_cells(wrong: Shaped[np.ndarray, "..."], requirement: str) -> None:
    cells = np.argwhere(wrong)
    if len(cells):
        brand, candidate = cells[0]
        raise ValueError(
            f"{requirement}. Received: {len(cells)} such cells, "
            f"the first at brand row {brand}, candidate column {candidate}"
        )
