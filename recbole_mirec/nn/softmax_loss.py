"""Softmax cross entropy of positives against every other training influencer."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def multi_positive_softmax(
    scores: Float[Tensor, "brand influencer"],
    positives: Bool[Tensor, "brand influencer"],
    weights: Float[Tensor, "brand influencer"],
) -> Float[Tensor, ""]:
    """Mean of ``-log(e^p / (e^p + sum of e^n))`` over the positives p, n the brand's negatives.

    Source: the contrastive loss of van den Oord et al., "Representation Learning with Contrastive
    Predictive Coding" (2018), (4), with each positive by itself against the negatives, as in the
    first form of Khosla et al., "Supervised Contrastive Learning" (NeurIPS 2020), (2). Departure:
    a brand's other positives stand in no denominator.

    Args:
        scores: Scores divided by their temperature.
        positives: True at known collaborations; everything else is a negative.
        weights: Weight of each positive, at least 0; those of negatives count for nothing.

    Returns:
        The weighted mean, at least 0; 0, with zero gradient, without positive weight.
    """
    against = scores.masked_fill(positives, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = torch.nn.functional.softplus(against - scores)
    # where, not a product: a brand without negatives has an infinite difference
    weights = torch.where(positives, weights, 0.0)
    return torch.where(weights > 0, losses * weights, 0.0).sum() / weights.sum().clamp(min=1e-12)
