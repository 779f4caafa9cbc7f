"""Run models under several seeds and compare them brand by brand; shared by the benchmarks."""

import multiprocessing
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from recbole_mirec.quick_start import run_experiment

Settings = Mapping[str, Any]
METRICS = ("AUC", "cAUC", "Recall@10", "Recall@50", "MRR", "MAP", "MedR")


@dataclass(frozen=True, eq=False)
class Compared:
    """A model over its seeds.

    Attributes:
        summaries: one row a seed, one column a metric.
        per_brand: one row a brand, the mean over the seeds.
    """

    summaries: pd.DataFrame
    per_brand: pd.DataFrame


def run_all(
    wanted: Mapping[str, Settings], seeds: Sequence[int], part: str, *, jobs: int
) -> dict[str, Compared]:
    """Train every model with every seed and keep one part's results.

    Args:
        wanted: a name for each model -> its settings.
        seeds: the seeds of each.
        part: `valid` or `test`.
        jobs: processes, each with one thread.
    """
    names = [name for name in wanted for _ in seeds]
    tasks = [({**wanted[name], "seed": seed}, part) for name in wanted for seed in seeds]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = list(pool.map(_run, *zip(*tasks, strict=True)))
    found = {}
    for name in wanted:
        own = [result for owner, result in zip(names, results, strict=True) if owner == name]
        found[name] = over_seeds(own)
    return found


def over_seeds(results: Sequence[tuple[dict[str, float], pd.DataFrame]]) -> Compared:
    """Summaries and per-brand results, one of each a seed, as one comparison."""
    frames = [frame for _, frame in results]
    summaries = pd.DataFrame([summary for summary, _ in results])
    return Compared(summaries, sum(frames[1:], frames[0]) / len(frames))


def _run(settings: Settings, part: str) -> tuple[dict[str, float], pd.DataFrame]:
    """One experiment; its folder is temporary."""
    quiet = {"state": "ERROR", "show_progress": False, "torch_threads": 1}
    with tempfile.TemporaryDirectory() as folder:
        result = run_experiment({**quiet, **settings, "checkpoint_dir": folder})
    evaluation = result.valid if part == "valid" else result.test
    if evaluation is None:
        raise ValueError(f"The data set has no {part} part. Received: {dict(settings)}.")
    shown = f"AUC {evaluation.summary['AUC']:.4f} MAP {evaluation.summary['MAP']:.4f}"
    print(f"{dict(settings)}: {shown}", file=sys.stderr, flush=True)
    return evaluation.summary, evaluation.per_brand


def paired_p(better: Compared, worse: Compared, metric: str) -> tuple[float, float]:
    """Mean difference over brands and the one-sided p of a paired permutation test.

    Each brand's value is its mean over the seeds; 9,999 random sign flips, seeded.
    """
    difference = (better.per_brand[metric] - worse.per_brand[metric]).dropna().to_numpy()
    test = stats.permutation_test(
        (difference, np.zeros_like(difference)),
        lambda left, right: np.mean(left - right),
        permutation_type="samples",
        alternative="greater",
        n_resamples=9999,
        vectorized=False,
        rng=np.random.default_rng(0),
    )
    return float(difference.mean()), float(test.pvalue)


def mean_and_spread(compared: Compared, metrics: Sequence[str]) -> str:
    """`mean ± sample standard deviation over seeds` of each metric, a dash where it is lacking."""
    cells = []
    for metric in metrics:
        if metric not in compared.summaries:
            cells.append("-")
            continue
        values = compared.summaries[metric]
        spread = f" ± {values.std():.3f}" if len(values) > 1 else ""
        cells.append(f"{values.mean():.3f}{spread}")
    return " | ".join(cells)


def write_lines(lines: Sequence[str], output: Path | None) -> None:
    """Print lines, and write them where a file is named."""
    text = "\n".join(lines) + "\n"
    print(text)
    if output is not None:
        output.write_text(text, encoding="utf-8")
