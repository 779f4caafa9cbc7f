"""Losses: of pairs, triplets and lists, and against all training influencers."""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recbole_mirec.nn.settings import CrossEntropy, NetworkSettings, Number, TripletReduction


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

    Scores are divided by their temperature; what is not positive is a negative, whose weight
    counts for nothing. The weighted mean is at least 0; 0, with zero gradient, without positive
    weight.
    """
    against = scores.masked_fill(positives, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = functional.softplus(against - scores)
    # where, not a product: a brand without negatives has an infinite difference
    weights = torch.where(positives, weights, 0.0)
    return torch.where(weights > 0, losses * weights, 0.0).sum() / weights.sum().clamp(min=1e-12)


def draw_from_buckets(
    members: Int[Tensor, "list bucket slot"],
    sizes: Int[Tensor, "list bucket"],
    places: Float[Tensor, "list bucket"],
) -> Int[Tensor, "list bucket"]:
    """One member of each bucket, chosen by uniform draws in [0, 1).

    The first ``sizes`` slots of a bucket are filled; an empty one gives what stands in slot 0.
    """
    # rounding may carry a draw just below 1 up to the size itself
    slots = (places * sizes).long().minimum((sizes - 1).clamp(min=0))
    return members.gather(2, slots.unsqueeze(2)).squeeze(2)


def list_cross_entropy(
    scores: Float[Tensor, "list item"],
    labels: Float[Tensor, "list item"],
    mask: Bool[Tensor, "list item"],
) -> Float[Tensor, ""]:
    """Cross entropy between the distribution of a list's labels and the softmax of its scores.

    Source: the top-one listwise loss (Cao et al., ICML 2007, ListNet) as used by Gan et al. (ACM
    MM 2019). Departure: the labels' distribution is their share of the list's sum, not their
    softmax, so that a label of 0 has no share.

    Labels are at least 0, at least one of a list's kept ones above; what the mask leaves out may be
    anything.
    """
    shares = torch.where(mask, labels, 0.0)
    shares = shares / shares.sum(dim=1, keepdim=True)
    logits = torch.where(mask, scores, -torch.inf).log_softmax(dim=1)
    # 0 times minus infinity is NaN
    return -(shares * torch.where(mask, logits, 0.0)).sum(dim=1).mean()


def perspective_scores(
    brands: Float[Tensor, "pair perspective dim"],
    influencers: Float[Tensor, "pair perspective dim"],
) -> Float[Tensor, "pair perspective"]:
    """f, g and h, the inner products of each pair, whose sum is F: (19)(25)-(27).

    An absent perspective, an all-zero vector on either side, scores 0.
    """
    return (brands * influencers).sum(dim=-1)


def masked_mean(values: Float[Tensor, "pair"], mask: Bool[Tensor, "pair"]) -> Float[Tensor, ""]:
    """Mean of the values that the mask keeps; 0, with zero gradient, where it keeps nothing.

    Values that are left out may be anything.
    """
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)


def triplet_loss(
    positive_scores: Float[Tensor, "pair"],
    negative_scores: Float[Tensor, "pair"],
    margin: Number,
    reduction: TripletReduction,
    mask: Bool[Tensor, "pair"] | None = None,
) -> Float[Tensor, ""]:
    """``max(negative - positive + margin, 0)`` of one perspective: (28), (29) or (30).

    Departures: the paper does not say how the batch is reduced: ``mean`` is over all triplets,
    ``mean_active``, as in the published reference, over those whose loss is positive.

    ``margin`` is by how much a positive must lead for a loss of 0. Triplets count in neither mean
    where the mask, if there is one, says that brand, positive or negative lack the perspective.
    The loss is 0, with zero gradient, if there is no triplet to average.
    """
    losses = functional.relu(negative_scores - positive_scores + margin)
    counted = torch.ones_like(losses, dtype=torch.bool) if mask is None else mask
    return masked_mean(losses, counted & (losses > 0) if reduction == "mean_active" else counted)


def pair_cross_entropy(
    positive_scores: Float[Tensor, "pair"],
    negative_scores: Float[Tensor, "pair"],
    reading: CrossEntropy,
) -> Float[Tensor, ""]:
    """Cross entropy on F of the positive and the negative: (31), mean over the pairs, above 0.

    Departure: as printed, (31) takes the logarithm of an unbounded F and would raise the
    negatives. Instead ``softplus`` is ``softplus(-F(pos)) + softplus(F(neg))``, logistic
    regression on F; ``softmax_pair``, as in the published reference, is minus the logarithm of
    the positive's share in a softmax over the two, ``softplus(F(neg) - F(pos))``.
    """
    # -logsigmoid(-x) is softplus(x) without the switch to x that torch's softplus makes at 20
    if reading == "softmax_pair":
        return -functional.logsigmoid(positive_scores - negative_scores).mean()
    return -(
        functional.logsigmoid(positive_scores) + functional.logsigmoid(-negative_scores)
    ).mean()


def weight_matrices(module: nn.Module) -> list[Float[Tensor, "_ _"]]:
    """The weight matrices of a module, themselves: its parameters of two axes, no biases."""
    return [parameter for parameter in module.parameters() if parameter.ndim == 2]


def objective(
    settings: NetworkSettings,
    positive_scores: Float[Tensor, "pair perspective"],
    negative_scores: Float[Tensor, "pair perspective"],
    positive_mask: Bool[Tensor, "pair perspective"],
    negative_mask: Bool[Tensor, "pair perspective"],
    weights: Iterable[Float[Tensor, "_ _"]],
) -> dict[str, Float[Tensor, ""]]:
    """The terms of L': (28)-(32) of Wang et al. (IEEE TMM 2023); the loss is their sum.

    Departures, besides those of the terms themselves:

    - A pair of which either account lacks a perspective has no score there: it is left out of that
      perspective's triplets and of the penalty's mean. F sums the perspectives that are present,
      as it does in ranking, so every pair stays in (31).
    - ``score_penalty`` is not in the paper; the published reference adds the mean scores of
      positives and negatives, each with its weight.
    - "All the weights" of (32) are the weight matrices here, and not the biases.

    Args:
        settings: Perspectives, margins, weights and readings.
        positive_scores: f, g, h of brand and positive influencer, in the order of
            ``settings.perspectives``; at least one pair.
        negative_scores: The same of the brand and its negative influencer.
        positive_mask: True where brand and positive both have the perspective.
        negative_mask: True where brand and negative both have it.
        weights: The matrices of the L1 term; see `weight_matrices`.

    Returns:
        Scalars with their weights in them, one ``<perspective>_triplet`` a perspective first.
    """
    terms = {}
    zero = penalty = positive_scores.new_zeros(())
    sides = (positive_scores, positive_mask), (negative_scores, negative_mask)
    for column, name in enumerate(settings.perspectives):
        terms[f"{name}_triplet"] = triplet_loss(
            positive_scores[:, column],
            negative_scores[:, column],
            settings.margins[name],
            settings.triplet_reduction,
            positive_mask[:, column] & negative_mask[:, column],
        )
        for weight, (scores, mask) in zip(settings.score_penalties[name], sides, strict=True):
            penalty = penalty + weight * masked_mean(scores[:, column], mask[:, column])
    positive, negative = (torch.where(mask, scores, 0.0).sum(dim=1) for scores, mask in sides)
    terms["cross_entropy"] = pair_cross_entropy(positive, negative, settings.cross_entropy)
    terms["score_penalty"] = penalty
    terms["l1"] = settings.l1_weight * sum((weight.abs().sum() for weight in weights), start=zero)
    return terms
