"""The account encoder of the published method, with every switch of its network."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recbole_mirec.nn.settings import ATTRIBUTE, INPUTS, NetworkSettings
from recbole_mirec.nn.towers import MLP, CoAttention, Fusion


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
        dimensions: Input width by modality, of the modalities the data set has: at least one of
            each perspective in use; others are passed over.
        generator: Source of the first values; None is torch's own, which the caller has seeded.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        dimensions: Mapping[str, int],
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        # visual before topics, as (7) before (8): first values are drawn in this order
        parts = {
            perspective: [name for name in reversed(INPUTS[perspective]) if name in dimensions]
            for perspective in settings.perspectives
        }
        self.dimensions = {name: dimensions[name] for names in parts.values() for name in names}
        self.towers = nn.ModuleDict(
            {
                modality: _tower(settings, modality, width, generator)
                for modality, width in self.dimensions.items()
            }
        )
        self.fusions = nn.ModuleDict(
            {
                perspective: Fusion(
                    # (18) maps the tower's output no further
                    "product" if perspective == ATTRIBUTE else settings.fusion,
                    modalities,
                    settings.dimension,
                    settings.initialisation,
                    generator,
                )
                for perspective, modalities in parts.items()
            }
        )
        self.coattention: CoAttention | None = None
        if {"content", "audience"} <= set(settings.perspectives):
            self.coattention = CoAttention(
                settings.dimension,
                settings.coattention_input,
                settings.coattention_sides,
                settings.initialisation,
                generator,
            )

    def forward(
        self,
        features: Mapping[str, Float[Tensor, "account _"]],
        masks: Mapping[str, Bool[Tensor, "account"]],
        is_brand: Bool[Tensor, "account"],
    ) -> tuple[Float[Tensor, "account perspective dim"], Bool[Tensor, "account perspective"]]:
        """Encodes accounts of either side.

        Rows of features that the mask leaves out may hold anything, NaN too; modalities without a
        tower are passed over.

        Returns:
            The account vectors, perspectives in the order of ``settings.perspectives``, and True
            where the account has the perspective. An inner product of two accounts' flattened
            vectors is their score F (19)(25)-(27).
        """
        embeddings = {
            # zeros for what is missing: a NaN times a zero gradient would still be NaN
            modality: tower(torch.where(masks[modality][:, None], features[modality], 0.0))
            for modality, tower in self.towers.items()
        }
        vectors: dict[str, Tensor] = {}
        present: dict[str, Tensor] = {}
        for perspective, fusion in self.fusions.items():
            vectors[perspective], present[perspective] = fusion(embeddings, masks)
        if self.coattention is not None:
            vectors["content"], vectors["audience"] = self.coattention(
                vectors["content"],
                vectors["audience"],
                present["content"] & present["audience"],
                is_brand,
            )
        return (
            torch.stack(list(vectors.values()), dim=1),
            torch.stack(list(present.values()), dim=1),
        )


def _tower(
    settings: NetworkSettings, modality: str, width: int, generator: torch.Generator | None
) -> MLP:
    kind = modality.rpartition("_")[2]
    hidden = {"visual": settings.visual_hidden, "topics": settings.topic_hidden}
    return MLP(
        width,
        hidden.get(kind, settings.attribute_hidden),
        settings.dimension,
        dropout=settings.dropout if kind in hidden else settings.attribute_dropout,
        dropout_rate=settings.dropout_rate,
        initialisation=settings.initialisation,
        generator=generator,
    )
