"""Exact ranks of positives among candidates under ties."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num


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
    """Rank every positive among its brand's candidates.

    Args:
        scores: any unit, higher is better; minus and plus infinity are scores like any other. NaN
            is refused at a non-candidate, too: it tells of a broken model.
        positives: True where the pair is a positive; each must be a candidate.
        candidates: True where the candidate takes part in the brand's ranking. Known brands mask
            their own training positives out.
        brand_category: category index of each brand, -1 where unknown; for metrics that need it.
        candidate_category: category index of each candidate, -1 where unknown; the same.

    Returns:
        The counts for each positive. No brand, no candidate or no positive gives empty arrays.

    Raises:
        ValueError: a NaN score, a positive that is no candidate.
    """
    for wrong, requirement in (
        (np.isnan(scores), "The 'scores' parameter must not hold NaN; look at the model's output"),
        (positives & ~candidates, "Every positive must be a candidate; look at both masks"),
    ):
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ValueError(
                f"{requirement}. Received: {wrong.sum()} such cells, the first at brand row {row}, "
                f"candidate column {column}"
            )
    brand, candidate = np.nonzero(positives)
    candidate = candidate[np.lexsort((candidate, -scores[brand, candidate], brand))]
    n_positives = positives.sum(axis=1)
    by_brand = np.split(scores[brand, candidate], np.cumsum(n_positives)[:-1])
    counts = [np.zeros((4, 0), dtype=np.int64)]
    for hits, row, kept in zip(by_brand, scores, candidates, strict=False):
        counts.append(np.array([*_above_and_tied(hits, row[kept]), *_above_and_tied(hits, hits)]))
    n_above, n_tied, n_positives_above, n_positives_tied = np.concatenate(counts, axis=1)
    return TieRanks(
        brand=brand,
        candidate=candidate,
        n_above=n_above,
        n_tied=n_tied,
        n_positives_above=n_positives_above,
        n_positives_tied=n_positives_tied,
        n_candidates=candidates.sum(axis=1),
        n_positives=n_positives,
        scores=scores,
        positives=positives,
        candidates=candidates,
        brand_category=brand_category,
        candidate_category=candidate_category,
    )


def _above_and_tied(
    values: Float[np.ndarray, " value"], among: Float[np.ndarray, " score"]
) -> tuple[Int[np.ndarray, " value"], Int[np.ndarray, " value"]]:
    """How many scores are above each value, and how many equal it."""
    ascending = np.sort(among)
    end = np.searchsorted(ascending, values, side="right")
    return len(ascending) - end, end - np.searchsorted(ascending, values, side="left")


def divide_or_nan(
    numerator: Float[np.ndarray, "..."], denominator: Num[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Quotient, NaN where the denominator is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
