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
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

# (run, brand); left open, so that a wrong shape reaches the check and its message
Layout = Float[np.ndarray, "..."]
Summary = Callable[..., Shaped[np.ndarray, "..."]]
_BATCH = 500


class Components(NamedTuple):
    """Variances of one value: value = mean + brand + seed + residual. Each at least 0, or NaN."""

    brand: float
    seed: float
    residual: float


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
        seeds_measured: False where a model that may vary with its seed has one run: the interval
            (and `p`) then speaks of these trained models on new brands, not of the models.
    """

    value: float
    low: float
    high: float
    standard_error: float
    degrees_of_freedom: float
    n_brands: int
    seeds_measured: bool


@dataclass(frozen=True)
class Comparison(Estimate):
    """Means of two models over the same brands; the interval holds 0 where p > 1 - confidence.

    Attributes:
        p: two-sided, over brands and seeds (see `compare`); the one to report.
        p_permutation: two-sided, over brands alone, as if the runs were all there could be.
        p_wilcoxon: two-sided, over brands alone, of ranks: not the mean's.
        cohens_d, superiority: effect sizes, see the functions of these names.
    """

    p: float
    p_permutation: float
    p_wilcoxon: float
    cohens_d: float
    superiority: float

    @property
    def difference(self) -> float:
        """Mean of a minus mean of b, over brands and runs."""
        return self.value

    def significant(self, level: float = 0.05, *, adjusted: float | None = None) -> bool:
        """Whether a table may mark the difference: never where the seeds were not measured.

        Args:
            level: in (0, 1).
            adjusted: stands for `p` where it is one of several (see `holm`).
        """
        return self.seeds_measured and (self.p if adjusted is None else adjusted) <= level


def compare(
    a: Layout,
    b: Layout,
    *,
    generator: np.random.Generator,
    deterministic_a: bool = False,
    deterministic_b: bool = False,
    confidence: float = 0.95,
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
        confidence: of the interval, in (0, 1).
        n_resamples: sign flips drawn, at least 1.

    Returns:
        The comparison over the brands that both models have a value of.

    Raises:
        ValueError: other brands in b than in a, a brand known in some runs only, an infinite value,
            several runs of a deterministic model, fewer than two brands, a wrong confidence.
    """
    _check_confidence(confidence)
    left, right = _known_brands([a, b])
    measured = [_measured(left, deterministic_a), _measured(right, deterministic_b)]
    difference = _brand_differences(left, right)
    mean, n_brands = float(difference.mean()), len(difference)
    error, freedom = _two_source_error(
        float(difference.var(ddof=1)) / n_brands, n_brands, [left.mean(axis=1), right.mean(axis=1)]
    )
    half_width = stats.t.ppf((1 + confidence) / 2, freedom) * error
    return Comparison(
        value=mean,
        low=float(mean - half_width),
        high=float(mean + half_width),
        standard_error=error,
        degrees_of_freedom=freedom,
        n_brands=n_brands,
        seeds_measured=all(measured),
        p=_two_sided(mean, error, freedom),
        p_permutation=sign_flip_test(difference, generator=generator, n_resamples=n_resamples),
        p_wilcoxon=wilcoxon_test(difference),
        cohens_d=cohens_d(difference),
        superiority=superiority(difference),
    )


def bootstrap_interval(
    values: Sequence[Layout],
    summary: Summary = np.mean,
    *,
    against: Sequence[Layout] | None = None,
    generator: np.random.Generator,
    deterministic: bool = False,
    deterministic_against: bool = False,
    confidence: float = 0.95,
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
        deterministic: the model does not depend on a seed, so that one run says all.
        deterministic_against: the same of the model to subtract.
        confidence: in (0, 1).
        n_resamples: at least 1; of the order of 1000 for intervals at .95.

    Raises:
        ValueError: as `compare` says; layouts of one model that differ in their runs; no layout.
    """
    _check_confidence(confidence)
    _require(n_resamples >= 1, "The 'n_resamples' parameter must be at least 1", n_resamples)
    n_layouts = [len(model) for model in (values, against) if model is not None]
    _require(
        min(n_layouts) > 0 and len(set(n_layouts)) == 1,
        "The 'values' and 'against' parameters must hold as many layouts, at least one, as the "
        "summary takes",
        n_layouts,
    )
    known = _known_brands([*values, *(against or [])])
    models = [known[start : start + len(values)] for start in range(0, len(known), len(values))]
    measured = []
    for model, flag in zip(models, (deterministic, deterministic_against), strict=False):
        runs = [len(layout) for layout in model]
        _require(len(set(runs)) == 1, "The layouts of one model must have the same runs", runs)
        measured.append(_measured(model[0], flag))
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
    low, high = _widened(value, drawn, spread, error, freedom, confidence)
    return Estimate(value, low, high, error, freedom, n_brands, all(measured))


def variance_components(values: Layout) -> Components:
    """Variance between brands, between seeds, and of what is left (brand by seed and noise).

    Mean squares of the two-way layout without replication, set equal to their expectations (J.
    Cornfield and J. Tukey, 1956): brand MS = residual + R brand, seed MS = residual + n seed. An
    estimate below 0 is 0.

    Args:
        values: (run, brand), any unit; NaN where the brand has no such value.

    Returns:
        Variances in the squared unit. With one run nothing tells the three apart: all are NaN.
    """
    known = _known_brands([values])[0]
    n_runs, n_brands = known.shape
    if n_runs == 1:
        return Components(np.nan, np.nan, np.nan)
    of_brand, of_run = known.mean(axis=0), known.mean(axis=1)
    rest = known - of_brand - of_run[:, None] + known.mean()
    residual = float((rest**2).sum()) / ((n_runs - 1) * (n_brands - 1))
    brand, seed = float(of_brand.var(ddof=1)), float(of_run.var(ddof=1))
    return Components(
        max(brand - residual / n_runs, 0.0), max(seed - residual / n_brands, 0.0), residual
    )


def sign_flip_test(
    difference: Float[np.ndarray, " brand"],
    *,
    generator: np.random.Generator,
    n_resamples: int = 9999,
) -> float:
    """Two-sided p of a paired permutation test of the mean: every brand's sign flips or stays.

    Exact over all 2^n flips where there are no more of them than resamples; otherwise (1 + flips
    with a mean at least as far from 0) / (1 + flips drawn), which never is 0 (B. Phipson and G.
    Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications in Genetics and
    Molecular Biology 9, 2010). It asks whether the differences lie symmetrically about 0.

    In (0, 1]; 1 where all differences are 0.

    Args:
        difference: one a brand, without NaN.
        generator: draws the flips.
        n_resamples: at least 1.
    """
    _check_difference(difference)
    _require(n_resamples >= 1, "The 'n_resamples' parameter must be at least 1", n_resamples)
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
    _check_difference(difference)
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference, zero_method="pratt").pvalue)


def holm(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted p of several tests: the chance of any false one stays below the level.

    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
    Statistics 6, 1979): the k-th smallest of m, times m - k + 1, at least the ones before it and at
    most 1.

    Args:
        p: in [0, 1], NaN for a test that was not made, which stays NaN and is not counted.
    """
    known = np.flatnonzero(~np.isnan(p))
    wrong = p[known][(p[known] < 0) | (p[known] > 1)]
    _require(not len(wrong), "The 'p' parameter must lie in [0, 1]", wrong[:1])
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted


def cohens_d(difference: Float[np.ndarray, " brand"]) -> float:
    """Mean of the paired differences over their sample standard deviation (d_z).

    In (-inf, inf), 0 without difference; infinite where all brands differ by the same.
    """
    _check_difference(difference)
    mean, spread = float(difference.mean()), float(np.ptp(difference))
    if spread == 0:
        return float(np.copysign(np.inf, mean)) if mean else 0.0
    return mean / float(difference.std(ddof=1))


def superiority(difference: Float[np.ndarray, " brand"]) -> float:
    """Share of the brands on which a is better; a tie counts one half. In [0, 1]."""
    _check_difference(difference)
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


def _two_sided(value: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stats.t.sf(abs(value) / error, freedom))


def _widened(
    value: float,
    drawn: Float[np.ndarray, " resample"],
    spread: float,
    error: float,
    freedom: float,
    confidence: float,
) -> tuple[float, float]:
    """Percentiles of the draws, moved away from the value by the factor of `bootstrap_interval`."""
    upper = (1 + confidence) / 2
    reach = float(stats.t.ppf(upper, freedom)) * error
    if spread <= 1e-12 * abs(value):  # what averaging rounds off is no spread
        return value - reach, value + reach
    factor = reach / (float(stats.norm.ppf(upper)) * spread)
    low, high = np.quantile(drawn, [1 - upper, upper])
    return float(value + (low - value) * factor), float(value + (high - value) * factor)


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
    """The layouts with the brands that all of them know; raise where they do not fit together."""
    n_brands = layouts[0].shape[-1]
    keep = np.ones(n_brands, dtype=np.bool_)
    for layout in layouts:
        _require(
            layout.ndim == 2 and layout.shape[1] == n_brands and len(layout) > 0,
            f"Values must be (run, brand) with at least one run and the same {n_brands} brands",
            f"shape {layout.shape}",
        )
        missing = np.isnan(layout)
        partly = np.flatnonzero(missing.any(axis=0) != missing.all(axis=0))
        _require(
            not len(partly),
            "A brand must have a value in all runs of a model or in none (were all runs evaluated "
            "on the same brands?)",
            f"one without in some of {len(layout)} runs, column {partly[:1]}",
        )
        infinite = np.argwhere(np.isinf(layout))
        _require(
            not len(infinite),
            "Values must be finite, or NaN where a brand has none",
            f"infinity at (run, brand) {infinite[:1].tolist()}",
        )
        keep &= ~missing[0]
    n_kept = int(keep.sum())
    _require(n_kept >= 2, f"At least two brands of {n_brands} must have values", n_kept)
    return [layout[:, keep] for layout in layouts]


def _measured(layout: Layout, deterministic: bool) -> bool:
    """Whether the runs show what seeds do; of a deterministic model one run does."""
    _require(
        not deterministic or len(layout) == 1,
        "A deterministic model must have one run; pass one row, or call it not deterministic",
        f"{len(layout)} runs",
    )
    return deterministic or len(layout) > 1


def _check_difference(difference: Float[np.ndarray, " brand"]) -> None:
    n_wrong = int((~np.isfinite(difference)).sum())
    _require(
        len(difference) > 0 and not n_wrong,
        "The 'difference' parameter must hold at least one brand and finite numbers only",
        f"{len(difference)} brands, {n_wrong} of them not finite",
    )


def _check_confidence(value: float) -> None:
    _require(0 < value < 1, "The 'confidence' parameter must lie in (0, 1)", value)


def _require(holds: bool, rule: str, received: object) -> None:
    if not holds:
        raise ValueError(f"{rule}. Received: {received}")
