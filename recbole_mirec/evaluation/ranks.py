"""Exact ranks of positives among candidates under ties, after checks of what is ranked."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped


@dataclass(frozen=True, eq=False)
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
        scores, positives, candidates, brand_category, candidate_category: as `tie_ranks` got them.
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
    scores: Float[np.ndarray, "brand candidate"]
    positives: Bool[np.ndarray, "brand candidate"]
    candidates: Bool[np.ndarray, "brand candidate"]
    brand_category: Int[np.ndarray, " brand"] | None
    candidate_category: Int[np.ndarray, " candidate"] | None

    def among(self, kept: Bool[np.ndarray, "#brand candidate"]) -> "TieRanks":
        """The ranks that a subset of the candidates has on its own."""
        return tie_ranks(self.scores, self.positives & kept, self.candidates & kept)

    def sums(self, values: Num[np.ndarray, " positive"]) -> Float[np.ndarray, " brand"]:
        """Sum of a value of the positives over each brand; 0 for a brand without positives."""
        total = np.bincount(self.brand, values, minlength=len(self.n_positives))
        return total.astype(np.float64)  # bincount of nothing gives integers whatever the weights

    def means(self, values: Num[np.ndarray, " positive"]) -> Float[np.ndarray, " brand"]:
        """Mean of a value of the positives over each brand; NaN for a brand without positives."""
        return divide_or_nan(self.sums(values), self.n_positives)

    def first(self) -> Int[np.ndarray, " known"]:
        """Where the best positive's entry stands, for every brand that has positives."""
        return np.unique(self.brand, return_index=True)[1]

    def placed(self, values: Num[np.ndarray, " known"]) -> Float[np.ndarray, " brand"]:
        """Values of the brands that have positives, NaN at the other ones."""
        found = np.full(len(self.n_positives), np.nan)
        found[self.n_positives > 0] = values
        return found


def tie_ranks(
    scores: Float[np.ndarray, "brand candidate"],
    positives: Bool[np.ndarray, "brand candidate"],
    candidates: Bool[np.ndarray, "brand candidate"],
    *,
    brand_category: Int[np.ndarray, " brand"] | None = None,
    candidate_category: Int[np.ndarray, " candidate"] | None = None,
) -> TieRanks:
    """Rank every positive among its brand's candidates, in float64.

    Args:
        scores: any unit, higher is better; minus and plus infinity are scores like any other.
        positives: True where the pair is a positive; each must be a candidate.
        candidates: True where the candidate takes part in the brand's ranking. Known brands mask
            their own training positives out.
        brand_category: category index of each brand, -1 where unknown; for metrics that need it.
        candidate_category: category index of each candidate, -1 where unknown; the same.

    Returns:
        The counts for each positive. No brand, no candidate or no positive gives empty arrays.

    Raises:
        ValueError: a wrong shape or type, a NaN score, a positive that is no candidate.
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
        scores=scores,
        positives=positives,
        candidates=candidates,
        brand_category=brand_category,
        candidate_category=candidate_category,
    )


def check_ranking_inputs(
    scores: Shaped[np.ndarray, "..."],
    positives: Shaped[np.ndarray, "..."],
    candidates: Shaped[np.ndarray, "..."],
) -> None:
    """Raise unless scores and masks describe one ranking a brand.

    A NaN score is refused at a non-candidate, too: it tells of a broken model.
    """
    masks = (positives, candidates)
    if not (
        scores.ndim == 2
        and np.issubdtype(scores.dtype, np.floating)
        and all(mask.shape == scores.shape and mask.dtype == np.bool_ for mask in masks)
    ):
        received = ", ".join(f"{one.dtype} {one.shape}" for one in (scores, *masks))
        raise ValueError(
            "The 'scores' parameter must hold floats (brand, candidate), 'positives' and "
            f"'candidates' boolean masks of its shape. Received: {received}"
        )
    for wrong, requirement in (
        (np.isnan(scores), "The 'scores' parameter must not hold NaN; look at the model's output"),
        (positives & ~candidates, "Every positive must be a candidate; look at both masks"),
    ):
        if wrong.any():
            brand, candidate = np.argwhere(wrong)[0]
            raise ValueError(
                f"{requirement}. Received: {wrong.sum()} such cells, the first at brand row "
                f"{brand}, candidate column {candidate}"
            )


def divide_or_nan(
    numerator: Float[np.ndarray, "..."], denominator: Num[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Quotient, NaN where the denominator is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


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
