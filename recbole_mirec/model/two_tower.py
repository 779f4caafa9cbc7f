"""What models share whose score is the inner product of an account vector of either side."""

from typing import Any

import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.model.account_features import AccountFeatures
from recbole_mirec.model.cached import ForgetsInTraining

ACCOUNTS_AT_ONCE = 1024


class TwoTowerRecommender(ForgetsInTraining, GeneralRecommender):  # type: ignore[misc]
    """Trained on pairs, ranked by one matrix product.

    A subclass sets `accounts` and gives `encode` and `calculate_loss`.

    Args:
        config: RecBole's field names and the device are read.
        dataset: gives the numbers of brands and influencers.
    """

    input_type = InputType.PAIRWISE
    score_meaning = "the inner product of two account vectors, unbounded"
    accounts: AccountFeatures

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)

    def encode(self, side: schema.Side, ids: Tensor) -> Tensor:
        """Vectors of accounts by internal id: float32 (account, dimension)."""
        raise NotImplementedError

    def input_fingerprint(self) -> str:
        """Digest of the account features, which checkpoints leave out: sha256 in hex."""
        return self.accounts.fingerprint()

    def pair_scores(self, interaction: Any) -> tuple[Tensor, Tensor]:
        """Scores of a training batch's positives and of its negatives: float32 (pair), with grad.

        Both are encoded in one call, so that one dropout mask serves them.
        """
        brands = self.encode(schema.BRAND, interaction[self.USER_ID])
        both = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])
        positives, negatives = self.encode(schema.INFLUENCER, both).chunk(2)
        return (brands * positives).sum(dim=1), (brands * negatives).sum(dim=1)

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        vectors = self.account_vectors()
        brands = vectors[schema.BRAND][interaction[self.USER_ID]]
        influencers = vectors[schema.INFLUENCER][interaction[self.ITEM_ID]]
        return (brands * influencers).sum(dim=(1, 2))

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), one matrix product."""
        vectors = self.account_vectors()
        brands = vectors[schema.BRAND][interaction[self.USER_ID]].squeeze(1)
        return (brands @ vectors[schema.INFLUENCER].squeeze(1).T).reshape(-1)

    @torch.no_grad()
    def account_vectors(self) -> dict[schema.Side, Tensor]:
        """Vectors of all accounts, computed once until the model trains again.

        Returns:
            `brand` and `influencer` -> float32 (account, 1, dimension) by internal id, with one
            place where MIRec has its perspectives. Row 0 is padding and means nothing.
        """
        if self._kept is not None:
            return self._kept
        was_training = self.training
        self.eval()
        vectors = {side: self._encode_all(side) for side in schema.SIDES}
        if was_training:
            self.train()
        else:
            self._kept = vectors
        return vectors

    def _encode_all(self, side: schema.Side) -> Tensor:
        ids = torch.arange(self.accounts.n_accounts[side], device=self.device)
        blocks = [self.encode(side, block) for block in torch.split(ids, ACCOUNTS_AT_ONCE)]
        return torch.cat(blocks).unsqueeze(1)
