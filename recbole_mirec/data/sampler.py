"""Negatives: training influencers that the brand has no training collaboration with."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class TrainInfluencerSampler:
    """Draws negative influencers for brands, by the interface of RecBole's Sampler.

    RecBole draws from all items, those of validation and test included; here candidates are the
    influencers of the training pairs, for every model.

    Args:
        pairs: (pair, 2) training collaborations in internal ids.
        distribution: `uniform` over training influencers, or `popularity`: proportional to the
            number of training collaborations to the power `alpha`.
        alpha: the power; without effect for `uniform`.
        seed: seed of the sampler's own generator.
        static: draw the negatives of every training pair once and give the same ones ever after;
            they follow from pairs and seed alone.

    Raises:
        ValueError: a brand collaborates with every training influencer, so no negative exists.
    """

    def __init__(
        self,
        pairs: NDArray[np.int64],
        *,
        distribution: str = "uniform",
        alpha: float = 1.0,
        seed: int,
        static: bool = False,
    ):
        influencers, counts = np.unique(pairs[:, 1], return_counts=True)
        brands, degrees = np.unique(pairs[:, 0], return_counts=True)
        if (degrees >= len(influencers)).any():
            full = brands[degrees >= len(influencers)][0]
            raise ValueError(
                "Negatives need a training influencer that the brand has not worked with. "
                f"Received: brand with internal id {full}, which has worked with all "
                f"{len(influencers)}. Add influencers or collaborations."
            )
        self.influencers = influencers
        weights = counts.astype(np.float64) ** alpha if distribution == "popularity" else None
        self._cumulative = None if weights is None else np.cumsum(weights / weights.sum())
        self._width = int(pairs[:, 1].max()) + 1
        self._positive_keys = np.unique(pairs[:, 0] * self._width + pairs[:, 1])
        self._generator = np.random.default_rng(seed)
        self._seed = seed
        self._static = static
        self._table = np.zeros((0, 0), dtype=np.int64)

    def sample_by_user_ids(
        self, user_ids: NDArray[np.int64], item_ids: NDArray[np.int64], num: int
    ) -> Tensor:
        """Negatives for each pair, in RecBole's order.

        Args:
            user_ids: (pair) brands.
            item_ids: (pair) their positives; only static negatives depend on them.
            num: negatives a pair.

        Returns:
            int64 tensor (num * pair): the first negative of every pair, then the second, ...
        """
        brands = np.asarray(user_ids, dtype=np.int64)
        if not self._static:
            return torch.from_numpy(self._draw(np.tile(brands, num)))
        if self._table.shape[1] != num:
            # All pairs at once and from the start of the seed's stream, so that the table depends
            # neither on the order of batches nor on whether training was interrupted.
            self._generator = np.random.default_rng(self._seed)
            self._table = self._draw(np.repeat(self._positive_keys // self._width, num))
            self._table = self._table.reshape(-1, num)
        keys = brands * self._width + np.asarray(item_ids, dtype=np.int64)
        rows = self._table[np.searchsorted(self._positive_keys, keys)]
        return torch.from_numpy(rows.T.reshape(-1).copy())

    def state(self) -> dict[str, int | str]:
        """The generator's position, as plain values for a checkpoint."""
        state = self._generator.bit_generator.state
        inner = state["state"]
        return {
            "state": str(inner["state"]),
            "inc": str(inner["inc"]),
            "has_uint32": int(state["has_uint32"]),
            "uinteger": int(state["uinteger"]),
        }

    def load_state(self, saved: dict[str, int | str]) -> None:
        """Put the generator where `state` found it."""
        self._generator.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": int(saved["state"]), "inc": int(saved["inc"])},
            "has_uint32": int(saved["has_uint32"]),
            "uinteger": int(saved["uinteger"]),
        }

    def _draw(self, brands: NDArray[np.int64]) -> NDArray[np.int64]:
        negatives = np.zeros(len(brands), dtype=np.int64)
        open_rows = np.arange(len(brands))
        while len(open_rows):
            negatives[open_rows] = self._candidates(len(open_rows))
            keys = brands[open_rows] * self._width + negatives[open_rows]
            open_rows = open_rows[np.isin(keys, self._positive_keys)]
        return negatives

    def _candidates(self, n_draws: int) -> NDArray[np.int64]:
        if self._cumulative is None:
            return self._generator.choice(self.influencers, size=n_draws)
        places = np.searchsorted(self._cumulative, self._generator.random(n_draws), side="right")
        drawn: NDArray[np.int64] = self.influencers[np.minimum(places, len(self.influencers) - 1)]
        return drawn
