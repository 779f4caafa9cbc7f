"""Scores of brands for candidates, from any model: by its full ranking where it has one."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.data.interaction import Interaction
from tqdm import tqdm

BRANDS_AT_ONCE = 64


@torch.no_grad()
def score_matrix(
    model: Any,
    dataset: Any,
    brands: NDArray[np.int64],
    candidates: NDArray[np.int64],
    *,
    pairs_at_once: int,
    show_progress: bool = False,
) -> NDArray[np.float64]:
    """Score every brand for every candidate.

    Args:
        model: any RecBole model, in evaluation mode.
        dataset: its data set, which joins features to ids.
        brands: internal ids (brand).
        candidates: internal ids (candidate).
        pairs_at_once: upper bound on the pairs that a model without full ranking scores at once.
        show_progress: draw a progress bar.

    Returns:
        float64 (brand, candidate).
    """
    blocks = np.split(brands, range(BRANDS_AT_ONCE, len(brands), BRANDS_AT_ONCE))
    columns = torch.from_numpy(candidates)
    rows = []
    for block in tqdm(
        blocks, desc="Evaluate", unit="block", disable=not show_progress, leave=False
    ):
        scores = full_ranking(model, dataset, block)
        if scores is None:
            scores = pair_by_pair(model, dataset, block, candidates, pairs_at_once)
        else:
            scores = scores[:, columns.to(scores.device)]
        rows.append(scores.double().cpu().numpy())
    return np.concatenate(rows)


def full_ranking(model: Any, dataset: Any, brands: NDArray[np.int64]) -> torch.Tensor | None:
    """Scores (brand, influencer id) by `full_sort_predict`; None where a model has none."""
    interaction = Interaction({dataset.uid_field: torch.from_numpy(brands)})
    try:
        scores = model.full_sort_predict(interaction.to(model.device))
    except NotImplementedError:
        return None
    full: torch.Tensor = scores.view(len(brands), dataset.item_num)
    return full


def pair_by_pair(
    model: Any,
    dataset: Any,
    brands: NDArray[np.int64],
    candidates: NDArray[np.int64],
    pairs_at_once: int,
) -> torch.Tensor:
    """Scores (brand, candidate) by `predict`, over features joined to the ids."""
    users = torch.from_numpy(np.repeat(brands, len(candidates)))
    items = torch.from_numpy(np.tile(candidates, len(brands)))
    scores = []
    for some_users, some_items in zip(
        torch.split(users, pairs_at_once), torch.split(items, pairs_at_once), strict=True
    ):
        pairs = Interaction({dataset.uid_field: some_users, dataset.iid_field: some_items})
        scores.append(model.predict(dataset.join(pairs).to(model.device)).reshape(-1))
    return torch.cat(scores).reshape(len(brands), len(candidates))
