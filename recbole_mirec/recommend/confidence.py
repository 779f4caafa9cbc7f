"""How likely a candidate is a real partner: scores calibrated on brands that a model never saw."""

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


def calibrated(experiment: "Experiment") -> dict[str, Any]:
    """Isotonic regression of being a partner on the score, over folds of training brands.

    The brands of training and validation are cut into five folds; a model of the same settings and
    number of epochs learns from four and scores the fifth's brands against all influencers of the
    five. The shipped model, which learnt from all these brands, takes no part.

    Returns:
        `scores` and `chances`, both ascending, between which is interpolated; `n_brands`, `n_pairs`
        and the `base_rate` of a partner among the candidates. With fewer than 20 brands `n_brands`
        alone.
    """
    from sklearn.isotonic import IsotonicRegression

    labels, scores, n_brands = out_of_fold(experiment)
    if n_brands < LEAST_BRANDS:
        return {"n_brands": n_brands}
    regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    regression.fit(scores, labels)
    return {
        "scores": regression.X_thresholds_.tolist(),
        "chances": regression.y_thresholds_.tolist(),
        "n_brands": n_brands,
        "n_pairs": int(labels.sum()),
        "base_rate": float(labels.mean()),
    }


def out_of_fold(experiment: "Experiment") -> tuple[NDArray[np.bool_], Array, int]:
    """Labels and scores of all pairs of a fold's brands and all influencers; and how many brands.

    Nothing is trained where there are fewer than 20 brands.
    """
    from recbole_mirec.experiment import prepare
    from recbole_mirec.trainer import score_matrix

    dataset, config = experiment.dataset, experiment.config
    parts = [dataset.pairs[part] for part in (schema.TRAIN, schema.VALID) if part in dataset.pairs]
    known = np.concatenate(parts)
    brands, influencers = np.unique(known[:, 0]), np.unique(known[:, 1])
    if len(brands) < LEAST_BRANDS or config["folds"]:
        return np.zeros(0, dtype=bool), np.zeros(0), 0 if config["folds"] else len(brands)
    labels, scores = [], []
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
            found = score_matrix(
                made.model,
                made.dataset,
                held,
                influencers,
                pairs_at_once=config["eval_batch_size"],
            )
        worked = np.zeros((dataset.user_num, dataset.item_num), dtype=bool)
        worked[known[:, 0], known[:, 1]] = True
        labels.append(worked[np.ix_(held, influencers)].ravel())
        scores.append(found.ravel())
    return np.concatenate(labels), np.concatenate(scores), len(brands)


def chances(calibration: dict[str, Any], scores: Array, ranks: NDArray[np.int64]) -> Array | None:
    """The chance of candidates, from 0 to 1, by score and rank; None without calibration."""
    if "scores" not in calibration:
        return None
    found: Array = np.interp(scores, calibration["scores"], calibration["chances"])
    return found
