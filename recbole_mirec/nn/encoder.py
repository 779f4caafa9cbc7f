"""The account encoder of the published method, with every switch of its network."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recbole_mirec.nn.perspectives import (
    MODALITIES,
    PERSPECTIVE_MODALITIES,
)
from recbole_mirec.nn.settings import (
    NetworkSettings,
    require_known,
    require_width,
)
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
        dimensions: Input width by modality name, of the modalities the data set has. Those of
            perspectives that are not in use are passed over.
        generator: Source of the first values; None is torch's own, which the caller has seeded.

    Raises:
        ValueError: If a modality is unknown or its width no positive integer, or if a perspective
            in use has no modality.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        dimensions: Mapping[str, int],
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.dimensions = _dimensions_in_use(settings, dimensions)
        self.towers = nn.ModuleDict(
            {
                modality: _tower(settings, modality, width, generator)
                for modality, width in self.dimensions.items()
            }
        )
        self.fusions = nn.ModuleDict(
            {
                perspective: _fusion(settings, perspective, self.dimensions, generator)
                for perspective in settings.perspectives
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

        Args:
            features: Inputs by modality, of the widths given at construction; rows that the mask
                leaves out may hold anything, NaN too. Modalities without a tower are passed over.
            masks: True where the account has the modality, by modality.
            is_brand: True for brands, False for influencers.

        Returns:
            The account vectors, perspectives in the order of ``settings.perspectives``, and True
            where the account has the perspective. An inner product of two accounts' flattened
            vectors is their score F (19)(25)-(27).

        Raises:
            ValueError: If a modality's features or mask are missing or of another size.
        """
        self._check_inputs(features, masks, len(is_brand))
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
        order = self.settings.perspectives
        return (
            torch.stack([vectors[perspective] for perspective in order], dim=1),
            torch.stack([present[perspective] for perspective in order], dim=1),
        )

    def _check_inputs(
        self, features: Mapping[str, Tensor], masks: Mapping[str, Tensor], n_accounts: int
    ) -> None:
        for modality, width in self.dimensions.items():
            for name, given in (("features", features), ("masks", masks)):
                if modality not in given:
                    raise ValueError(
                        f"The '{name}' parameter of AccountEncoder must hold {modality!r}. "
                        f"Received: {sorted(given)}."
                    )
            shapes = tuple(features[modality].shape), tuple(masks[modality].shape)
            if shapes != ((n_accounts, width), (n_accounts,)):
                raise ValueError(
                    f"The features and the mask of {modality!r} must have the shapes "
                    f"{(n_accounts, width)} and {(n_accounts,)}. Received: {shapes[0]} and "
                    f"{shapes[1]}."
                )


def _dimensions_in_use(settings: NetworkSettings, dimensions: Mapping[str, int]) -> dict[str, int]:
    """The widths of the modalities of the perspectives in use, in a fixed order."""
    for modality, width in dimensions.items():
        require_known("dimensions", modality, MODALITIES)
        require_width(f"dimensions[{modality}]", width)
    for perspective in settings.perspectives:
        modalities = PERSPECTIVE_MODALITIES[perspective]
        if not any(modality in dimensions for modality in modalities):
            raise ValueError(
                f"The 'dimensions' parameter of AccountEncoder must hold at least one of "
                f"{', '.join(modalities)}, since the perspective {perspective!r} is in use. "
                f"Received: {sorted(dimensions)}. Leave the perspective out if the data lack it."
            )
    return {
        modality: dimensions[modality]
        for perspective in settings.perspectives
        for modality in PERSPECTIVE_MODALITIES[perspective]
        if modality in dimensions
    }


def _tower(
    settings: NetworkSettings, modality: str, width: int, generator: torch.Generator | None
) -> MLP:
    hidden = settings.visual_hidden
    if modality == "attribute":
        hidden = settings.attribute_hidden
    elif modality.endswith("_topics"):
        hidden = settings.topic_hidden
    return MLP(
        width,
        hidden,
        settings.dimension,
        dropout=settings.attribute_dropout if modality == "attribute" else settings.dropout,
        dropout_rate=settings.dropout_rate,
        initialisation=settings.initialisation,
        generator=generator,
    )


def _fusion(
    settings: NetworkSettings,
    perspective: str,
    dimensions: Mapping[str, int],
    generator: torch.Generator | None,
) -> Fusion:
    modalities = PERSPECTIVE_MODALITIES[perspective]
    return Fusion(
        # (18) maps the tower's output no further: a product of one factor leaves it as it is
        settings.fusion if len(modalities) > 1 else "product",
        [modality for modality in modalities if modality in dimensions],
        settings.dimension,
        settings.initialisation,
        generator,
    )
