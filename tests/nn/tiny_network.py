"""Tiny networks of distinct prime widths, with the presets of MIRec, and their inputs."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dataset_convert.common.values import load_yaml
from recbole_mirec.nn.encoder import AccountEncoder
from recbole_mirec.nn.fitted import Fitted, Layout
from recbole_mirec.nn.metric import MetricEncoder
from recbole_mirec.nn.settings import MetricSettings, Modality, NetworkSettings

KEYS = load_yaml(Path(__file__).parents[2] / "properties" / "model" / "MIRec.yaml")
DIMENSIONS = {
    "content_visual": 7,
    "content_topics": 5,
    "audience_visual": 11,
    "audience_topics": 3,
    "attribute": 13,
}
WIDTHS: dict[str, Any] = {
    "dimension": 17,
    "visual_hidden": (19, 23, 29),
    "topic_hidden": (31,),
    "attribute_hidden": (37,),
}


def preset(kind: type[Any], variant: str, **changes: Any) -> Any:
    given = KEYS | KEYS["variants"][variant] | changes
    return kind(**{name: given[name] for name in kind.model_fields})


PAPER: NetworkSettings = preset(NetworkSettings, "paper", **WIDTHS)
REFERENCE: NetworkSettings = preset(NetworkSettings, "reference", **WIDTHS)
METRIC: MetricSettings = preset(
    MetricSettings, "mirec", dropout_rate=0.0, modality_dropout=0.0, temperature=0.25
)
# Two pairs within one perspective meet one modality of influencers; two modalities share a space.
LAYOUT = Layout(
    pairs=(
        ("content", "content_topics", "content_topics"),
        ("content", "content_text", "profile_text"),
        ("content", "profile_text", "profile_text"),
        ("attribute", "attribute_vector", "attribute_vector"),
    ),
    spaces={
        "content_topics": "content_topics",
        "content_text": "text",
        "profile_text": "text",
        "attribute_vector": "attribute_vector",
    },
    rooted=("content_topics",),
    kernels={},
    hubness=0.0,
    neighbours=3,
)
SPACES = {"content_topics": 5, "text": 3, "attribute_vector": 7}


def fitted_of(made: MetricEncoder) -> Fitted:
    """An encoder's parameters as arrays."""
    maps = {f"map {name}": of.detach().numpy() for name, of in made.maps.items()}
    return Fitted({**maps, "scale": made.scale().detach().numpy()}, LAYOUT)


class Accounts(NamedTuple):
    modalities: dict[str, Modality]
    is_brand: Tensor

    def rows(self, rows: Any) -> "Accounts":
        chosen = {
            name: Modality(values[rows], mask[rows])
            for name, (values, mask) in self.modalities.items()
        }
        return Accounts(chosen, self.is_brand[rows])


def random_accounts(n_accounts: int, seed: int, *, complete: bool = True) -> Accounts:
    generator = torch.Generator().manual_seed(seed)
    features = {
        name: torch.randn(n_accounts, width, generator=generator, dtype=torch.float64)
        for name, width in DIMENSIONS.items()
    }
    present = 2.0 if complete else 0.6
    modalities = {
        name: Modality(values, torch.rand(n_accounts, generator=generator) < present)
        for name, values in features.items()
    }
    return Accounts(modalities, torch.arange(n_accounts) % 2 == 0)


def tiny_encoder(settings: NetworkSettings, widths: dict[str, int] = DIMENSIONS) -> AccountEncoder:
    """An encoder in evaluation mode whose scores are large enough to tell readings apart."""
    torch.manual_seed(0)
    encoder = AccountEncoder(settings, widths).double().eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(3.0)
    return encoder


def changed(**changes: Any) -> NetworkSettings:
    """The paper's settings with some of them replaced."""
    return NetworkSettings(**(PAPER.model_dump() | changes))
