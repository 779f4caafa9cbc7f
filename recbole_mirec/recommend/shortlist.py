"""`--predict BRAND`: a brand's list by a finished run of any model, printed and written as CSV."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.data.interaction import Interaction

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.files import file_name, write_csv
from recbole_mirec.data.dataset import MirecDataset
from recbole_mirec.experiment import open_run
from recbole_mirec.recommend.bundle import NotServedError
from recbole_mirec.recommend.recommender import Recommender, tie_notes
from recbole_mirec.results import (
    data_title,
    format_table,
    is_synthetic,
    ranking_notes,
    score_note,
)
from recbole_mirec.runs import Run
from recbole_mirec.trainer import score_matrix


def shortlist(run: Run, brand: str, *, top: int) -> str:
    """Rank influencers for a brand by a finished run's best epoch; writes a CSV, returns a text.

    `Recommender` answers for the models that it serves, other models score for themselves. Known
    partners, those of validation and test too, are left out.

    Raises:
        UsageError: an unknown brand, one that nobody is left for, a checkpoint that does not fit
            the data.
    """
    try:
        if run.record["model"] != "MIRec":
            raise NotServedError
        recommender = Recommender.load(run.folder)
        found = recommender.recommend(brand, top)
        (text, frame), name = recommender.listed(found), found.brand.name
    except NotServedError:
        (text, frame), name = _by_the_model(run, brand, top), brand
    path = run.folder / "predictions" / f"{file_name(name)}.csv"
    write_csv(path, frame)
    return f"{text}\nModel: {run.folder}\nWritten to {path}"


def _by_the_model(run: Run, brand: str, top: int) -> tuple[str, pd.DataFrame]:
    experiment = open_run(run.record["settings"], run.folder)
    config, dataset = experiment.config, experiment.dataset
    brand_id = _brand_id(dataset, brand)
    known = np.concatenate(list(dataset.pairs.values()))
    known = known[known[:, 0] == brand_id, 1]
    candidates = np.setdiff1d(np.arange(1, dataset.item_num), known)
    if not len(candidates):
        raise UsageError(f"Brand '{brand}' has worked with every influencer: nobody is left.")
    scores = score_matrix(
        experiment.model,
        dataset,
        np.array([brand_id]),
        candidates,
        pairs_at_once=config["eval_batch_size"],
    )[0]
    best = np.argsort(-scores, kind="stable")[:top]
    tokens = dataset.id2token(dataset.iid_field, candidates[best])
    frame = pd.DataFrame(
        {"rank": np.arange(1, len(best) + 1), schema.INFLUENCER_ID: tokens, "score": scores[best]}
    )
    if hasattr(experiment.model, "perspective_scores"):
        users, items = torch.full((len(best),), brand_id), torch.from_numpy(candidates[best])
        pairs = Interaction({dataset.uid_field: users, dataset.iid_field: items})
        with torch.no_grad():
            shares = experiment.model.perspective_scores(pairs.to(experiment.model.device))
        frame[list(experiment.model.perspectives)] = shares.cpu().numpy()
    if isinstance(dataset, MirecDataset) and dataset.accounts is not None:
        followers = dataset.accounts.sides[schema.INFLUENCER].followers[candidates[best]]
        if not np.isnan(followers).all():
            frame[schema.FOLLOWERS] = pd.Series(followers).round().astype("Int64")
    n_learnt = int((dataset.pairs[schema.TRAIN][:, 0] == brand_id).sum())
    notes = [score_note(experiment.model), *ranking_notes(config, n_collaborations=n_learnt)]
    notes += [f"{len(known)} known partners of the brand are left out"] * bool(len(known))
    notes += tie_notes(scores, scores[best], top)
    title = (
        f"{brand}: the best {len(best)} of {len(candidates)} influencers, by {config['model']} on "
        f"{data_title(config['dataset'], synthetic=is_synthetic(dataset))}"
    )
    told = [f"Note: {note}" for note in notes]
    return "\n".join([title, format_table(frame, decimals=3), *told]), frame


def _brand_id(dataset: Any, brand: str) -> int:
    brands = {name: row for name, row in dataset.field2token_id[dataset.uid_field].items() if row}
    if brand not in brands:
        near = nearest(brand, brands)
        raise UsageError(f"Unknown brand '{brand}' in data set {dataset.dataset_name}.{near}")
    return int(brands[brand])
