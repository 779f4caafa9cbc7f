"""Honest comparison of models over brands and seeds: intervals, tests, effect sizes.

Values come as a layout (run, brand): one row a run of the model, each run with a seed of its own,
one column a brand. Brands are drawn from the brands there are, and both models of a comparison
share them; seeds are drawn from the seeds there are, and models share none. A model's figure
therefore has two sources of variance, and a new draw of either could turn a ranking of models round
(X. Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", MLSys 2021). A
third source, the training data, is the same for all runs here and is not covered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

# (run, brand)
Layout = Float[np.ndarray, "_ _"]
Summary = Callable[..., Shaped[np.ndarray, "..."]]
_BATCH = 500
# Of tests; intervals are of its complement.
LEVEL = 0.05
_UPPER = 1 - LEVEL / 2


@dataclass(frozen=True)
class Estimate:
    """A summary over brands, averaged over the runs, or the difference of two models' summaries.

    Attributes:
        value: the summary, or the first model's minus the other's, in its own unit.
        low: lower end of the interval; it may leave the range of the metric.
        high: upper end of the interval.
        standard_error: of `value` under new brands and new seeds.
        degrees_of_freedom: of `standard_error`, above 0.
        n_brands: brands that have the value, in both models where there are two.
    """

    value: float
    low: float
    high: float
    standard_error: float
    degrees_of_freedom: float
    n_brands: int


@dataclass(frozen=True)
class Comparison(Estimate):
    """Means of two models over the same brands; the interval holds 0 where p > 1 - confidence.

    Attributes:
        seeds_measured: False where a model that may vary with its seed has one run: the interval
            and `p` then speak of these trained models on new brands, not of the models.
        p: two-sided, over brands and seeds (see `compare`); the one to report.
        p_permutation: two-sided, over brands alone, as if the runs were all there could be.
        p_wilcoxon: two-sided, over brands alone, of ranks: not the mean's.
        cohens_d, superiority: effect sizes, see the functions of these names.
    """

    seeds_measured: bool
    p: float
    p_permutation: float
    p_wilcoxon: float
    cohens_d: float
    superiority: float

    def significant(self, adjusted: float | None = None) -> bool:
        """Whether a table may mark the difference: never where the seeds were not measured.

        `adjusted` stands for `p` where it is one of several (see `holm`).
        """
        return self.seeds_measured and (self.p if adjusted is None else adjusted) <= LEVEL


def compare(
    a: Layout,
    b: Layout,
    *,
    generator: np.random.Generator,
    deterministic_a: bool = False,
    deterministic_b: bool = False,
    n_resamples: int = 9999,
) -> Comparison:
    """Compare two models brand by brand.

    `p` and the interval rest on t = difference / standard error, with

        standard error^2 = s_d^2 / n + s_a^2 / R_a + s_b^2 / R_b,

    s_d^2 the sample variance over the n brands of the difference of the models' means over runs,
    s_a^2 and s_b^2 those of the models' means over brands over their R runs, and the degrees of
    freedom of F. Satterthwaite (Biometrics Bulletin 2, 1946). The sum holds the residual (brand by
    seed) part twice: this is min F' of H. Clark, "The Language-as-Fixed-Effect Fallacy" (Journal of
    Verbal Learning and Verbal Behavior 12, 1973); taken off again, the variance would be too small
    just when few runs happen to lie close together. A test over brands alone ignores what a seed
    does to all brands, and is then wrong about twice as often as it says. Limits of `p`: where one
    model has three runs, the other none but one, and seeds outweigh brands threefold, it finds 7 in
    100 at the level .05; and so does every test here, a little, with 40 brands and very skewed
    differences. That folds share training data is not covered.

    Args:
        a: (run, brand), any unit, higher is better; NaN where the brand has no such value, which
            then is so in all runs.
        b: (run, brand), the same brands in the same order; runs need not match.
        generator: for the sign flips of `p_permutation` alone.
        deterministic_a: the model does not depend on a seed, so that one run says all.
        deterministic_b: the same of b.
        n_resamples: sign flips drawn, at least 1.

    Returns:
        The comparison over the brands that both models have a value of.

    Raises:
        ValueError: a brand known in some runs only, an infinite value, fewer than two brands.
    """
    left, right = _known_brands([a, b])
    difference = _brand_differences(left, right)
    mean, n_brands = float(difference.mean()), len(difference)
    error, freedom = _two_source_error(
        float(difference.var(ddof=1)) / n_brands, n_brands, [left.mean(axis=1), right.mean(axis=1)]
    )
    half_width = stats.t.ppf(_UPPER, freedom) * error
    p = float(2 * stats.t.sf(abs(mean) / error, freedom)) if error else float(mean == 0)
    return Comparison(
        value=mean,
        low=float(mean - half_width),
        high=float(mean + half_width),
        standard_error=error,
        degrees_of_freedom=freedom,
        n_brands=n_brands,
        seeds_measured=(deterministic_a or len(a) > 1) and (deterministic_b or len(b) > 1),
        p=p,
        p_permutation=sign_flip_test(difference, generator=generator, n_resamples=n_resamples),
        p_wilcoxon=wilcoxon_test(difference),
        cohens_d=cohens_d(difference),
        superiority=superiority(difference),
    )


def bootstrap_interval(
    values: Sequence[Layout],
    summary: Summary = np.mean,
    *,
    against: Sequence[Layout] = (),
    generator: np.random.Generator,
    n_resamples: int = 1999,
) -> Estimate:
    """Interval of any summary over brands, by resampling brands and widened for the seeds.

    The percentiles of the summary over resampled brands, each averaged over the runs, are moved
    away from the estimate by one factor: the two-source standard error (that of `compare`, with the
    bootstrap's variance in the place of s_d^2 / n) times the quantile of t, over the bootstrap's
    standard error times the normal quantile: the expanded percentile interval (T. Hesterberg, "What
    Teachers Should Know About the Bootstrap", The American Statistician 69, 2015). In the tests'
    simulations it covers the mean of skewed values as often as the bias-corrected and accelerated
    interval, and it also serves a median.

    Args:
        values: what the summary takes, each (run, brand), of one model; NaN where the brand has no
            such value, which then is so in all runs.
        summary: reduces the last axis of its arguments, called with `axis=-1`: `np.mean`,
            `np.median`, `pooled_share`.
        against: the same of a model to subtract; brands in the same order, runs need not match.
        generator: draws the brands.
        n_resamples: at least 1; of the order of 1000 for these intervals.

    Raises:
        ValueError: as `compare` says.
    """
    known = _known_brands([*values, *against])
    models = [known[: len(values)], known[len(values) :]][: 2 if against else 1]
    n_brands = known[0].shape[1]
    drawn = np.concatenate(
        [
            _difference(models, summary, generator.integers(n_brands, size=(size, n_brands)))
            for size in _batches(n_resamples)
        ]
    )
    per_run = [summary(*model, axis=-1) for model in models]
    value = float(per_run[0].mean() - sum(runs.mean() for runs in per_run[1:]))
    spread = float(drawn.std())
    error, freedom = _two_source_error(spread**2 * n_brands / (n_brands - 1), n_brands, per_run)
    reach = float(stats.t.ppf(_UPPER, freedom)) * error
    low, high = value - reach, value + reach
    if spread > 1e-12 * abs(value):  # what averaging rounds off is no spread
        factor = reach / (float(stats.norm.ppf(_UPPER)) * spread)
        ends = (float(end) for end in np.quantile(drawn, [1 - _UPPER, _UPPER]))
        low, high = (float(value + (end - value) * factor) for end in ends)
    return Estimate(value, low, high, error, freedom, n_brands)


def sign_flip_test(
    difference: Float[np.ndarray, " brand"], *, generator: np.random.Generator, n_resamples: int
) -> float:
    """Two-sided p of a paired permutation test of the mean: every brand's sign flips or stays.

    Exact over all 2^n flips where there are no more of them than resamples; otherwise (1 + flips
    with a mean at least as far from 0) / (1 + flips drawn), which never is 0 (B. Phipson and G.
    Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications in Genetics and
    Molecular Biology 9, 2010). It asks whether the differences lie symmetrically about 0.

    In (0, 1]; 1 where all differences are 0.
    """
    n_brands = len(difference)
    # flips that give the same sum in another order of adding count as ties
    least = abs(difference.sum()) - 1e-12 * np.abs(difference).sum()

    def as_far(flipped: Shaped[np.ndarray, "flip brand"]) -> int:
        return int((np.abs(difference.sum() - 2 * (flipped @ difference)) >= least).sum())

    if 2**n_brands <= n_resamples:
        subsets = np.arange(2**n_brands)[:, None] >> np.arange(n_brands)
        return as_far(subsets & 1) / len(subsets)
    n_as_far = sum(
        as_far(generator.integers(2, size=(size, n_brands), dtype=np.int8))
        for size in _batches(n_resamples)
    )
    return (1 + n_as_far) / (1 + n_resamples)


def wilcoxon_test(difference: Float[np.ndarray, " brand"]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, by `scipy.stats.wilcoxon`; 1 without difference.

    Differences of 0 take part in the ranking and their ranks are then left out of both sums (J.
    Pratt, "Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures", Journal of the
    American Statistical Association 54, 1959). Few brands are taken exactly, as SciPy decides.
    """
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference, zero_method="pratt").pvalue)


def holm(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted p of several tests: the chance of any false one stays below the level.

    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
    Statistics 6, 1979): the k-th smallest of m, times m - k + 1, at least the ones before it and at
    most 1.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    stepped = p[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted


def cohens_d(difference: Float[np.ndarray, " brand"]) -> float:
    """Mean of the paired differences over their sample standard deviation (d_z).

    In (-inf, inf), 0 without difference; infinite where all brands differ by the same.
    """
    mean, spread = float(difference.mean()), float(np.ptp(difference))
    if spread == 0:
        return float(np.copysign(np.inf, mean)) if mean else 0.0
    return mean / float(difference.std(ddof=1))


def superiority(difference: Float[np.ndarray, " brand"]) -> float:
    """Share of the brands on which a is better; a tie counts one half. In [0, 1]."""
    return float((1 + np.sign(difference)).mean() / 2)


def _brand_differences(a: Layout, b: Layout) -> Float[np.ndarray, " brand"]:
    """Difference of the means over runs; what averaging rounds off makes no brand differ."""
    unit = 4096 * np.spacing(max(np.abs(a).max(), np.abs(b).max()))
    return np.asarray(np.round((a.mean(axis=0) - b.mean(axis=0)) / unit) * unit)


def _two_source_error(
    brand_variance: float, n_brands: int, runs: Sequence[Float[np.ndarray, " _"]]
) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom; a model with one run adds nothing."""
    terms = [(brand_variance, n_brands - 1)]
    terms += [(float(one.var(ddof=1)) / len(one), len(one) - 1) for one in runs if len(one) > 1]
    total = sum(variance for variance, _ in terms)
    if total == 0:
        return 0.0, float(n_brands - 1)
    # shares, since the squares of tiny variances are 0
    return float(np.sqrt(total)), 1 / sum((part / total) ** 2 / free for part, free in terms)


def _difference(
    models: Sequence[Sequence[Layout]], summary: Summary, brands: Shaped[np.ndarray, "draw brand"]
) -> Float[np.ndarray, " draw"]:
    """The first model's summary of each draw of brands minus the other's, means over runs."""
    first, *rest = (
        summary(*(layout[:, brands] for layout in model), axis=-1).mean(axis=0) for model in models
    )
    return np.asarray(first - sum(rest))


def _batches(n: int) -> list[int]:
    return [min(_BATCH, n - start) for start in range(0, n, _BATCH)]


def _known_brands(layouts: Sequence[Layout]) -> list[Layout]:
    """The layouts with the brands that all of them know."""
    for layout in layouts:
        missing = np.isnan(layout)
        partly = missing.any(axis=0) & ~missing.all(axis=0)
        wrong = np.flatnonzero(np.isinf(layout).any(axis=0) | partly)
        if len(wrong):
            raise ValueError(
                "Values must be finite, or NaN in all runs of a model where a brand has none (were "
                f"all runs evaluated on the same brands?). Received: {layout[:, wrong[0]]} in "
                f"column {wrong[0]}"
            )
    keep = ~np.any([np.isnan(layout[0]) for layout in layouts], axis=0)
    if keep.sum() < 2:
        raise ValueError(
            f"At least two brands of {len(keep)} must have values. Received: {keep.sum()}"
        )
    return [layout[:, keep] for layout in layouts]
