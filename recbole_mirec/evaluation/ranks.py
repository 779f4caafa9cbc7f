"""Where each positive stands among the candidates of its brand, ties counted exactly.

All that a metric needs are counts: of candidates above a positive, of candidates tied with it, and
of the positives among both. The metrics are closed forms in these, so no tie is ever broken.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from recbole_mirec.evaluation.inputs import check_ranking_inputs


@dataclass(frozen=True)
class TieRanks:
    """Tie-aware ranks of all positives: by brand, and within a brand from best to worst.

    Attributes:
        brand: row of the positive in the scores; ascending.
        candidate: column of the positive in the scores.
        n_above: candidates of the brand that score strictly higher.
        n_tied: candidates that score the same, the positive itself included; at least 1.
        n_positives_above: positives among `n_above`.
        n_positives_tied: positives among `n_tied`, the positive itself included; at least 1.
        n_candidates: candidates of each brand.
        n_positives: positives of each brand; a brand may have none, and then no entry above.
        order: columns of each brand from best to worst (by column within a tie); the columns that
            are no candidates stand last.
    """

    brand: Int[np.ndarray, " positive"]
    candidate: Int[np.ndarray, " positive"]
    n_above: Int[np.ndarray, " positive"]
    n_tied: Int[np.ndarray, " positive"]
    n_positives_above: Int[np.ndarray, " positive"]
    n_positives_tied: Int[np.ndarray, " positive"]
    n_candidates: Int[np.ndarray, " brand"]
    n_positives: Int[np.ndarray, " brand"]
    order: Int[np.ndarray, "brand candidate"]


def tie_ranks(
    scores: Float[np.ndarray, "brand candidate"],
    positives: Bool[np.ndarray, "brand candidate"],
    candidates: Bool[np.ndarray, "brand candidate"],
) -> TieRanks:
    """Rank every positive among its brand's candidates, in float64.

    Args:
        scores: any unit, higher is better; minus and plus infinity are scores like any other.
        positives: True where the pair is a positive; each must be a candidate.
        candidates: True where the candidate takes part in the brand's ranking. Known brands mask
            their own training positives out; a subset of the influencers (those never seen in
            training, say) is ranked on its own by clearing the others in both masks.

    Returns:
        The counts for each positive. No brand, no candidate or no positive gives empty arrays.

    Raises:
        ValueError: as `check_ranking_inputs` says.
    """
    check_ranking_inputs(scores, positives, candidates)
    values = scores.astype(np.float64)
    order = np.lexsort((-values, ~candidates), axis=-1)
    start, end = _tie_blocks(
        np.take_along_axis(values, order, axis=1), np.take_along_axis(candidates, order, axis=1)
    )
    ranked_positives = np.take_along_axis(positives, order, axis=1)
    n_positives_through = cumulative(ranked_positives.astype(np.int64))
    brand, position = np.nonzero(ranked_positives)
    start, end = start[brand, position], end[brand, position]
    n_positives_above = n_positives_through[brand, start]
    return TieRanks(
        brand=brand,
        candidate=order[brand, position],
        n_above=start,
        n_tied=end - start,
        n_positives_above=n_positives_above,
        n_positives_tied=n_positives_through[brand, end] - n_positives_above,
        n_candidates=candidates.sum(axis=1),
        n_positives=positives.sum(axis=1),
        order=order,
    )


def cumulative(
    values: Int[np.ndarray, "brand candidate"],
) -> Int[np.ndarray, "brand candidate+1"]:
    """Sums of the first 0, 1, ..., all values of each row."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1), dtype=np.int64)
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _tie_blocks(
    values: Float[np.ndarray, "brand candidate"],
    candidates: Bool[np.ndarray, "brand candidate"],
) -> tuple[Int[np.ndarray, "brand candidate"], Int[np.ndarray, "brand candidate"]]:
    """First position of each ranked entry's tie block, and the first position after the block."""
    n_columns = values.shape[1]
    position = np.arange(n_columns)
    opens = np.ones(values.shape, dtype=np.bool_)
    # a candidate at minus infinity must not tie with the columns that are no candidates
    opens[:, 1:] = (values[:, 1:] != values[:, :-1]) | (candidates[:, 1:] != candidates[:, :-1])
    closes = np.ones(values.shape, dtype=np.bool_)
    closes[:, :-1] = opens[:, 1:]
    start = np.maximum.accumulate(np.where(opens, position, 0), axis=1)
    end = np.where(closes, position + 1, n_columns)
    return start, np.minimum.accumulate(end[:, ::-1], axis=1)[:, ::-1]
