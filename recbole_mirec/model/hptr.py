"""HPTR: MIR's representation under a triplet ranking loss."""

from typing import Any

import torch
from torch import Tensor

from recbole_mirec.model.history import READS_CONTENT, HistoryRecommender
from recbole_mirec.nn.objective import triplet_loss


class HPTR(HistoryRecommender):
    """History pooling with triplet ranking, a comparison of MIR's and CAMERA's papers.

    Source: the comparison of that name in Wang et al., IEEE TMM 25 (2023), on our inputs as `MIR`
    is: pooled topics and visual semantics, one random negative, the hinge on the positive's lead.
    Departure: no margin is published; the mean is over the triplets whose loss is positive, as in
    CAMERA.

    Args:
        config: the keys of `properties/model/HPTR.yaml`.
        dataset: brings `accounts`.

    Raises:
        UsageError: the data set lacks topics and visual semantics of content.
    """

    figure_notes = (f"HPTR {READS_CONTENT}",)

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.margin = config["triplet_margin"]

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean hinge of the batch's triplets, at least 0."""
        positives, negatives = self.pair_scores(interaction)
        every = torch.ones_like(positives, dtype=torch.bool)
        return triplet_loss(positives, negatives, every, self.margin, "mean_active")
