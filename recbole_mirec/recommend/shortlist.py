"""A brand's ranked influencers from a finished run."""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from recbole.data.interaction import Interaction

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.files import write_csv
from recbole_mirec.data.dataset import MirecDataset
from recbole_mirec.experiment import Experiment, open_run
from recbole_mirec.results import (
    data_title,
    format_table,
    is_synthetic,
    ranking_notes,
    score_note,
)
from recbole_mirec.runs import Run
from recbole_mirec.trainer import score_matrix

# Names that are devices to Windows, whatever stands behind a dot.
_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)\d")


@dataclass(frozen=True, eq=False)
class Shortlist:
    """A brand's best influencers.

    Attributes:
        title: brand, how many of how many influencers, model and data.
        frame: rank, influencer_id, score, for MIRec what each perspective adds to the score, and
            followers where known.
        n_candidates: influencers ranked: all but the brand's training collaborations.
        notes: what a reader of the ranking has to know, the meaning of the score first.
        run_folder: the run whose model ranked them.
        path: the CSV that holds the frame.
    """

    title: str
    frame: pd.DataFrame
    n_candidates: int
    notes: tuple[str, ...]
    run_folder: Path
    path: Path

    def __str__(self) -> str:
        table = format_table(self.frame, decimals=3)
        notes = [f"Note: {note}" for note in self.notes]
        files = f"Model: {self.run_folder}\nWritten to {self.path}"
        return "\n".join([self.title, table, *notes, files])


def shortlist(run: Run, brand: str, *, top: int) -> Shortlist:
    """Rank influencers for a brand by a finished run's best epoch, and write them to a CSV.

    Raises:
        UsageError: an unknown brand, one that nobody is left for, a checkpoint that does not fit
            the data.
    """
    experiment = open_run(run.record["settings"], run.folder)
    config, dataset = experiment.config, experiment.dataset
    brand_id = _brand_id(dataset, brand)
    pairs = dataset.pairs[schema.TRAIN]
    known = pairs[pairs[:, 0] == brand_id, 1]
    candidates = np.setdiff1d(np.arange(1, dataset.item_num), known)
    if not len(candidates):
        raise UsageError(f"Brand '{brand}' has a training collaboration with every influencer.")
    scores = score_matrix(
        experiment.model,
        dataset,
        np.array([brand_id]),
        candidates,
        pairs_at_once=config["eval_batch_size"],
    )[0]
    best = np.argsort(-scores, kind="stable")[:top]
    frame = _frame(experiment, brand_id, candidates[best], scores[best])
    path = run.folder / "predictions" / f"{file_name(brand)}.csv"
    write_csv(path, frame)
    data = data_title(config["dataset"], synthetic=is_synthetic(dataset))
    notes = [score_note(experiment.model), *ranking_notes(config, n_collaborations=len(known))]
    tied, shown = (int((some == scores[best[-1]]).sum()) for some in (scores, scores[best]))
    if top > len(scores):
        notes.append(f"there are {len(scores)} influencers to rank, fewer than the {top} asked for")
    elif tied > shown:
        notes.append(
            f"{tied} influencers share the last score, of whom {shown} are shown; which ones says "
            f"nothing"
        )
    return Shortlist(
        f"{brand}: the best {len(frame)} of {len(candidates)} influencers that it has no training "
        f"collaboration with, by {config['model']} on {data}",
        frame,
        len(candidates),
        tuple(notes),
        run.folder,
        path,
    )


def _brand_id(dataset: Any, brand: str) -> int:
    brands = {name: row for name, row in dataset.field2token_id[dataset.uid_field].items() if row}
    if brand in brands:
        return int(brands[brand])
    hidden = (
        " Its ids are pseudonyms: the conversion's --ids lists whose they are."
        if isinstance(dataset, MirecDataset) and schema.PSEUDONYMS in dataset.atomic.manifest
        else ""
    )
    raise UsageError(
        f"Unknown brand '{brand}' in data set {dataset.dataset_name}.{nearest(brand, brands)}"
        f"{hidden}"
    )


def _frame(
    experiment: Experiment, brand_id: int, influencers: NDArray[Any], scores: NDArray[Any]
) -> pd.DataFrame:
    dataset, model = experiment.dataset, experiment.model
    tokens = dataset.id2token(dataset.iid_field, influencers)
    frame = pd.DataFrame(
        {"rank": np.arange(1, len(tokens) + 1), schema.INFLUENCER_ID: tokens, "score": scores}
    )
    if hasattr(model, "perspective_scores"):
        users, items = torch.full((len(influencers),), brand_id), torch.from_numpy(influencers)
        pairs = Interaction({dataset.uid_field: users, dataset.iid_field: items})
        shares = model.perspective_scores(pairs.to(model.device)).cpu().numpy()
        for column, name in enumerate(model.perspectives):
            frame[name] = shares[:, column]
    if isinstance(dataset, MirecDataset) and dataset.accounts is not None:
        followers = dataset.accounts.sides[schema.INFLUENCER].followers[influencers]
        if not np.isnan(followers).all():
            frame[schema.FOLLOWERS] = pd.Series(followers).round().astype("Int64")
    return frame


def file_name(brand: str) -> str:
    """A name that no two brands share, for systems that fold case or Unicode, and for Windows.

    A brand of few small letters, digits, '-' and '_' is its own; others end in a digest.
    """
    if re.fullmatch(r"[a-z0-9_-]{1,100}", brand) and not _DEVICE.fullmatch(brand):
        return brand
    digest = sha256(brand.encode(errors="surrogatepass")).hexdigest()
    return "~".join([re.sub(r"\W", "_", brand)[:40], digest[:16]])
