"""Lists of influencers of one brand: drawing them from buckets, and their loss."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def draw_from_buckets(
    members: Int[Tensor, "list bucket slot"],
    sizes: Int[Tensor, "list bucket"],
    places: Float[Tensor, "list bucket"],
) -> Int[Tensor, "list bucket"]:
    """One member of each bucket.

    Args:
        members: Ids, the first ``sizes`` slots of a bucket filled.
        sizes: Numbers of members.
        places: Uniform draws in [0, 1), which choose the slot.

    Returns:
        The ids drawn; whatever stands in slot 0 for an empty bucket.
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

    Args:
        scores: Of any size.
        labels: At least 0, with at least one above 0 among the kept items of a list.
        mask: True for the items that the list has; others may hold anything.

    Returns:
        The mean over the lists, at least the mean entropy of the labels' distributions.
    """
    shares = torch.where(mask, labels, 0.0)
    shares = shares / shares.sum(dim=1, keepdim=True)
    logits = torch.where(mask, scores, -torch.inf).log_softmax(dim=1)
    # 0 times minus infinity is NaN
    return -(shares * torch.where(mask, logits, 0.0)).sum(dim=1).mean()
