"""Ideas that are no switches of MIRec, each added to the trained model and tested over brands.

    python benchmarks/ideas.py --dataset real --seeds 1 2 3
    python benchmarks/ideas.py --dataset real --brand_visuals FOLDER/brand_visual.npy

Cross-validation by brand, as `python -m recbole_mirec.benchmark` does it: MIRec is trained once a
seed and fold, and each idea's scores (`idea_scores.py`, fitted on the fold's training
collaborations) are added to its own, at weights in units of the score's standard deviation within a
brand. A brand's average precision with the idea, less that without, is compared with 0 over all
brands and seeds; the p of all lines are corrected together by Holm. A dagger marks what is
significant, which takes two seeds or more. Prints a Markdown table.

`--brand_visuals` names a matrix with a row a brand, in the order of the `.user` file: images that
influencers lack, so that MIRec leaves them out.
"""

import argparse
import copy
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from idea_scores import (
    Fold,
    Values,
    added,
    boosted_pairs,
    ideas_for,
    log_nearest_brands,
    predicted_influencer,
    unit,
)
from tqdm import tqdm

from dataset_convert import schema
from recbole_mirec.data.dataset import EvaluationSplit
from recbole_mirec.evaluation.metrics import average_precision
from recbole_mirec.evaluation.ranks import tie_ranks
from recbole_mirec.evaluation.statistics import Comparison, compare, holm
from recbole_mirec.experiment import Experiment, prepare, train

Settings = Mapping[str, Any]
Parameters = dict[str, torch.Tensor]
QUIET = {"model": "MIRec", "variant": "mirec", "torch_threads": 1, "show_progress": False}
SECOND_ENCODER = {
    "tower": "mlp",
    "learning_rate": 0.001,
    **dict.fromkeys(("plda_weight", "raw_weight", "category_weight", "hubness_weight"), 0.0),
}
# Shares of a brand's images beside its other rows, and epochs that are averaged.
VISUAL_SHARE, N_AVERAGED = 0.7, 10


class Line(NamedTuple):
    """A line of the table: an idea, and its weight; None: MIRec itself, or in MIRec's place."""

    idea: str
    weight: float | None


class FoldResult(NamedTuple):
    """What a fold's test part says.

    Attributes:
        n_candidates: that every brand ranks.
        precision: line -> average precision (brand) by internal id, NaN where it is not tested.
    """

    n_candidates: int
    precision: dict[Line, Values]


MIREC, AVERAGED = Line("MIRec", None), Line("mean parameters of the last epochs", None)


def main() -> None:
    """Run all folds of all seeds and print the table."""
    options = _arguments()
    base = {
        "dataset": options.dataset,
        "data_path": options.data_path,
        "folds": options.folds,
        "state": "ERROR",
        **QUIET,
    }
    visuals = None if options.brand_visuals is None else np.load(options.brand_visuals)
    values: dict[Line, Values] = {}
    pools = []
    tasks = list(product(enumerate(options.seeds), range(1, options.folds + 1)))
    for (place, seed), fold in tqdm(tasks, unit="fold", disable=None):
        found = run_fold({**base, "seed": seed, "fold": fold}, options.weights, visuals)
        pools.append(found.n_candidates)
        for line, precision in found.precision.items():
            runs = values.setdefault(line, np.full((len(options.seeds), len(precision)), np.nan))
            tested = np.isfinite(precision)
            runs[place, tested] = precision[tested]
    head = (
        f"{options.dataset}, {options.folds} folds by brand, seeds {options.seeds}, "
        f"{min(pools)} to {max(pools)} candidates a fold"
    )
    text = "\n".join([head, "", *table(values)]) + "\n"
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")


def run_fold(settings: Settings, weights: list[float], visuals: Values | None) -> FoldResult:
    """Train MIRec on a fold and rank its test brands by every line's scores.

    Args:
        settings: of the experiment, seed and fold among them.
        weights: at which ideas are added.
        visuals: (brand, dimension), or None where there are none.
    """
    second, _ = trained({**settings, **SECOND_ENCODER})
    experiment, states = trained(settings)
    split = experiment.dataset.evaluation_split(schema.TEST)
    assert split is not None
    fold = fold_inputs(experiment, split)
    ideas = {name: idea(fold) for name, idea in ideas_for(fold).items()}
    ideas["gradient boosting of pair features"] = boosted_pairs(fold, settings["seed"])
    ideas["a second encoder (MLP towers)"] = own_scores(fold_inputs(second, split))
    if visuals is not None:
        ideas |= visual_ideas(fold, visuals)
    scores = {MIREC: own_scores(fold)}
    for name, weight in product(ideas, weights):
        scores[Line(name, weight)] = added(scores[MIREC], ideas[name], weight)
    experiment.model.load_state_dict(averaged(states, experiment.trainer.best_epoch))
    scores[AVERAGED] = own_scores(fold_inputs(experiment, split))
    n_brands = experiment.dataset.user_num
    return FoldResult(
        n_candidates=len(split.candidates),
        precision={line: _precision(one, split, n_brands) for line, one in scores.items()},
    )


def trained(settings: Settings) -> tuple[Experiment, list[Parameters]]:
    """An experiment at its best epoch, and the parameters after each epoch."""
    states: list[Parameters] = []
    with tempfile.TemporaryDirectory() as folder:
        experiment = prepare({**settings, "checkpoint_dir": folder})
        train(
            experiment,
            after_epoch=lambda *_: states.append(copy.deepcopy(experiment.model.state_dict())),
        )
    return experiment, states


def fold_inputs(experiment: Experiment, split: EvaluationSplit) -> Fold:
    """What ideas may know of a trained MIRec's fold."""
    method = experiment.model.method
    rows = {
        side: {
            name: values.double().numpy()
            for name, (values, _) in method.accounts.table(side).items()
        }
        for side in schema.SIDES
    }
    vectors = {
        side: values.flatten(start_dim=1).double().numpy()
        for side, values in experiment.model.account_vectors().items()
    }
    return Fold(
        rows=rows,
        vectors=vectors,
        pairs=experiment.dataset.pairs[schema.TRAIN],
        brands=split.brands,
        candidates=split.candidates,
        brand_category=experiment.dataset.categories("brand"),
    )


def visual_ideas(fold: Fold, visuals: Values) -> dict[str, Values]:
    """Scores of the ideas that read brands' images: brands alone have any.

    Args:
        fold: its inputs.
        visuals: (brand, dimension), not negative, in the order of the internal ids.

    Raises:
        ValueError: it is of another shape, or an entry is negative or NaN.
    """
    n_brands = len(fold.brand_category) - 1
    if visuals.ndim != 2 or len(visuals) != n_brands or not (visuals >= 0).all():
        raise ValueError(
            f"The matrix of brands' images must have one row for each of {n_brands} brands and no "
            f"negative entry. Received: shape {visuals.shape}, least entry {visuals.min()}."
        )
    rows = np.vstack([np.zeros(visuals.shape[1]), np.sqrt(visuals.astype(np.float64))])
    images = unit(rows - rows[fold.training(schema.BRAND)].mean(axis=0))
    beside = np.hstack([fold.joint(schema.BRAND), VISUAL_SHARE * images])
    return {
        "propagation from brands with like images": log_nearest_brands(fold, images),
        "brand as the mean of its influencers, images too": predicted_influencer(fold, beside),
    }


def averaged(states: list[Parameters], best_epoch: int) -> Parameters:
    """Mean parameters of the epochs up to the best one, `N_AVERAGED` at most.

    Args:
        states: parameters after each epoch.
        best_epoch: counted from 0.
    """
    shown = states[max(best_epoch + 1 - N_AVERAGED, 0) : best_epoch + 1]
    return {name: torch.stack([state[name] for state in shown]).mean(dim=0) for name in shown[0]}


def table(values: Mapping[Line, Values]) -> list[str]:
    """The Markdown table.

    Args:
        values: of each line, average precision (run, brand); NaN at brands that no fold tests.
    """
    base = values[MIREC]
    compared = {line: against_zero(runs - base) for line, runs in values.items() if line != MIREC}
    corrected = holm(np.array([one.p for one in compared.values()]))
    lines = [
        f"MIRec: MAP {np.nanmean(base):.4f} over {np.isfinite(base[0]).sum()} brands",
        "",
        "| idea | weight | MAP | difference | 95 % interval | p | p (Holm) |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]
    for (line, one), p in zip(compared.items(), corrected, strict=True):
        weight = "instead" if line.weight is None else f"{line.weight:g}"
        mark = "†" if one.significant(adjusted=float(p)) else ""
        lines.append(
            f"| {line.idea} | {weight} | {np.nanmean(values[line]):.4f} | "
            f"{one.value:+.4f}{mark} | {one.low:+.4f} to {one.high:+.4f} | "
            f"{_shown(one.p)} | {_shown(float(p))} |"
        )
    return lines


def against_zero(difference: Values) -> Comparison:
    """Test a paired difference (run, brand): both models of a run share brand, seed and encoder."""
    nothing = np.zeros((1, difference.shape[1]))
    return compare(difference, nothing, generator=np.random.default_rng(0), deterministic_b=True)


def own_scores(fold: Fold) -> Values:
    """What the fold's model itself scores: (brand, candidate)."""
    brands, influencers = (fold.vectors[side] for side in schema.SIDES)
    return brands[fold.brands] @ influencers[fold.candidates].T


def _shown(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< .001"


def _precision(scores: Values, split: EvaluationSplit, n_brands: int) -> Values:
    """Average precision at the internal ids of the split's brands, NaN elsewhere."""
    precision = np.full(n_brands, np.nan)
    precision[split.brands] = average_precision(tie_ranks(scores, split.positives, split.mask))
    return precision


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="real")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--weights", type=float, nargs="+", default=[0.1, 0.3])
    parser.add_argument("--brand_visuals", type=Path, help="matrix of brands' images (.npy)")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
