"""How likely a candidate is a real partner: scores calibrated on brands that a model never saw."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataset_convert import schema
from recbole_mirec.nn.fitted import Array

if TYPE_CHECKING:
    from recbole_mirec.experiment import Experiment

N_FOLDS, LEAST_BRANDS = 5, 20
# Ranks that are calibrated on: lists end long before, and further below nobody is a partner.
MOST_RANK = 100
# Ranks and groups by which chances are compared with what happened.
_SHOWN, _N_GROUPS = 20, 10
# Scores of some brands' candidates, and who is a partner: (brand, influencer).
Scored = tuple[Array, NDArray[np.bool_]]


def calibrated(experiment: "Experiment") -> dict[str, Any]:
    """Isotonic regression of being a partner on the score, over folds of training brands.

    The brands of training and validation are cut into five folds; a model of the same settings and
    number of epochs learns from four and scores the fifth's brands against all influencers. The
    shipped model, which learnt from all these brands, takes no part.

    Returns:
        `scores` and `chances`, both ascending, between which is interpolated; `n_brands`; and
        `reliability`. With fewer than 20 brands `n_brands` alone.
    """
    folds = out_of_fold(experiment)
    n_brands = sum(len(scores) for scores, _ in folds)
    if not n_brands:
        return {"n_brands": len(_known_brands(experiment))}
    return calibrate(folds) | {"n_brands": n_brands, "reliability": reliability(folds)}


def calibrate(folds: Sequence[Scored]) -> dict[str, Any]:
    """The regression, on the candidates that rank highest for each brand."""
    from sklearn.isotonic import IsotonicRegression

    regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    best = [np.argsort(-scores, axis=1, kind="stable")[:, :MOST_RANK] for scores, _ in folds]
    chosen = [
        [np.take_along_axis(rows, places, axis=1).ravel() for rows in fold]
        for fold, places in zip(folds, best, strict=True)
    ]
    regression.fit(*(np.concatenate(column) for column in zip(*chosen, strict=True)))
    return {
        "scores": regression.X_thresholds_.tolist(),
        "chances": regression.y_thresholds_.tolist(),
    }


def chances(calibration: dict[str, Any], scores: Array) -> Array | None:
    """The chance of each score, from 0 to 1; None where nothing was calibrated."""
    if "scores" not in calibration:
        return None
    found: Array = np.interp(scores, calibration["scores"], calibration["chances"])
    return found


def reliability(folds: Sequence[Scored]) -> list[list[float]]:
    """What happened beside the chance that was told, by a regression on the other folds' brands.

    Returns:
        Of ten groups of equal size of the candidates ranked 1 to 20, by their chance: its mean, the
        share of real partners, and how many they are.
    """
    told, happened = list[Array](), list[NDArray[np.bool_]]()
    for place, (scores, worked) in enumerate(folds):
        made = calibrate([*folds[:place], *folds[place + 1 :]])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :_SHOWN]
        shown = np.take_along_axis(scores, best, axis=1).ravel()
        told.append(np.interp(shown, made["scores"], made["chances"]))
        happened.append(np.take_along_axis(worked, best, axis=1).ravel())
    chance, real = np.concatenate(told), np.concatenate(happened)
    groups = np.array_split(np.argsort(chance, kind="stable"), _N_GROUPS)
    return [[float(chance[x].mean()), float(real[x].mean()), len(x)] for x in groups if len(x)]


def out_of_fold(experiment: "Experiment") -> list[Scored]:
    """Each fold's brands with all influencers, scored by a model that has not seen the brands.

    Nothing is trained where there are fewer than 20 brands, or the run was a fold itself.
    """
    from recbole_mirec.experiment import prepare
    from recbole_mirec.trainer import score_matrix

    dataset, config = experiment.dataset, experiment.config
    if len(_known_brands(experiment)) < LEAST_BRANDS or config["folds"]:
        return []
    worked = np.zeros((dataset.user_num, dataset.item_num), dtype=bool)
    for part in (schema.TRAIN, schema.VALID):
        if part in dataset.pairs:
            worked[tuple(dataset.pairs[part].T)] = True
    found = []
    for fold in range(1, N_FOLDS + 1):
        settings = experiment.config.settings | {
            "folds": N_FOLDS,
            "fold": fold,
            "valid_brands": 0,
            "refit": False,
            "epochs": experiment.trainer.best_epoch + 1,
        }
        with TemporaryDirectory(prefix="recbole_mirec-") as work:
            made = prepare(settings, run_folder=Path(work) / "run", log_file=Path(work) / "log")
            made.trainer.fit(made.trainer.train_data)
            made.trainer.load_best()
            made.model.eval()
            held = np.unique(made.dataset.pairs[schema.TEST][:, 0])
            everybody = np.arange(1, dataset.item_num)
            scores = score_matrix(
                made.model,
                made.dataset,
                held,
                everybody,
                pairs_at_once=config["eval_batch_size"],
            )
        found.append((scores.astype(np.float64), worked[np.ix_(held, everybody)]))
    return found


def _known_brands(experiment: "Experiment") -> NDArray[np.int64]:
    pairs = experiment.dataset.pairs
    parts = [pairs[part] for part in (schema.TRAIN, schema.VALID) if part in pairs]
    return np.unique(np.concatenate(parts)[:, 0])
