"""The account encoder of the published method, with every switch of its network."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recbole_mirec.nn.settings import ATTRIBUTE, INPUTS, Modality, NetworkSettings
from recbole_mirec.nn.towers import MLP, CoAttention, Fusion, linear


class AccountEncoder(nn.Module):
    """Represents brands and influencers by the same towers: (7)-(12), (18), (20)-(24).

    Source: Wang et al. (IEEE TMM 2023). Departures: what the two readings of the paper differ in
    is in `NetworkSettings`; modalities may be missing, by account or from the whole data set.

    A perspective is present where at least one of its modalities is; see `Fusion`. An absent one
    is an all-zero vector, so it adds 0 to the score of every pair. An account's vectors depend in
    evaluation mode on nothing but its own row; in training mode one weight mask (dropout
    ``first_weights``) serves all rows of a call, so hand brands, positives and negatives over in
    one call.

    Args:
        settings: The network's switches and widths.
        widths: Input width by modality, of the modalities the data set has: at least one of each
            perspective in use; others are passed over.
    """

    def __init__(self, settings: NetworkSettings, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.settings = settings
        # visual before topics, as (7) before (8): first values are drawn in this order
        parts = {
            perspective: [name for name in reversed(INPUTS[perspective]) if name in widths]
            for perspective in settings.perspectives
        }
        self.towers = nn.ModuleDict(
            {
                name: _tower(settings, name, widths[name])
                for names in parts.values()
                for name in names
            }
        )
        self.fusions = nn.ModuleDict(
            {
                perspective: Fusion({name: _map(settings, perspective) for name in names})
                for perspective, names in parts.items()
            }
        )
        both = {"content", "audience"} <= set(settings.perspectives)
        self.coattention = CoAttention(settings) if both else None

    def forward(
        self, modalities: Mapping[str, Modality], is_brand: Bool[Tensor, "account"]
    ) -> tuple[Float[Tensor, "account perspective dim"], Bool[Tensor, "account perspective"]]:
        """Encodes accounts of either side.

        Rows that a mask leaves out may hold anything, NaN too; modalities without a tower are
        passed over.

        Returns:
            The account vectors, perspectives in the order of ``settings.perspectives``, and True
            where the account has the perspective. An inner product of two accounts' flattened
            vectors is their score F (19)(25)-(27).
        """
        embeddings = {}
        for name, tower in self.towers.items():
            rows, mask = modalities[name]
            # zeros for what is missing: a NaN times a zero gradient would still be NaN
            embeddings[name] = Modality(tower(torch.where(mask[:, None], rows, 0.0)), mask)
        found = {name: fusion(embeddings) for name, fusion in self.fusions.items()}
        if self.coattention is not None:
            found["content"], found["audience"] = self.coattention(
                found["content"], found["audience"], is_brand
            )
        vectors, present = (torch.stack(some, dim=1) for some in zip(*found.values(), strict=True))
        return vectors, present


def _map(settings: NetworkSettings, perspective: str) -> nn.Module:
    # (18) maps the tower's output no further
    if settings.fusion == "product" or perspective == ATTRIBUTE:
        return nn.Identity()
    return linear(settings.dimension, settings.dimension, settings.initialisation)


def _tower(settings: NetworkSettings, modality: str, width: int) -> MLP:
    hidden, dropout = {
        "visual": (settings.visual_hidden, settings.dropout),
        "topics": (settings.topic_hidden, settings.dropout),
        ATTRIBUTE: (settings.attribute_hidden, settings.attribute_dropout),
    }[modality.rpartition("_")[2]]
    return MLP(
        width,
        hidden,
        settings.dimension,
        dropout=dropout,
        dropout_rate=settings.dropout_rate,
        initialisation=settings.initialisation,
    )
