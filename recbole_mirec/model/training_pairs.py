"""Training collaborations as tensors: who takes part, who belongs to whom, and how much."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dataset_convert import schema


class TrainingPairs(nn.Module):
    """Training collaborations on the model's device, left out of checkpoints.

    Args:
        pairs: int64 (pair, 2), internal ids.
        weights: float64 (pair), above 0 on average.
        n_accounts: side -> number of internal ids.
    """

    def __init__(
        self,
        pairs: NDArray[np.int64],
        weights: NDArray[np.float64],
        n_accounts: dict[schema.Side, int],
    ):
        super().__init__()
        self.n_accounts = n_accounts
        self.pairs: Tensor
        self.weights: Tensor
        self.brands: Tensor
        self.influencers: Tensor
        self.register_buffer("pairs", torch.from_numpy(pairs), persistent=False)
        self.register_buffer("weights", torch.from_numpy(weights).float(), persistent=False)
        for name, column in (("brands", 0), ("influencers", 1)):
            ids = torch.from_numpy(np.unique(pairs[:, column]))
            self.register_buffer(name, ids, persistent=False)

    def is_training(self, side: schema.Side) -> Tensor:
        """True at internal ids with a training collaboration: bool (account)."""
        ids = self.brands if side == schema.BRAND else self.influencers
        mask = torch.zeros(self.n_accounts[side], dtype=torch.bool, device=ids.device)
        mask[ids] = True
        return mask

    def some_influencers(self, wanted: Tensor, most: int) -> Tensor:
        """Training influencers, sorted: all, or the wanted ones and as many others as drawn.

        Args:
            wanted: internal ids that must be among them.
            most: how many at most; more only where more are wanted.
        """
        everyone = self.influencers
        if len(everyone) <= most:
            return everyone
        wanted = torch.unique(wanted)
        others = everyone[~torch.isin(everyone, wanted)]
        drawn = torch.randperm(len(others), device=others.device)[: max(most - len(wanted), 0)]
        return torch.cat([wanted, others[drawn]]).sort().values

    def matrix(self, brands: Tensor, influencers: Tensor) -> Tensor:
        """1 where a brand and an influencer collaborated: float32 (brand, influencer).

        Args:
            brands: sorted internal ids; likewise the influencers.
            influencers: of the columns.
        """
        return self._placed(self.pairs, torch.ones_like(self.weights), brands, influencers)

    def batch_weights(
        self, batch_brands: Tensor, batch_influencers: Tensor, brands: Tensor, influencers: Tensor
    ) -> Tensor:
        """Weights of the pairs of a batch in such a matrix; 0 for pairs not in the batch."""
        width = self.n_accounts[schema.INFLUENCER]
        keys = batch_brands * width + batch_influencers
        in_batch = torch.isin(self.pairs[:, 0] * width + self.pairs[:, 1], keys)
        return self._placed(self.pairs[in_batch], self.weights[in_batch], brands, influencers)

    def _placed(self, pairs: Tensor, values: Tensor, brands: Tensor, influencers: Tensor) -> Tensor:
        rows, columns = (
            _places(ids, n)
            for ids, n in (
                (brands, self.n_accounts[schema.BRAND]),
                (influencers, self.n_accounts[schema.INFLUENCER]),
            )
        )
        row, column = rows[pairs[:, 0]], columns[pairs[:, 1]]
        inside = (row >= 0) & (column >= 0)
        matrix = values.new_zeros(len(brands), len(influencers))
        matrix[row[inside], column[inside]] = values[inside]
        return matrix


def _places(ids: Tensor, n_accounts: int) -> Tensor:
    """Where each account stands among some: int64 (account), -1 where it does not."""
    places = torch.full((n_accounts,), -1, dtype=torch.int64, device=ids.device)
    places[ids] = torch.arange(len(ids), device=ids.device)
    return places
