"""A brand's ranked influencers from a finished run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.data.interaction import Interaction

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.pseudonyms import MANIFEST_KEY as PSEUDONYMS
from recbole_mirec import runs
from recbole_mirec.data.dataset import MirecDataset
from recbole_mirec.experiment import Experiment, prepare
from recbole_mirec.results import is_synthetic, ranking_notes, score_note
from recbole_mirec.trainer import score_matrix


@dataclass(frozen=True, eq=False)
class Shortlist:
    """A brand's best influencers.

    Attributes:
        brand: the brand's id.
        frame: rank, influencer_id, score, for MIRec what each perspective adds to the score, and
            followers where known.
        path: the CSV that holds the frame.
        n_candidates: influencers ranked: all but the brand's training collaborations.
        run_folder: the run whose model ranked them.
        model, dataset: what the run was of.
        synthetic: whether the data set says that it is synthetic.
        notes: what a reader of the ranking has to know, the meaning of the score first.
    """

    brand: str
    frame: pd.DataFrame
    path: Path
    n_candidates: int
    run_folder: Path
    model: str
    dataset: str
    synthetic: bool
    notes: tuple[str, ...]


def shortlist(run: runs.Run, brand: str, *, top: int) -> Shortlist:
    """Rank influencers for a brand by a finished run's best epoch.

    Args:
        run: the run; its settings and data set are used.
        brand: a brand of the data set.
        top: how many influencers.

    Raises:
        UsageError: an unknown brand, `top` below 1, a checkpoint that does not fit the data.
    """
    if top < 1:
        raise UsageError(f"--top must be at least 1. Received: {top}.")
    settings: Mapping[str, Any] = run.record["settings"]
    experiment = prepare(settings, run_folder=run.folder)
    experiment.trainer.load_best()
    experiment.model.eval()
    dataset = experiment.dataset
    brands = dataset.field2token_id[dataset.uid_field]
    if brand not in brands or brand == "[PAD]":
        hidden = (
            " Its ids are pseudonyms: the conversion's --ids lists whose they are."
            if PSEUDONYMS in dataset.atomic.manifest
            else ""
        )
        raise UsageError(
            f"Unknown brand '{brand}' in data set {dataset.dataset_name}."
            f"{nearest(brand, brands)}{hidden}"
        )
    brand_id = np.array([brands[brand]])
    pairs = dataset.pairs[schema.TRAIN]
    known = pairs[pairs[:, 0] == brand_id[0], 1]
    candidates = np.setdiff1d(np.arange(1, dataset.item_num), known)
    scores = score_matrix(
        experiment.model,
        dataset,
        brand_id,
        candidates,
        pairs_at_once=experiment.config["eval_batch_size"],
    )[0]
    best = np.argsort(-scores, kind="stable")[:top]
    frame = _frame(experiment, brand_id, candidates[best], scores[best])
    path = run.folder / "predictions" / f"{_file_name(brand)}.csv"
    runs.write_text(path, frame.to_csv(index=False))
    config = experiment.config
    return Shortlist(
        brand=brand,
        frame=frame,
        path=path,
        n_candidates=len(candidates),
        run_folder=run.folder,
        model=config["model"],
        dataset=config["dataset"],
        synthetic=is_synthetic(dataset),
        notes=(
            score_note(experiment.model),
            *ranking_notes(config, n_collaborations=len(known)),
        ),
    )


def _frame(
    experiment: Experiment,
    brand_id: "np.ndarray[Any, np.dtype[np.int64]]",
    influencers: "np.ndarray[Any, np.dtype[np.int64]]",
    scores: "np.ndarray[Any, np.dtype[np.float64]]",
) -> pd.DataFrame:
    dataset, model = experiment.dataset, experiment.model
    tokens = dataset.id2token(dataset.iid_field, influencers)
    frame = pd.DataFrame(
        {"rank": np.arange(1, len(tokens) + 1), schema.INFLUENCER_ID: tokens, "score": scores}
    )
    if hasattr(model, "perspective_scores"):
        pairs = Interaction(
            {
                dataset.uid_field: torch.from_numpy(np.repeat(brand_id, len(influencers))),
                dataset.iid_field: torch.from_numpy(influencers),
            }
        )
        shares = model.perspective_scores(pairs.to(model.device)).cpu().numpy()
        for column, name in enumerate(model.perspectives):
            frame[name] = shares[:, column]
    if isinstance(dataset, MirecDataset) and dataset.accounts is not None:
        followers = dataset.accounts.sides[schema.INFLUENCER].followers[influencers]
        if not np.isnan(followers).all():
            frame[schema.FOLLOWERS] = pd.Series(followers).round().astype("Int64")
    return frame


def _file_name(brand: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in brand)
