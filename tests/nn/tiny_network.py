"""Tiny networks of distinct prime widths, in both readings of the paper, and their inputs."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from recbole_mirec.nn.encoder import AccountEncoder
from recbole_mirec.nn.settings import MetricSettings, NetworkSettings

DIMENSIONS = {
    "content_visual": 7,
    "content_topics": 5,
    "audience_visual": 11,
    "audience_topics": 3,
    "attribute": 13,
}
WIDTHS: dict[str, Any] = {
    "perspectives": ("content", "audience", "attribute"),
    "dimension": 17,
    "visual_hidden": (19, 23, 29),
    "topic_hidden": (31,),
    "attribute_hidden": (37,),
    "margins": {"content": 4.0, "audience": 2.0, "attribute": 2.0},
    "dropout_rate": 0.5,
    "l1_weight": 0.001,
}
PAPER = NetworkSettings(
    fusion="low_rank",
    coattention_input="raw",
    coattention_sides="shared",
    dropout="first_activations",
    attribute_dropout="first_activations",
    initialisation="uniform_0.1",
    triplet_reduction="mean",
    cross_entropy="softplus",
    score_penalties={"content": (0.0, 0.0), "audience": (0.0, 0.0), "attribute": (0.0, 0.0)},
    **WIDTHS,
)
REFERENCE = NetworkSettings(
    fusion="product",
    coattention_input="sigmoid",
    coattention_sides="separate",
    dropout="first_weights",
    attribute_dropout="none",
    initialisation="normal_0.1",
    triplet_reduction="mean_active",
    cross_entropy="softmax_pair",
    score_penalties={"content": (0.01, 0.01), "audience": (0.02, 0.02), "attribute": (0.01, 0.01)},
    **WIDTHS,
)
METRIC = MetricSettings(
    square_roots=True,
    centring=True,
    input_dimension=13,
    tower="linear",
    identity_path=True,
    dropout_rate=0.0,
    modality_dropout=0.0,
    temperature=0.25,
    n_negatives=17,
    competence_power=0.5,
    peer_weight=0.0,
    plda_weight=0.5,
    plda_dimension=11,
    plda_shrinkage=1.0,
    plda_cross_share=0.0,
    raw_weight=2.0,
    category_weight=0.3,
    category_inverse_penalty=16.0,
    hubness_weight=0.25,
    hubness_neighbours=7,
    csls=False,
)


class Accounts(NamedTuple):
    features: dict[str, Tensor]
    masks: dict[str, Tensor]
    is_brand: Tensor

    def rows(self, rows: Any) -> "Accounts":
        return Accounts(
            {name: values[rows] for name, values in self.features.items()},
            {name: mask[rows] for name, mask in self.masks.items()},
            self.is_brand[rows],
        )


def random_accounts(n_accounts: int, seed: int, *, complete: bool = True) -> Accounts:
    generator = torch.Generator().manual_seed(seed)
    features = {
        name: torch.randn(n_accounts, width, generator=generator, dtype=torch.float64)
        for name, width in DIMENSIONS.items()
    }
    present = 2.0 if complete else 0.6
    masks = {name: torch.rand(n_accounts, generator=generator) < present for name in DIMENSIONS}
    return Accounts(features, masks, torch.arange(n_accounts) % 2 == 0)


def wide_encoder(settings: NetworkSettings, seed: int = 0) -> AccountEncoder:
    """An encoder in evaluation mode whose scores are large enough to tell readings apart."""
    generator = torch.Generator().manual_seed(seed)
    encoder = AccountEncoder(settings, DIMENSIONS, generator).double().eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(3.0)
    return encoder


def changed(**changes: Any) -> NetworkSettings:
    """The paper's settings with some of them replaced."""
    return NetworkSettings(**(PAPER.model_dump() | changes))
