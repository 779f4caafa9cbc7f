"""A random order of the influencers: what chance gives."""

from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import Tensor, nn


class Random(GeneralRecommender):  # type: ignore[misc]
    """Scores every pair by a number drawn once from the seed, uniform in [0, 1).

    Args:
        config: `seed` is read.
        dataset: gives the numbers of brands and influencers.
    """

    type = ModelType.TRADITIONAL
    input_type = InputType.POINTWISE
    deterministic = False

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        generator = np.random.default_rng(config["seed"])
        scores = generator.random((self.n_users, self.n_items), dtype=np.float32)
        self.register_buffer("scores", torch.from_numpy(scores), persistent=False)
        # RecBole's optimizer wants a parameter and its loop a loss.
        self.unused = nn.Parameter(torch.zeros(1))

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn: zero."""
        return self.unused.sum() * 0.0

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        scores: Tensor = self.scores[interaction[self.USER_ID], interaction[self.ITEM_ID]]
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), a fresh tensor."""
        rows: Tensor = self.scores[interaction[self.USER_ID]]
        return rows.clone().reshape(-1)
