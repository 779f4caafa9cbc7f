"""Negatives from training influencers, and the loaders that bring them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.data.dataloader import TrainDataLoader
from recbole.data.utils import get_dataloader
from torch import Tensor

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec import compat as compat
from recbole_mirec.data.dataset import EvaluationSplit


class TrainInfluencerSampler:
    """Draws negative influencers for brands, by the interface of RecBole's Sampler.

    RecBole draws from all items, those of validation and test included, and from NumPy's global
    state; here candidates are the influencers of the training pairs, and the generator is its own.

    Args:
        pairs: (pair, 2) training collaborations in internal ids.
        distribution: `uniform` over training influencers, or `popularity`: proportional to the
            number of training collaborations to the power `alpha`.
        alpha: the power; without effect for `uniform`.
        seed: of the generator.
        static: draw the negatives of every training pair once and give the same ones ever after;
            they follow from pairs and seed alone.

    Raises:
        UsageError: a brand collaborates with every training influencer, so no negative exists.
    """

    def __init__(
        self,
        pairs: NDArray[np.int64],
        *,
        distribution: str,
        alpha: float,
        seed: int,
        static: bool,
    ):
        influencers, counts = np.unique(pairs[:, 1], return_counts=True)
        brands, degrees = np.unique(pairs[:, 0], return_counts=True)
        if (degrees >= len(influencers)).any():
            full = brands[degrees >= len(influencers)][0]
            raise UsageError(
                "Negatives need a training influencer that the brand has not worked with. "
                f"Received: brand with internal id {full}, which has worked with all "
                f"{len(influencers)}. Add influencers or collaborations."
            )
        self.influencers = influencers
        self._uniform = distribution == "uniform"
        weights = counts.astype(np.float64) ** (0.0 if self._uniform else alpha)
        self._cumulative = np.cumsum(weights / weights.sum())
        self._cumulative[-1] = 1.0  # whatever rounding made of it: every draw is below
        self._width = int(pairs[:, 1].max()) + 1
        self._positive_keys = np.unique(pairs[:, 0] * self._width + pairs[:, 1])
        self._generator = np.random.default_rng(seed)
        self._seed = seed
        self._static = static
        self._table = np.zeros((0, 0), dtype=np.int64)

    def sample_by_user_ids(
        self, user_ids: NDArray[np.int64], item_ids: NDArray[np.int64], num: int
    ) -> Tensor:
        """`num` negatives for each pair of a brand and its positive, in RecBole's order.

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
        words = {name: str(value) for name, value in state["state"].items()}
        return words | {name: int(state[name]) for name in ("has_uint32", "uinteger")}

    def load_state(self, saved: dict[str, int | str]) -> None:
        """Put the generator where `state` found it."""
        numbers = {name: int(value) for name, value in saved.items()}
        words = {name: numbers.pop(name) for name in ("state", "inc")}
        self._generator.bit_generator.state = {"bit_generator": "PCG64", "state": words, **numbers}

    def _draw(self, brands: NDArray[np.int64]) -> NDArray[np.int64]:
        negatives = np.zeros(len(brands), dtype=np.int64)
        open_rows = np.arange(len(brands))
        while len(open_rows):
            if self._uniform:
                drawn = self._generator.choice(self.influencers, size=len(open_rows))
            else:
                chances = self._generator.random(len(open_rows))
                drawn = self.influencers[np.searchsorted(self._cumulative, chances, side="right")]
            negatives[open_rows] = drawn
            keys = brands[open_rows] * self._width + drawn
            open_rows = open_rows[np.isin(keys, self._positive_keys)]
        return negatives


class FullBatchLoader(TrainDataLoader):  # type: ignore[misc]
    """Batches of one size: the last partial one is dropped, unless it is the only one."""

    def __len__(self) -> int:
        return max(int(self.sample_size // self.step), 1)

    def __iter__(self) -> Iterator[Any]:
        # the partial batch draws its negatives all the same: those of later epochs follow from it
        for position, batch in enumerate(super().__iter__()):
            if position < len(self):
                yield batch


def training_loader(config: Any, train_dataset: Any) -> Any:
    """The loader that the model trains from: its part of the data set, and negatives.

    Raises:
        UsageError: the training part is empty, or a brand leaves no negative.
    """
    pairs = train_dataset.pairs[schema.TRAIN]
    if not len(pairs):
        raise UsageError("The training part holds no collaboration. Check the split files.")
    arguments, sampler = config["train_neg_sample_args"], None
    if arguments["distribution"] != "none":
        sampler = TrainInfluencerSampler(
            pairs,
            distribution=arguments["distribution"],
            alpha=arguments["alpha"],
            seed=config["seed"],
            static=config["static_negatives"],
        )
    loader_class = get_dataloader(config, "train")
    if config["drop_last"] and loader_class is TrainDataLoader:
        loader_class = FullBatchLoader
    return loader_class(config, train_dataset, sampler, shuffle=config["shuffle"])


class EvaluationLoader:
    """A part of a split where RecBole's calls expect a loader; truthy, and never iterated.

    Attributes:
        split: brands, candidates and truth.
        dataset: joins features to ids.
        is_sequential: False; for RecBole's `full_sort_topk`.
    """

    is_sequential = False

    def __init__(self, dataset: Any, split: EvaluationSplit):
        self.dataset = self._dataset = dataset
        self.split = split

    def __len__(self) -> int:
        return len(self.split.brands)

    @property
    def uid2history_item(self) -> "EvaluationLoader":
        """This loader, which RecBole's `full_sort_topk` indexes by brands."""
        return self

    def __getitem__(self, brands: Sequence[int | Tensor]) -> list[Tensor]:
        """For each brand: no candidates, and influencers of its earlier collaborations."""
        known = self.dataset.known_before(self.split.part)
        others = np.setdiff1d(np.arange(self.dataset.item_num), self.split.candidates)
        own = [known[known[:, 0] == int(brand), 1] for brand in brands]
        return [torch.from_numpy(np.union1d(others, influencers)) for influencers in own]


def evaluation_loader(dataset: Any, part: str) -> EvaluationLoader | None:
    """The loader of `valid` or `test`; None where the data set has no such part."""
    split = dataset.evaluation_split(part)
    return None if split is None else EvaluationLoader(dataset, split)


def evaluation_loaders(dataset: Any) -> tuple[EvaluationLoader | None, EvaluationLoader | None]:
    """The loaders of `valid` and `test`."""
    return evaluation_loader(dataset, schema.VALID), evaluation_loader(dataset, schema.TEST)
