"""What the tests of models share: small widths, experiments, and their scores as arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from little_data import settings
from numpy.typing import NDArray
from recbole.data.interaction import Interaction

from recbole_mirec.experiment import Experiment, prepare

ALL = ("content", "audience", "attribute")
GRAPH = {"graph_method": "netmf", "graph_dimension": 5}
# Widths that make a training of our baselines take a second.
SMALL: dict[str, dict[str, Any]] = {
    "ContentTwoTower": {"tower_hidden": [11], "tower_dimension": 7},
    "MIR": {"topic_tower": [11], "visual_tower": [13], "tower_dimension": 7},
    "HPTR": {"topic_tower": [11], "visual_tower": [13], "tower_dimension": 7},
    "CATR": {"fusion_tower": [11], "tower_dimension": 7, **GRAPH},
    "CAMERA": {"concept_tower": [13], "fusion_tower": [11], "tower_dimension": 7, **GRAPH},
}


def made(folder: Path, model: str = "MIRec", *args: Any, **changes: Any) -> Experiment:
    """An experiment in evaluation mode, as it is before any training."""
    experiment = prepare(settings(folder, model, *args, **(SMALL.get(model, {}) | changes)))
    experiment.model.eval()
    return experiment


def shaken(experiment: Experiment, spread: float) -> Experiment:
    """The experiment with parameters as after some steps, which tell scores apart."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in experiment.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * spread)
    if hasattr(experiment.model, "method"):
        experiment.model.method._changed = True
    return experiment


def forget(model: Any) -> None:
    """Drop what is computed once, as training does."""
    model.train()
    model.eval()


def every_pair(experiment: Experiment) -> Interaction:
    n_brands, n_influencers = experiment.dataset.user_num, experiment.dataset.item_num
    return Interaction(
        {
            "brand_id": torch.arange(n_brands).repeat_interleave(n_influencers),
            "influencer_id": torch.arange(n_influencers).repeat(n_brands),
        }
    )


@torch.no_grad()
def scores(experiment: Experiment) -> NDArray[np.float64]:
    """Scores by `predict` and by internal id, padding included: (brand, influencer)."""
    found = experiment.model.predict(every_pair(experiment)).double().numpy()
    shaped: NDArray[np.float64] = found.reshape(experiment.dataset.user_num, -1)
    return shaped


@torch.no_grad()
def full_scores(experiment: Experiment) -> NDArray[np.float64]:
    """The same by `full_sort_predict`."""
    brands = Interaction({"brand_id": torch.arange(experiment.dataset.user_num)})
    found: NDArray[np.float64] = experiment.model.full_sort_predict(brands).double().numpy()
    return found.reshape(experiment.dataset.user_num, -1)


def shares(experiment: Experiment) -> NDArray[np.float64]:
    """What each perspective adds: (brand, influencer, perspective)."""
    found = experiment.model.perspective_scores(every_pair(experiment)).detach().double().numpy()
    shape = experiment.dataset.user_num, experiment.dataset.item_num, -1
    shaped: NDArray[np.float64] = found.reshape(shape)
    return shaped


def fitted(experiment: Experiment) -> Experiment:
    """The experiment after its epochs, in evaluation mode."""
    experiment.trainer.fit(experiment.trainer.train_data, None, saved=False)
    experiment.model.eval()
    return experiment


def batch_of(experiment: Experiment) -> Interaction:
    """The first batch of training."""
    torch.manual_seed(3)
    return next(iter(experiment.trainer.train_data))
