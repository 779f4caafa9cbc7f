"""What models share that rank influencers by one number each, whatever the brand."""

from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import Tensor, nn


class InfluencerScores(GeneralRecommender):  # type: ignore[misc]
    """Models that rank influencers by one number each, whatever the brand.

    Ties stay ties: the metrics give what a random order of the tied gives on average.

    Args:
        config: RecBole's field names are read.
        dataset: gives the numbers of brands and influencers.
        scores: float (influencer) by internal id, padding first.
    """

    type = ModelType.TRADITIONAL
    input_type = InputType.POINTWISE

    def __init__(self, config: Any, dataset: Any, scores: "np.ndarray[Any, Any]"):
        super().__init__(config, dataset)
        values = torch.from_numpy(scores.astype(np.float32))
        self.register_buffer("scores", values, persistent=False)
        # RecBole's optimizer wants a parameter and its loop a loss.
        self.unused = nn.Parameter(torch.zeros(1))

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn: zero."""
        return self.unused.sum() * 0.0

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        scores: Tensor = self.scores[interaction[self.ITEM_ID]]
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), a fresh tensor."""
        scores: Tensor = self.scores.repeat(len(interaction[self.USER_ID]))
        return scores
