"""Statistics of comparisons: by hand, against SciPy and enumeration, and by simulation."""

import itertools
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from recbole_mirec.evaluation.paper_rules import pooled_share
from recbole_mirec.evaluation.statistics import (
    Comparison,
    bootstrap_interval,
    cohens_d,
    compare,
    holm,
    sign_flip_test,
    superiority,
    wilcoxon_test,
)

# run means 3 and 7, brand means 2, 4 and 9, residuals 1 0 -1 / -1 0 1
BY_HAND = np.array([[1.0, 2, 6], [3, 6, 12]])
NOTHING = np.zeros((1, 3))

floats = st.floats(-1, 1).map(lambda value: round(value, 3))
differences = hnp.arrays(np.float64, st.integers(1, 11), elements=floats)


def rng(seed=0):
    return np.random.default_rng(seed)


def layout(n_runs, n_brands, seed=0):
    return rng(seed).normal(size=(n_runs, n_brands))


# --- comparison ---


def test_comparison_worked_by_hand():
    found = compare(BY_HAND, NOTHING, generator=rng(), deterministic_b=True)
    # variance over brands (9 + 1 + 16) / 2, over 3; over runs 8, over 2
    error = np.sqrt(13 / 3 + 4)
    freedom = (13 / 3 + 4) ** 2 / ((13 / 3) ** 2 / 2 + 4**2 / 1)
    assert found.value == pytest.approx(5)
    assert found.standard_error == pytest.approx(error)
    assert found.degrees_of_freedom == pytest.approx(freedom)
    assert found.p == pytest.approx(2 * stats.t.cdf(-5 / error, freedom))
    reach = error * stats.t.isf(0.025, freedom)
    assert (found.low, found.high) == pytest.approx((5 - reach, 5 + reach))
    assert found.n_brands == 3
    assert found.p_permutation == pytest.approx(2 / 8)
    assert found.cohens_d == pytest.approx(5 / np.sqrt(13))
    assert found.superiority == 1


def test_two_deterministic_models_get_the_paired_t_test():
    a, b = layout(1, 13), layout(1, 13, seed=1)
    found = compare(a, b, generator=rng(), deterministic_a=True, deterministic_b=True)
    oracle = stats.ttest_rel(a[0], b[0])
    assert found.p == pytest.approx(oracle.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval()))
    assert found.seeds_measured


def test_brands_that_do_not_differ_leave_welchs_test_over_seeds():
    of_runs_a, of_runs_b = layout(5, 1), 3 * layout(3, 1, seed=1)
    a, b = np.repeat(of_runs_a, 7, axis=1), np.repeat(of_runs_b, 7, axis=1)
    oracle = stats.ttest_ind(of_runs_a[:, 0], of_runs_b[:, 0], equal_var=False)
    assert compare(a, b, generator=rng()).p == pytest.approx(oracle.pvalue)


def test_one_run_of_a_stochastic_model_is_flagged_and_never_marked():
    worlds_apart = compare(layout(1, 40) + 9, layout(3, 40, seed=1), generator=rng())
    assert worlds_apart.p < 1e-9
    assert not worlds_apart.seeds_measured
    assert not worlds_apart.significant()
    said = compare(layout(1, 40) + 9, layout(3, 40, seed=1), generator=rng(), deterministic_a=True)
    assert said.seeds_measured
    assert said.significant()
    assert not said.significant(adjusted=0.051)


def test_a_model_is_not_different_from_itself_and_a_constant_lead_without_spread_is():
    same = compare(BY_HAND, BY_HAND[:1] * 0 + BY_HAND.mean(axis=0), generator=rng())
    assert same.p == 1
    none = compare(NOTHING, NOTHING, generator=rng())
    assert (none.p, none.low, none.high, none.cohens_d) == (1, 0, 0, 0)
    lead = compare(NOTHING + 0.25, NOTHING, generator=rng())
    assert (lead.p, lead.low, lead.high, lead.cohens_d) == (0, 0.25, 0.25, np.inf)


def test_rounding_of_a_mean_over_runs_is_no_difference():
    once = rng().uniform(size=(1, 101)) / 3
    often = np.repeat(once, 7, axis=0)
    assert (often.mean(axis=0) != once[0]).any()
    found = compare(often, once, generator=rng())
    assert (found.p, found.p_permutation, found.p_wilcoxon, found.superiority) == (1, 1, 1, 0.5)
    tiny = compare(1e-20 * often, 1e-20 * once[:, ::-1], generator=rng())
    assert tiny.cohens_d == pytest.approx(cohens_d(once[0] - once[0, ::-1]))


@given(hnp.arrays(np.float64, (5, 7), elements=floats), st.permutations(range(7)))
def test_order_sides_and_scale_do_not_matter(values, order):
    a, b = values[:3], values[3:]
    found = asdict(compare(a, b, generator=rng()))
    turned = asdict(compare(b, a, generator=rng()))
    shuffled = asdict(compare(a[::-1][:, order], b[:, order], generator=rng()))
    scaled = asdict(compare(4 * a, 4 * b, generator=rng()))
    for name, value in found.items():
        if name in ("value", "cohens_d"):
            assert turned[name] == pytest.approx(-value, abs=1e-9)
        elif name.startswith("p"):
            assert turned[name] == pytest.approx(value, abs=1e-9)
            assert scaled[name] == pytest.approx(value, abs=1e-9)
        assert shuffled[name] == pytest.approx(value, abs=1e-9, rel=1e-6)
    assert turned["low"] == pytest.approx(-found["high"], abs=1e-12)
    assert turned["superiority"] == pytest.approx(1 - found["superiority"])


@given(hnp.arrays(np.float64, (5, 7), elements=floats), st.floats(0, 1))
def test_the_interval_holds_zero_exactly_where_p_says_so(values, shift):
    found = compare(values[:3] + shift, values[3:], generator=rng())
    if abs(found.p - 0.05) > 1e-9:
        assert (found.low <= 0 <= found.high) == (found.p > 0.05)


def test_pairing_is_alive():
    brand = 3 * layout(1, 41)
    a, b = brand + 0.1 * layout(3, 41, seed=1) + 0.1, brand + 0.1 * layout(3, 41, seed=2)
    assert compare(a, b, generator=rng()).p < 0.01
    assert compare(a, b[:, rng().permutation(41)], generator=rng()).p > 0.5


def test_brands_without_a_value_in_one_model_are_left_out():
    a, b = layout(3, 11), layout(2, 11, seed=1)
    a[:, 4] = b[:, 4] = b[:, 9] = np.nan
    kept = [0, 1, 2, 3, 5, 6, 7, 8, 10]
    found = compare(a, b, generator=rng())
    assert found.n_brands == 9
    assert found == compare(a[:, kept], b[:, kept], generator=rng())


# --- tests over brands ---


@given(differences)
def test_sign_flips_against_enumeration(difference):
    total = abs(difference.sum()) - 1e-9
    flips = list(itertools.product((-1, 1), repeat=len(difference)))
    oracle = np.mean([abs(np.dot(flip, difference)) >= total for flip in flips])
    assert sign_flip_test(difference, generator=rng(), n_resamples=9999) == pytest.approx(oracle)


def test_sign_flips_are_drawn_where_there_are_too_many():
    difference = layout(1, 11)[0] + 0.4
    exact = sign_flip_test(difference, generator=rng(), n_resamples=2048)
    drawn = sign_flip_test(difference, generator=rng(), n_resamples=2047)
    assert drawn == pytest.approx(exact, abs=3.5 * np.sqrt(exact / 2047))
    assert drawn != exact


def test_drawn_flips_never_give_zero():
    difference = np.ones(97)
    assert sign_flip_test(difference, generator=rng(), n_resamples=999) == 1 / 1000
    assert sign_flip_test(0 * difference, generator=rng(), n_resamples=999) == 1


@given(differences.filter(lambda one: len(set(np.abs(one))) == len(one) and one.all()))
def test_wilcoxon_against_enumeration(difference):
    ranks = stats.rankdata(np.abs(difference))
    centre = ranks.sum() / 2
    observed = abs(ranks[difference > 0].sum() - centre)
    flips = itertools.product((0, 1), repeat=len(difference))
    oracle = np.mean([abs(np.dot(flip, ranks) - centre) >= observed for flip in flips])
    assert wilcoxon_test(difference) == pytest.approx(oracle)


def test_wilcoxon_ranks_the_zeros_and_then_leaves_them_out():
    # 13 zeros hold the ranks 1 to 13, the others 14 to 73; every third one is negative
    size = np.arange(1.0, 61)
    difference = np.concatenate([np.zeros(13), np.where(np.arange(60) % 3, size, -size)])
    ranks = np.arange(14.0, 74)
    above = ranks[np.arange(60) % 3 > 0].sum()
    z = (above - ranks.sum() / 2) / np.sqrt((ranks**2).sum() / 4)
    assert wilcoxon_test(difference) == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert wilcoxon_test(np.zeros(5)) == 1


def test_holm_worked_by_hand():
    received = np.array([0.04, 0.01, 0.3, 0.02])
    # 4 x .01, 3 x .02, then 2 x .04, then 1 x .3
    assert holm(received) == pytest.approx([0.08, 0.04, 0.3, 0.06])
    assert holm(np.array([0.6, 0.9, 0.5])).tolist() == [1, 1, 1]
    assert holm(np.array([0.01, 0.011])) == pytest.approx([0.02, 0.02])  # not .011 for the second
    assert holm(np.array([])).tolist() == []


@given(hnp.arrays(np.float64, st.integers(1, 7), elements=st.floats(0, 1)), st.floats(0.001, 0.5))
def test_holm_rejects_what_stepping_down_rejects(received, level):
    rejected = np.zeros(len(received), dtype=bool)
    for step, test in enumerate(np.argsort(received, kind="stable")):
        if received[test] * (len(received) - step) > level:
            break
        rejected[test] = True
    adjusted = holm(received)
    assert ((adjusted <= level) == rejected).all()
    assert ((received <= adjusted) & (adjusted <= 1)).all()
    assert (np.diff(adjusted[np.argsort(received, kind="stable")]) >= 0).all()


# --- effect sizes ---


def test_effect_sizes_worked_by_hand():
    difference = np.array([0.2, -0.3, 0.0, 0.7, 0.3])
    assert superiority(difference) == pytest.approx(3.5 / 5)
    spread = np.sqrt((0.02**2 + 0.48**2 + 0.18**2 + 0.52**2 + 0.12**2) / 4)
    assert cohens_d(difference) == pytest.approx(0.18 / spread)


@given(differences)
def test_effect_sizes_keep_their_ranges(difference):
    assert 0 <= superiority(difference) <= 1
    assert np.sign(cohens_d(difference)) in (0, np.sign(np.round(difference.sum(), 9)))


def test_an_effect_without_spread_is_infinite():
    assert cohens_d(np.full(7, 0.1)) == np.inf
    assert cohens_d(np.full(7, -0.1)) == -np.inf
    assert (cohens_d(np.zeros(7)), superiority(np.zeros(7))) == (0, 0.5)


# --- bootstrap ---


def test_bootstrap_is_scipys_percentiles_widened():
    values = rng().beta(0.5, 1.8, size=(1, 37))
    found = bootstrap_interval([values], generator=rng(), n_resamples=20_000)
    oracle = stats.bootstrap(
        (values[0],), np.mean, method="percentile", n_resamples=20_000, rng=rng(1)
    )
    mean = values.mean()
    factor = stats.t.isf(0.025, 36) * np.sqrt(37 / 36) / stats.norm.isf(0.025)
    ends = mean + (np.array(oracle.confidence_interval) - mean) * factor
    assert found.value == pytest.approx(mean)
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.003)
    assert found.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(37), rel=0.02)
    assert found.high - mean > 1.05 * (mean - found.low)  # the skew of the values shows


def test_bootstrap_of_a_paired_difference_is_near_the_comparison():
    brand = 3 * layout(1, 31)
    a, b = brand + layout(3, 31, seed=1) + layout(3, 1, seed=2), brand + layout(2, 31, seed=3)
    compared = compare(a, b, generator=rng())
    found = bootstrap_interval([a], against=[b], generator=rng(), n_resamples=9999)
    assert found.value == pytest.approx(compared.value)
    assert found.standard_error == pytest.approx(compared.standard_error, rel=0.02)
    assert found.degrees_of_freedom == pytest.approx(compared.degrees_of_freedom, rel=0.05)
    assert (found.low, found.high) == pytest.approx((compared.low, compared.high), abs=0.15)
    unpaired = bootstrap_interval([a], against=[b[:, ::-1]], generator=rng())
    assert unpaired.standard_error > 1.5 * found.standard_error


def test_seeds_widen_an_interval():
    values = layout(1, 29) + np.array([[0.0], [2.0], [4.0]])
    found = bootstrap_interval([values], generator=rng(), n_resamples=9999)
    over_brands = values[0].var(ddof=1) / 29
    assert found.standard_error == pytest.approx(np.sqrt(over_brands + 4 / 3), rel=0.01)
    alone = bootstrap_interval([values[1:2]], generator=rng())
    assert alone.value == pytest.approx(found.value)
    assert found.high - found.low > 3 * (alone.high - alone.low)


def test_bootstrap_of_a_median_and_of_a_pooled_share():
    ranks = rng().geometric(0.2, size=(1, 43)).astype(float)
    found = bootstrap_interval([ranks], np.median, generator=rng())
    assert found.value == np.median(ranks)
    assert found.low <= found.value <= found.high
    compared = rng(1).integers(5, 90, size=(1, 43)).astype(float)
    won = np.floor(compared * rng(2).uniform(0.5, 1, size=(1, 43)))
    pooled = bootstrap_interval([won, compared], pooled_share, generator=rng(), n_resamples=9999)
    assert pooled.value == pytest.approx(won.sum() / compared.sum())
    # linearised error of a ratio
    left = (won - pooled.value * compared).std(ddof=1) / compared.mean() / np.sqrt(43)
    assert pooled.standard_error == pytest.approx(left, rel=0.05)


def test_bootstrap_without_spread_and_without_the_value():
    flat = bootstrap_interval([np.full((3, 5), 0.5)], generator=rng())
    assert (flat.low, flat.high, flat.standard_error) == (0.5, 0.5, 0)
    seeds_only = np.repeat(np.array([[0.1], [0.2], [0.6]]), 5, axis=1)
    found = bootstrap_interval([seeds_only], generator=rng())
    reach = stats.t.isf(0.025, 2) * np.sqrt(0.07 / 3)
    assert (found.low, found.high) == pytest.approx((0.3 - reach, 0.3 + reach))
    holes = np.where(np.arange(7) == 3, np.nan, layout(2, 7))
    assert bootstrap_interval([holes], generator=rng()).n_brands == 6


# --- errors ---


SEVEN = layout(3, 7)
HALF = np.where((np.arange(3)[:, None] == 1) & (np.arange(7) == 5), np.nan, SEVEN)
LONE = np.where(np.arange(7) == 2, SEVEN, np.nan)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare(SEVEN, HALF, generator=rng()), r"NaN in all runs.*nan.* in column 5"),
        (
            lambda: bootstrap_interval([np.nan_to_num(HALF, nan=np.inf)], generator=rng()),
            r"finite.* inf .*in column 5",
        ),
        (lambda: compare(SEVEN, LONE, generator=rng()), r"At least two brands of 7.*Received: 1"),
    ],
)
def test_what_cannot_be_compared_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- simulation ---


def drawn_pair(generator, n_brands, runs, seed_effect, *, shift=0.0, brand_scale=0.1):
    """Two models with the same expectation: values skewed like average precision.

    Their difference varies over brands with skewness 1, over seeds and brands with heavy tails, and
    over seeds with `seed_effect` standard errors over brands. One run: a deterministic model.
    """
    level = generator.beta(0.5, 1.8, size=n_brands)
    brand = brand_scale * (generator.beta(0.5, 1.5, size=n_brands) - 0.25) / 0.25
    residual = 0.05
    share = sum(residual**2 / n for n in runs if n > 1)
    error = np.sqrt((brand_scale**2 + share) / n_brands)

    def model(n_runs):
        if n_runs == 1:
            return np.zeros((1, n_brands))
        seeds = seed_effect * error * generator.normal(size=(n_runs, 1))
        own = residual / np.sqrt(2) * generator.standard_t(4, size=(n_runs, n_brands))
        return seeds + own

    a, b = level + brand + shift * error + model(runs[0]), level + model(runs[1])
    return a, b


def rejected(n_draws, n_brands, runs, seed_effect, *, seed=0, **options):
    """How many of the drawn pairs each test calls different at 5 %."""
    generator = rng(seed)
    counts = {"p": 0, "p_permutation": 0}
    for _ in range(n_draws):
        a, b = drawn_pair(generator, n_brands, runs, seed_effect, **options)
        found: Comparison = compare(
            a,
            b,
            generator=generator,
            deterministic_a=runs[0] == 1,
            deterministic_b=runs[1] == 1,
            n_resamples=199,
        )
        for name in counts:
            counts[name] += getattr(found, name) <= 0.05
    return counts


def most(n_draws, share=0.05):
    """What chance exceeds once in a thousand."""
    return stats.binom.ppf(0.999, n_draws, share)


@pytest.mark.parametrize(("runs", "seed_effect"), [((3, 3), 1.0), ((3, 1), 1.5)])
def test_level_with_a_seed_effect_that_brands_alone_do_not_see(runs, seed_effect):
    counts = rejected(400, 40, runs, seed_effect)
    assert counts["p"] <= most(400)
    assert counts["p_permutation"] > most(400)


def test_power_is_kept_where_seeds_do_not_matter():
    counts = rejected(300, 40, (3, 3), 0.0, shift=3.0)
    assert counts["p"] >= 0.75 * 300
    assert counts["p"] >= counts["p_permutation"] - 0.07 * 300


@pytest.mark.slow
@pytest.mark.parametrize("n_brands", [40, 74, 286])
@pytest.mark.parametrize("runs", [(3, 1), (3, 3), (5, 5), (3, 5)])
@pytest.mark.parametrize("seed_effect", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("brand_scale", [0.1, 0.0])
def test_level_over_the_grid(n_brands, runs, seed_effect, brand_scale):
    counts = rejected(1000, n_brands, runs, seed_effect, seed=n_brands, brand_scale=brand_scale)
    assert counts["p"] <= most(1000)


@pytest.mark.slow
@pytest.mark.parametrize("n_brands", [40, 74, 286])
def test_level_of_two_deterministic_models(n_brands):
    assert rejected(1000, n_brands, (1, 1), 0.0, seed=n_brands)["p"] <= most(1000)


@pytest.mark.slow
def test_three_runs_of_one_model_whose_seeds_outweigh_the_brands_are_a_little_too_few():
    share = rejected(2000, 74, (3, 1), 3.0)["p"] / 2000
    assert 0.05 < share < 0.09  # what the docstring of `compare` admits
    assert rejected(1000, 74, (5, 1), 3.0)["p"] <= most(1000, 0.06)


def covered(n_draws, n_brands, n_runs, seed_effect):
    """How often the intervals hold the mean, and the median, of the skewed values."""
    generator, true = rng(7), {"mean": 0.5 / 2.3, "median": stats.beta(0.5, 1.8).median()}
    error = stats.beta(0.5, 1.8).std() / np.sqrt(n_brands)
    counts = dict.fromkeys([*true, "BCa"], 0)
    for _ in range(n_draws):
        brands = generator.beta(0.5, 1.8, size=(1, n_brands))
        values = brands + seed_effect * error * generator.normal(size=(n_runs, 1))
        for name, summary in (("mean", np.mean), ("median", np.median)):
            found = bootstrap_interval([values], summary, generator=generator, n_resamples=499)
            counts[name] += found.low <= true[name] <= found.high
        oracle = stats.bootstrap((brands[0],), np.mean, n_resamples=499, rng=generator)
        low, high = oracle.confidence_interval
        counts["BCa"] += low <= true["mean"] <= high
    return counts


def test_coverage_of_skewed_values_with_seeds():
    counts = covered(200, 40, 3, 1.0)
    least = stats.binom.ppf(0.001, 200, 0.94)
    assert counts["mean"] >= least
    assert counts["median"] >= least


@pytest.mark.slow
@pytest.mark.parametrize("n_brands", [40, 74, 286])
@pytest.mark.parametrize(("n_runs", "seed_effect"), [(1, 0.0), (3, 0.0), (3, 1.0), (5, 0.3)])
def test_coverage_over_the_grid(n_brands, n_runs, seed_effect):
    counts = covered(1000, n_brands, n_runs, seed_effect)
    # 499 resamples and 40 skewed values cost a point
    least = stats.binom.ppf(0.001, 1000, 0.94)
    assert counts["mean"] >= least
    assert counts["median"] >= least
    assert counts["mean"] >= counts["BCa"] - 10


@pytest.fixture
def planted_null(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import planted_null

    yield planted_null
    sys.modules.pop("planted_null")


def test_seed_variance_by_hand_and_on_average(planted_null):
    seed_variance = planted_null.seed_variance
    assert seed_variance(BY_HAND) == pytest.approx(8 - 2 / 3)
    assert seed_variance(np.array([[1.0, 0, 0], [0, 1, 0]])) == 0
    assert np.isnan(seed_variance(BY_HAND[:1]))
    generator, found = rng(), []
    for _ in range(400):
        values = 0.7 * generator.normal(size=(1, 23)) + 0.5 * generator.normal(size=(5, 1))
        found.append(seed_variance(values + 0.3 * generator.normal(size=(5, 23))))
    assert np.mean(found) == pytest.approx(0.25, rel=0.08)


@pytest.mark.parametrize("seed_effect", [0.0, 0.15, 0.5])
def test_planted_null_keeps_within_the_bound(planted_null, seed_effect):
    draw = planted_null.simulated(74, 3, seed_effect, 0.5)
    found = planted_null.run_null(draw, 200, rng(1))
    assert found.bound == 18
    assert found.n_marked <= 18
    # the tests over brands alone do not keep it once seeds have an effect
    assert (found.n_flips > 18) == (seed_effect > 0)


def test_planted_null_of_a_trained_model(planted_null):
    found = planted_null.run_null(planted_null.trained(41, 3), 5, rng(1))
    assert found.n_marked <= found.bound
    assert found.mean > 0.12  # chance gets .07
    assert found.brand_error > 0
