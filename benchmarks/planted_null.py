"""Two copies of one model under two names: how often does `compare` call them different?

    python benchmarks/planted_null.py
    python benchmarks/planted_null.py --trained

Every benchmark draws new brands and new seeds. At the 5 % level 5 in 100 may be called significant;
the bound is the binomial's 99 % quantile, 18 of 200. Without `--trained` the per-brand average
precision is simulated: heavy-tailed over brands, with an effect of the seed on all brands (its
standard deviation is an option, in logits) and another one on each brand. With `--trained` a small
two-tower model learns synthetic accounts with planted tastes, both copies on the same data. Prints
a Markdown table. Beside `compare`, the tests over brands alone show what seeds do to them. With one
run a seed's effect cannot be measured: `compare` then says so and marks nothing. Ends with exit
code 1 where `compare` exceeds the bound.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch.nn import functional
from tqdm import tqdm

from recbole_mirec.evaluation.metrics import average_precision
from recbole_mirec.evaluation.ranks import tie_ranks
from recbole_mirec.evaluation.statistics import LEVEL, Comparison, compare

Values = NDArray[np.float64]
# one benchmark: the values (run, brand) of the two copies
Draw = Callable[[np.random.Generator], tuple[Values, Values]]

# in logits: average precision of .10 for a typical brand, some brands near 0 and some near 1
ABILITY, ABILITY_SPREAD, TAIL = -2.2, 1.2, 4

N_TOPICS, N_TASTE_TOPICS, N_TASTES, WIDTH = 24, 8, 12, 8
N_TRAINING_BRANDS, N_INFLUENCERS, N_PARTNERS = 60, 120, 4
N_STEPS, BATCH, LEARNING_RATE, TEMPERATURE = 25, 32, 0.02, 0.2


@dataclass(frozen=True)
class Null:
    """What came out of one setting's benchmarks.

    Attributes:
        n_benchmarks: how many were drawn.
        n_marked: called significant by `compare`.
        n_flips: called significant by sign flips over brands.
        n_wilcoxon: called significant by Wilcoxon's test over brands.
        mean: of the values, over brands, runs and benchmarks.
        brand_error: mean standard error over brands alone of the difference.
        seed_deviation: standard deviation of a run's mean due to its seed; NaN with one run.
    """

    n_benchmarks: int
    n_marked: int
    n_flips: int
    n_wilcoxon: int
    mean: float
    brand_error: float
    seed_deviation: float

    @property
    def bound(self) -> int:
        """Most that chance gives, 99 times of 100."""
        return int(stats.binom.ppf(0.99, self.n_benchmarks, LEVEL))


def main() -> int:
    """Print the table; 0 where every setting keeps within the bound."""
    options = _arguments()
    print(
        f"{options.benchmarks} benchmarks a line, {'trained' if options.trained else 'simulated'} "
        f"model, seed {options.seed}, level {LEVEL}\n"
    )
    print(
        "| brands | runs | seed effect | MAP | brand error | seed deviation | compare | bound | "
        "sign flips | Wilcoxon |"
    )
    print(f"|{'---|' * 10}")
    held = True
    for label, draw in _settings(options):
        found = run_null(draw, options.benchmarks, np.random.default_rng(options.seed))
        held &= found.n_marked <= found.bound
        cells = (
            f"{found.mean:.3f}",
            f"{found.brand_error:.4f}",
            f"{found.seed_deviation:.4f}",
            str(found.n_marked),
            str(found.bound),
            str(found.n_flips),
            str(found.n_wilcoxon),
        )
        print(f"| {' | '.join((*label, *cells))} |", flush=True)
    return 0 if held else 1


def run_null(draw: Draw, n_benchmarks: int, generator: np.random.Generator) -> Null:
    """Draw the benchmarks and count the differences that are none."""
    compared, means, errors, seeds = [], [], [], []
    for _ in tqdm(range(n_benchmarks), leave=False, disable=None):
        a, b = draw(generator)
        compared.append(compare(a, b, generator=generator, n_resamples=1999))
        means.append(a.mean())
        errors.append((a.mean(axis=0) - b.mean(axis=0)).std(ddof=1) / np.sqrt(a.shape[1]))
        seeds.append(seed_variance(a))
    return Null(
        n_benchmarks=n_benchmarks,
        n_marked=sum(one.significant() for one in compared),
        n_flips=_count(compared, "p_permutation"),
        n_wilcoxon=_count(compared, "p_wilcoxon"),
        mean=float(np.mean(means)),
        brand_error=float(np.mean(errors)),
        seed_deviation=float(np.sqrt(np.mean(seeds))),
    )


def seed_variance(values: Values) -> float:
    """Variance between seeds of values (run, brand); NaN with one run.

    Mean squares of the two-way layout without replication, set equal to their expectations (J.
    Cornfield and J. Tukey, 1956): seed MS = residual + n seed. An estimate below 0 is 0.
    """
    n_runs, n_brands = values.shape
    if n_runs == 1:
        return float("nan")
    of_run = values.mean(axis=1)
    rest = values - values.mean(axis=0) - of_run[:, None] + values.mean()
    residual = float((rest**2).sum()) / ((n_runs - 1) * (n_brands - 1))
    return max(float(of_run.var(ddof=1)) - residual / n_brands, 0.0)


def simulated(n_brands: int, n_runs: int, seed_effect: float, interaction: float) -> Draw:
    """Average precision of two copies; effects in logits.

    Args:
        n_brands: of a benchmark, the same for both copies.
        n_runs: of each copy.
        seed_effect: standard deviation of a seed's effect on all brands.
        interaction: scale of a seed's effect on one brand.
    """

    def draw(generator: np.random.Generator) -> tuple[Values, Values]:
        ability = ABILITY + ABILITY_SPREAD * generator.standard_t(TAIL, n_brands)

        def copy() -> Values:
            seed = seed_effect * generator.standard_normal((n_runs, 1))
            own = interaction * generator.standard_t(TAIL, (n_runs, n_brands))
            return 1 / (1 + np.exp(-(ability + seed + own)))

        return copy(), copy()

    return draw


def trained(n_brands: int, n_runs: int) -> Draw:
    """Average precision, on new brands, of two copies of a two-tower model.

    Args:
        n_brands: that are evaluated, none of them in training.
        n_runs: of each copy; initialisation and batches differ.
    """

    def draw(generator: np.random.Generator) -> tuple[Values, Values]:
        accounts = Accounts.drawn(n_brands, generator)
        runs = np.stack([_trained_run(accounts, generator) for _ in range(2 * n_runs)])
        return runs[:n_runs], runs[n_runs:]

    return draw


@dataclass(frozen=True, eq=False)
class Accounts:
    """Synthetic accounts of one benchmark.

    Attributes:
        training: (brand, topic), unit length.
        partners: (brand, N_PARTNERS) influencers of each training brand.
        brands: (brand, topic), unit length, none of them in training.
        positives: (brand, influencer) of these, boolean.
        influencers: (influencer, topic), unit length.
    """

    training: torch.Tensor
    partners: torch.Tensor
    brands: torch.Tensor
    positives: NDArray[np.bool_]
    influencers: torch.Tensor

    @classmethod
    def drawn(cls, n_brands: int, generator: np.random.Generator) -> "Accounts":
        """Accounts whose taste shows in some topics; louder noise fills the others."""
        centres = 2 * generator.normal(size=(N_TASTES, N_TASTE_TOPICS))

        def topics(taste: NDArray[np.int64]) -> torch.Tensor:
            own = centres[taste] + generator.normal(size=(len(taste), N_TASTE_TOPICS))
            noise = 2 * generator.normal(size=(len(taste), N_TOPICS - N_TASTE_TOPICS))
            return functional.normalize(torch.from_numpy(np.hstack([own, noise])).float())

        taste = generator.integers(N_TASTES, size=N_INFLUENCERS)
        brand_taste = generator.integers(N_TASTES, size=N_TRAINING_BRANDS + n_brands)
        # brands mostly work with influencers of their taste
        odds = np.where(brand_taste[:, None] == taste, 50.0, 1.0)
        gumbel = np.log(odds) + generator.gumbel(size=odds.shape)
        partners = np.argsort(-gumbel, axis=1)[:, :N_PARTNERS]
        positives = np.zeros(odds.shape, dtype=np.bool_)
        np.put_along_axis(positives, partners, True, axis=1)
        vectors = topics(brand_taste)
        return cls(
            training=vectors[:N_TRAINING_BRANDS],
            partners=torch.from_numpy(partners[:N_TRAINING_BRANDS]),
            brands=vectors[N_TRAINING_BRANDS:],
            positives=positives[N_TRAINING_BRANDS:],
            influencers=topics(taste),
        )


def _trained_run(accounts: Accounts, generator: np.random.Generator) -> Values:
    """Train one model under a new seed: softmax over all influencers, tanh towers, Adam."""
    chance = torch.Generator().manual_seed(int(generator.integers(2**31)))
    towers = [
        (torch.randn(N_TOPICS, WIDTH, generator=chance) / N_TOPICS**0.5).requires_grad_()
        for _ in range(2)
    ]
    optimiser = torch.optim.Adam(towers, lr=LEARNING_RATE)
    for _ in range(N_STEPS):
        brand = torch.randint(N_TRAINING_BRANDS, (BATCH,), generator=chance)
        place = torch.randint(N_PARTNERS, (BATCH,), generator=chance)
        logits = _scores(towers, accounts.training[brand], accounts.influencers) / TEMPERATURE
        optimiser.zero_grad()
        functional.cross_entropy(logits, accounts.partners[brand, place]).backward()
        optimiser.step()
    with torch.no_grad():
        scores = _scores(towers, accounts.brands, accounts.influencers).double().numpy()
    candidates = np.ones_like(accounts.positives)
    return average_precision(tie_ranks(scores, accounts.positives, candidates))


def _scores(
    towers: list[torch.Tensor], brands: torch.Tensor, influencers: torch.Tensor
) -> torch.Tensor:
    of_brands = functional.normalize(torch.tanh(brands @ towers[0]))
    of_influencers = functional.normalize(torch.tanh(influencers @ towers[1]))
    return of_brands @ of_influencers.T


def _settings(options: argparse.Namespace) -> Iterator[tuple[tuple[str, str, str], Draw]]:
    """The lines of the table."""
    if options.trained:
        torch.set_num_threads(1)
        for n_brands, n_runs in product(options.brands or [74], options.runs or [3]):
            yield (str(n_brands), str(n_runs), "trained"), trained(n_brands, n_runs)
        return
    grid = product(options.brands or [40, 74, 286], options.runs or [1, 3, 5], options.seed_effects)
    for n_brands, n_runs, effect in grid:
        draw = simulated(n_brands, n_runs, effect, options.interaction)
        yield (str(n_brands), str(n_runs), str(effect)), draw


def _count(compared: list[Comparison], field: str) -> int:
    return sum(getattr(one, field) <= LEVEL for one in compared)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trained", action="store_true", help="train a small model")
    parser.add_argument("--benchmarks", type=int, default=200, help="a line of the table")
    parser.add_argument("--brands", type=int, nargs="+", help="40 74 286; trained: 74")
    parser.add_argument("--runs", type=int, nargs="+", help="of each copy: 1 3 5; trained: 3")
    parser.add_argument(
        "--seed_effects", type=float, nargs="+", default=[0.0, 0.05, 0.15, 0.5], help="in logits"
    )
    parser.add_argument("--interaction", type=float, default=0.5, help="in logits")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
