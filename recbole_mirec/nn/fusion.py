"""Fusion of a perspective's modalities, of which any may be missing."""

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recbole_mirec.nn.initialisation import initialised_linear
from recbole_mirec.nn.settings import FusionRule, Initialisation


def masked_product(
    branches: Sequence[Float[Tensor, "account dim"]], masks: Sequence[Bool[Tensor, "account"]]
) -> tuple[Float[Tensor, "account dim"], Bool[Tensor, "account"]]:
    """Elementwise product of the branches that are present.

    The outer ``o`` of (9) and (12) of Wang et al. (IEEE TMM 2023). Departure: the paper knows no
    missing branch. Here such a branch counts as a vector of ones, so that what is present is
    returned alone; its own values, NaN too, reach neither the result nor a gradient.

    Args:
        branches: One vector an account from each branch; at least one branch.
        masks: True where the account has that branch, in the order of ``branches``.

    Returns:
        The product, all zeros where no branch is present, and True where any is.
    """
    filled = [
        torch.where(mask[:, None], branch, 1.0)
        for branch, mask in zip(branches, masks, strict=True)
    ]
    present = reduce(torch.logical_or, masks)
    return torch.where(present[:, None], reduce(torch.mul, filled), 0.0), present


class Fusion(nn.Module):
    """Joins a perspective's modality embeddings into one vector: (9) and (12).

    - ``low_rank``: low-rank bilinear pooling, ``(e^p W_p + b_p) o (e^t W_t + b_t)``.
    - ``product``: ``e^p o e^t``, the published reference's form, without parameters.

    An account with one modality alone gets that branch as it would have entered the product: in
    ``low_rank`` its embedding after its own linear map (``e^t W_t + b_t``), in ``product`` the
    embedding itself. The same holds for a fusion built for one modality. So what an account
    without images gets does not depend on whether other accounts have some, and vectors of one
    and of two modalities live in the same space.

    Args:
        rule: Which of the two.
        modalities: The names of the modalities to be fused, at least one.
        dimension: ``d_a``, the width of the embeddings and of the result.
        initialisation: How the maps' first values are drawn.
        generator: Their source of randomness; None is torch's own.
    """

    def __init__(
        self,
        rule: FusionRule,
        modalities: Sequence[str],
        dimension: int,
        initialisation: Initialisation,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.maps = nn.ModuleDict()
        for modality in self.modalities:
            self.maps[modality] = (
                initialised_linear(dimension, dimension, initialisation, generator)
                if rule == "low_rank"
                else nn.Identity()
            )

    def forward(
        self,
        embeddings: Mapping[str, Float[Tensor, "account dim"]],
        masks: Mapping[str, Bool[Tensor, "account"]],
    ) -> tuple[Float[Tensor, "account dim"], Bool[Tensor, "account"]]:
        """Fuses what each account has.

        Args:
            embeddings: The towers' outputs by modality; finite, also where the modality is
                missing.
            masks: True where the account has the modality, by modality.

        Returns:
            The fused vectors, all zeros for accounts without any of the modalities, and True for
            accounts with at least one.
        """
        branches = [self.maps[modality](embeddings[modality]) for modality in self.modalities]
        return masked_product(branches, [masks[modality] for modality in self.modalities])
