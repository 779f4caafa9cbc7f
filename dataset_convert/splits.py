"""The two named protocols: which pairs are for training, for validation and for test."""

import numpy as np
import pandas as pd

from dataset_convert import schema


def new_brand_split(
    brands: pd.DataFrame,
    interactions: pd.DataFrame,
    *,
    n_valid: int | float,
    n_test: int | float = 0,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Splits by brand, stratified by category: the protocol `new-brand`.

    Every category gives its share of the validation and test brands, rounded by largest remainder,
    so the totals are exact. Brands without a pair cannot be ranked for and stand in no part. The
    result depends on the ids, the categories and the seed alone, not on the order of the rows.

    Args:
        brands: `brand_id` and, where known, `brand_category`; one stratum without it.
        interactions: The positive pairs.
        n_valid: Validation brands: their number, or as a float in (0, 1) their share of all; 0
            gives a split without validation part.
        n_test: Test brands, likewise.
        seed: Of the draw.

    Returns:
        Part -> pairs, sorted by ids. No brand stands in two parts.

    Raises:
        ValueError: A number that leaves validation or training without brands.
    """
    categories = _categories(brands, interactions)
    counts = {
        schema.TEST: _count(n_test, len(categories), "n_test"),
        schema.VALID: _count(n_valid, len(categories), "n_valid"),
    }
    if (counts[schema.VALID] < 1 and n_valid) or sum(counts.values()) >= len(categories):
        raise ValueError(
            "The 'n_valid' and 'n_test' parameters of new_brand_split must give at least one "
            f"validation brand and leave one of {len(categories)} for training. "
            f"Received: {n_valid} and {n_test}"
        )
    rng = np.random.default_rng(seed)
    parts: dict[str, list[str]] = {}
    for part, count in counts.items():
        parts[part] = _draw_stratified(categories, count, rng)
        categories = categories.drop(parts[part])
    parts[schema.TRAIN] = list(categories.index)
    ordered = _sorted_pairs(interactions)
    return {
        part: ordered[ordered[schema.BRAND_ID].isin(parts[part])].reset_index(drop=True)
        for part in schema.PARTS
        if parts[part]
    }


def new_brand_fold(
    brands: pd.DataFrame,
    interactions: pd.DataFrame,
    *,
    n_folds: int,
    fold: int,
    n_valid: int | float,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """One fold of a cross-validation by brand, stratified by category.

    Every brand with a pair is a test brand in exactly one fold. The folds' sizes, and the numbers
    of a category's brands in them, differ by at most one. Validation brands are drawn from the
    brands of the other folds, so that nothing is chosen on the brands that are measured. The
    result depends on the ids, the categories and the seed alone, not on the order of the rows.

    Args:
        brands: `brand_id` and, where known, `brand_category`; one stratum without it.
        interactions: The positive pairs, those of brands that are kept back left out.
        n_folds: How many folds, at least 2.
        fold: Which one is the test part, from 1.
        n_valid: Validation brands: their number, or as a float in (0, 1) their share of the other
            folds' brands.
        seed: Of the cut and of the draw of validation brands.

    Returns:
        Part -> pairs, sorted by ids. No brand stands in two parts.

    Raises:
        ValueError: No such fold, a fold without brands, or a number that leaves validation or
            training without brands.
    """
    if n_folds < 2 or not 1 <= fold <= n_folds:
        raise ValueError(
            "The 'n_folds' parameter of new_brand_fold must be at least 2, and 'fold' from 1 to "
            f"'n_folds'. Received: {n_folds} and {fold}"
        )
    categories = _categories(brands, interactions)
    if n_folds > len(categories):
        raise ValueError(
            f"The 'n_folds' parameter of new_brand_fold must be at most the {len(categories)} "
            f"brands with a pair. Received: {n_folds}"
        )
    # Dealt like cards, category after category.
    dealt = _shuffled_by_category(categories, np.random.default_rng(seed))
    held = interactions[schema.BRAND_ID].isin(dealt[fold - 1 :: n_folds])
    others = new_brand_split(brands, interactions[~held], n_valid=n_valid, seed=seed)
    return others | {schema.TEST: _sorted_pairs(interactions[held])}


def _categories(brands: pd.DataFrame, interactions: pd.DataFrame) -> "pd.Series[str]":
    """Categories of the brands that have a pair, by id, sorted by id."""
    active = brands[brands[schema.BRAND_ID].isin(interactions[schema.BRAND_ID])]
    if schema.BRAND_CATEGORY in brands:
        categories = active.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY].fillna("")
    else:
        categories = pd.Series("", index=active[schema.BRAND_ID])
    return categories.sort_index()


def _shuffled_by_category(categories: "pd.Series[str]", rng: np.random.Generator) -> list[str]:
    names = categories.to_numpy(dtype=str)
    shuffled: list[str] = []
    for name in np.unique(names):
        shuffled += rng.permutation(categories.index[names == name].to_numpy(dtype=str)).tolist()
    return shuffled


def _count(wanted: int | float, total: int, name: str) -> int:
    if isinstance(wanted, float):
        if not 0 <= wanted < 1:
            raise ValueError(
                f"The '{name}' parameter of new_brand_split must be a whole number or a share "
                f"below 1. Received: {wanted}"
            )
        return round(wanted * total)
    if wanted < 0:
        raise ValueError(
            f"The '{name}' parameter of new_brand_split must not be negative. Received: {wanted}"
        )
    return wanted


def _draw_stratified(
    categories: "pd.Series[str]", count: int, rng: np.random.Generator
) -> list[str]:
    names, sizes = np.unique(categories.to_numpy(dtype=str), return_counts=True)
    quotas = largest_remainder(sizes * count / sizes.sum(), count, rng)
    drawn: list[str] = []
    for name, quota in zip(names, quotas, strict=True):
        ids = categories.index[(categories == name).to_numpy()]
        drawn += [str(ids[i]) for i in rng.permutation(len(ids))[:quota]]
    return drawn


def largest_remainder(
    shares: "np.ndarray[tuple[int], np.dtype[np.float64]]", total: int, rng: np.random.Generator
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Rounds shares to whole numbers that sum to `total`; equal remainders are drawn for.

    Args:
        shares: Non-negative numbers that sum to `total`.
        total: The wanted sum.
        rng: Breaks ties between equal remainders.

    Returns:
        Whole numbers, each the share rounded down or up.
    """
    # Rounding to 9 places first: 3.0000000001 and 2.9999999999 are the same share.
    shares = np.round(shares, 9)
    rounded = np.floor(shares).astype(np.int64)
    order = rng.permutation(len(shares))
    by_remainder = order[np.argsort(-(shares - rounded)[order], kind="stable")]
    rounded[by_remainder[: total - int(rounded.sum())]] += 1
    return rounded


def known_brand_split(interactions: pd.DataFrame, *, seed: int) -> dict[str, pd.DataFrame]:
    """Splits each brand's pairs 8:1:1: the protocol `known-brand`.

    A brand with three pairs or more gives round(n / 10), at least one, to validation and as many
    to test; a brand with fewer keeps them all for training. The result does not depend on the
    order of the rows.

    Args:
        interactions: The positive pairs.
        seed: Of the draw.

    Returns:
        Part -> pairs, sorted by ids.

    Raises:
        ValueError: No brand has three pairs.
    """
    ordered = _sorted_pairs(interactions)
    rng = np.random.default_rng(seed)
    part = np.full(len(ordered), schema.TRAIN, dtype=object)
    sizes = ordered.groupby(schema.BRAND_ID, sort=True).size().to_numpy()
    if sizes.max(initial=0) < 3:
        raise ValueError(
            "The 'interactions' parameter of known_brand_split must hold a brand with three pairs "
            f"or more. Received: at most {sizes.max(initial=0)} a brand"
        )
    start = 0
    for size in sizes:
        rows = start + rng.permutation(size)
        n_held = max(1, round(size / 10)) if size >= 3 else 0
        part[rows[:n_held]] = schema.VALID
        part[rows[n_held : 2 * n_held]] = schema.TEST
        start += size
    return {name: ordered[part == name].reset_index(drop=True) for name in schema.PARTS}


def _sorted_pairs(interactions: pd.DataFrame) -> pd.DataFrame:
    return interactions.sort_values([schema.BRAND_ID, schema.INFLUENCER_ID], ignore_index=True)
