"""Hubness: influencers that score high for many brands, and what they lose for it."""

import torch
from jaxtyping import Float
from torch import Tensor

# Influencers whose scores for all reference brands are held at once.
_AT_ONCE = 4096


def hubness(
    brands: Float[Tensor, "brand dim"],
    influencers: Float[Tensor, "influencer dim"],
    n_neighbours: int,
) -> Float[Tensor, "influencer"]:
    """Mean score of an influencer for the brands that it scores highest for.

    Source: the term r of Conneau et al., "Word Translation without Parallel Data" (ICLR 2018), (2):
    CSLS is twice the score less this mean and less the brand's own, which changes no ranking.

    Args:
        brands: Vectors of the reference brands.
        influencers: Vectors whose inner product with a brand's is the score.
        n_neighbours: How many brands the mean is over; all of them where there are fewer.

    Returns:
        One mean an influencer; zeros where there is no reference brand.
    """
    n_neighbours = min(n_neighbours, len(brands))
    if not n_neighbours:
        return influencers.new_zeros(len(influencers))
    blocks = [
        (block @ brands.T).topk(n_neighbours, dim=1).values.mean(dim=1)
        for block in torch.split(influencers, _AT_ONCE)
    ]
    return torch.cat(blocks)
