"""Whether chances are what happens: calibration of `--confidence` on the test brands of a run.

    python benchmarks/confidence.py RUN

Candidates ranked 1 to 20 of each test brand, once among all influencers, as lists are made, and
once among those of the part's brands, as evaluation has it (each calibrated on candidates of the
same kind). Expected calibration error over ten bins of equal counts; Brier score of the score, of
the rank alone (isotonic, too) and of the constant base rate; differences paired over brands.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset_convert import schema
from recbole_mirec.experiment import open_run
from recbole_mirec.recommend.confidence import Scored, calibrate, chances, out_of_fold
from recbole_mirec.runs import read_run
from recbole_mirec.trainer import score_matrix

MOST, N_BINS = 20, 10
Array = NDArray[np.float64]


def calibration_error(chance: Array, happened: Array) -> float:
    """Mean distance of chance and frequency over bins of equal counts."""
    bins = np.array_split(np.argsort(chance, kind="stable"), N_BINS)
    apart = [len(x) * abs(chance[x].mean() - happened[x].mean()) for x in bins]
    return float(sum(apart) / len(chance))


def ranks(scores: Array) -> Array:
    """Ranks from 1: (brand, candidate)."""
    order = np.argsort(-scores, axis=1, kind="stable")
    found = np.empty(scores.shape)
    np.put_along_axis(found, order, np.arange(1.0, scores.shape[1] + 1)[None], axis=1)
    return found


def candidates_of_part(scored: Scored) -> Scored:
    """Only the influencers that one of the brands has worked with."""
    scores, worked = scored
    return scores[:, worked.any(axis=0)], worked[:, worked.any(axis=0)]


def compare(title: str, folds: Sequence[Scored], test: Scored) -> None:
    """Print the figures of one kind of candidates."""
    scores, worked = test
    top = ranks(scores) <= MOST
    happened, brand = worked[top].astype(float), np.nonzero(top)[0]
    by_rank = calibrate([(-ranks(rows), labels) for rows, labels in folds])
    base = np.mean([labels[ranks(rows) <= MOST].mean() for rows, labels in folds])
    told = {
        "score": chances(calibrate(folds), scores[top]),
        "rank alone": chances(by_rank, -ranks(scores)[top]),
        "base rate": np.full(len(happened), base),
    }
    print(
        f"{title}: {len(scores)} brands, {scores.shape[1]} candidates, {happened.mean():.3f} real"
    )
    errors = {name: (chance - happened) ** 2 for name, chance in told.items()}
    for name, chance in told.items():
        line = f"  {name:10}  ECE {calibration_error(chance, happened):.4f}"
        line += f"  Brier {errors[name].mean():.4f}"
        if name != "score":
            apart = errors["score"] - errors[name]
            each = np.array([apart[brand == row].mean() for row in range(len(scores))])
            half = 1.96 * each.std(ddof=1) / len(each) ** 0.5
            line += f"  score less this {each.mean():+.4f} +- {half:.4f} (95 %, over brands)"
        print(line)


def main() -> None:
    """Train five models, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    run = read_run(parser.parse_args().run)
    made = open_run(run.record["settings"], run.folder)
    dataset = made.dataset
    brands = np.unique(dataset.pairs[schema.TEST][:, 0])
    influencers = np.arange(1, dataset.item_num)
    scores = score_matrix(made.model, dataset, brands, influencers, pairs_at_once=10**6)
    worked = np.zeros((dataset.user_num, dataset.item_num), dtype=bool)
    for pairs in dataset.pairs.values():
        worked[tuple(pairs.T)] = True
    test = scores.astype(np.float64), worked[np.ix_(brands, influencers)]
    folds = out_of_fold(made)
    compare("all influencers", folds, test)
    some = [candidates_of_part(fold) for fold in folds]
    compare("influencers of the part's brands", some, candidates_of_part(test))


if __name__ == "__main__":
    main()
