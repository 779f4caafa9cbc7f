"""A learnt metric for every modality: towers about the identity, cosines, temperatures."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recbole_mirec.nn.checks import Number, require_known, require_number
from recbole_mirec.nn.mlp import LEAK

TowerKind = Literal["linear", "mlp"]
TOWER_KINDS = ("linear", "mlp")
_HIDDEN = 512


class MetricEncoder(nn.Module):
    """Vectors whose inner product is, by modality, a learnt cosine over its temperature.

    An account's modality x becomes ``x + g(x)``, scaled to length 1 and by the root of the
    modality's inverse temperature, so that two accounts' product is ``cos / temperature``: what
    content, audience and attributes are worth beside each other is learnt. Towers serve brands
    and influencers alike and have no biases in the end: a missing modality, a zero row, is a zero
    vector. g starts at 0, so that an untrained encoder gives the cosines of its inputs.

    Source: the identity path is that of He et al., "Deep Residual Learning" (CVPR 2016); a cosine
    with a learnt temperature in a softmax is that of Radford et al., "Learning Transferable Visual
    Models From Natural Language Supervision" (ICML 2021).

    Args:
        widths: Input width by modality.
        perspectives: Perspective -> its modalities, at least one each, all in `widths`.
        tower: g: ``linear`` is one matrix on inputs of which `dropout_rate` are dropped; ``mlp``
            has a hidden layer of 512 with leaky ReLU, and drops there.
        dropout_rate: The share that is dropped in training, in [0, 1).
        modality_dropout: The share of accounts that lack a modality in training, in [0, 1), drawn
            by modality.
        temperature: The temperatures' first value, above 0.
        identity: False leaves the identity path out, for comparison; g then starts at random.

    Raises:
        ValueError: If a tower is unknown or a number out of its range.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        perspectives: Mapping[str, Sequence[str]],
        *,
        tower: TowerKind,
        dropout_rate: Number,
        modality_dropout: Number,
        temperature: Number,
        identity: bool = True,
    ) -> None:
        super().__init__()
        require_known("tower", tower, TOWER_KINDS)
        require_number("dropout_rate", dropout_rate, minimum=0, below=1)
        require_number("modality_dropout", modality_dropout, minimum=0, below=1)
        require_number("temperature", temperature, minimum=1e-3)
        self.perspectives = {name: tuple(parts) for name, parts in perspectives.items()}
        self.identity = identity
        self.modality_dropout = modality_dropout
        self.towers = nn.ModuleDict(
            {name: _tower(width, tower, dropout_rate, identity) for name, width in widths.items()}
        )
        start = -torch.log(torch.tensor(float(temperature)))
        self.log_inverse_temperature = nn.ParameterDict(
            {name: nn.Parameter(start.clone()) for name in widths}
        )

    def forward(
        self,
        features: Mapping[str, Float[Tensor, "account _"]],
        masks: Mapping[str, Bool[Tensor, "account"]],
    ) -> list[Float[Tensor, "account _"]]:
        """Encodes accounts of either side.

        Args:
            features: Standardised rows by modality; zeros where missing.
            masks: True where the account has the modality.

        Returns:
            One tensor a perspective, in the order given at construction: its modalities' vectors
            side by side, zeros where missing.
        """
        vectors = {
            name: self._modality(name, tower, features[name], masks[name])
            for name, tower in self.towers.items()
        }
        return [
            torch.cat([vectors[name] for name in parts], dim=1)
            for parts in self.perspectives.values()
        ]

    def _modality(self, name: str, tower: nn.Module, rows: Tensor, mask: Tensor) -> Tensor:
        moved: Tensor = tower(rows)
        unit = functional.normalize(rows + moved if self.identity else moved)
        if self.training and self.modality_dropout:
            mask = mask & (torch.rand(len(mask), device=mask.device) >= self.modality_dropout)
        scale = (self.log_inverse_temperature[name] / 2).exp()
        return torch.where(mask[:, None], unit * scale, 0.0)


def _tower(width: int, kind: TowerKind, dropout_rate: Number, identity: bool) -> nn.Module:
    last = nn.Linear(width if kind == "linear" else _HIDDEN, width, bias=False)
    if identity:
        nn.init.zeros_(last.weight)
    if kind == "linear":
        return nn.Sequential(nn.Dropout(dropout_rate), last)
    return nn.Sequential(
        nn.Linear(width, _HIDDEN), nn.LeakyReLU(LEAK), nn.Dropout(dropout_rate), last
    )
