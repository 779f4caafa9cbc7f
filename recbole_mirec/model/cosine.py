"""The untrained cosine of account features: the figure that a trained model has to beat."""

from typing import Any

import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from recbole_mirec.data.account_tables import AccountTables
from recbole_mirec.data.perspectives import (
    LISTS,
    attribute_source,
    available_perspectives,
    check_perspectives,
    incidence_features,
)
from recbole_mirec.errors import UsageError


class Cosine(GeneralRecommender):  # type: ignore[misc]
    """Sum over perspectives of the cosine between the accounts' raw features.

    A perspective's vector is the concatenation of its modalities, each of length 1; a missing
    modality is left out, a missing perspective adds 0. Attributes are 0/1 rows over the shared
    vocabulary, or the precomputed vector.

    Args:
        config: `perspectives` is read.
        dataset: brings `accounts`.

    Raises:
        UsageError: the data set has no account features.
    """

    type = ModelType.TRADITIONAL
    input_type = InputType.POINTWISE
    score_meaning = "the sum of the perspectives' cosines, each from -1 to 1"

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        if dataset.accounts is None:
            raise UsageError("Cosine needs account features, which this data set does not have.")
        wanted = check_perspectives(config["perspectives"])
        names = available_perspectives(dataset.accounts, wanted)
        for side in schema.SIDES:
            blocks = [_perspective(dataset.accounts, side, name) for name in names]
            self.register_buffer(f"{side}_vectors", torch.cat(blocks, dim=1), persistent=False)
        # RecBole's optimizer wants a parameter and its loop a loss.
        self.unused = nn.Parameter(torch.zeros(1))

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn: zero."""
        return self.unused.sum() * 0.0

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair), in [-P, P] for P perspectives."""
        brands = self.brand_vectors[interaction[self.USER_ID]]
        influencers = self.influencer_vectors[interaction[self.ITEM_ID]]
        scores: Tensor = (brands * influencers).sum(dim=1)
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer)."""
        scores: Tensor = self.brand_vectors[interaction[self.USER_ID]] @ self.influencer_vectors.T
        return scores.reshape(-1)


def _perspective(accounts: AccountTables, side: schema.Side, perspective: str) -> Tensor:
    """Unit rows (account, dimension) of one perspective; zero rows where it is missing."""
    table = accounts.sides[side]
    if perspective == "attribute" and attribute_source(accounts, "auto") == LISTS:
        return functional.normalize(incidence_features(accounts, side)[0])
    blocks = [
        functional.normalize(table.features[modality])
        for modality in schema.PERSPECTIVES[perspective]
        if modality in table.features
    ]
    return functional.normalize(torch.cat(blocks, dim=1))
