"""What RecBole's calls expect of a split: training batches, and a part to rank."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import TrainDataLoader
from recbole.data.utils import get_dataloader
from torch import Tensor

from dataset_convert import schema
from recbole_mirec import compat as compat
from recbole_mirec.data.evaluation_split import EvaluationSplit
from recbole_mirec.data.sampler import TrainInfluencerSampler
from recbole_mirec.errors import UsageError


class FullBatchLoader(TrainDataLoader):  # type: ignore[misc]
    """Batches of one size: the last partial one is dropped, unless it is the only one."""

    def __len__(self) -> int:
        whole: int = self.sample_size // self.step
        return max(whole, 1)

    def __iter__(self) -> Iterator[Any]:
        n_batches = len(self)
        for position, batch in enumerate(super().__iter__()):
            if position == n_batches:
                return
            yield batch


def training_loader(config: Any, train_dataset: Any) -> Any:
    """The loader that the model trains from.

    Args:
        config: the resolved configuration.
        train_dataset: the training part, with `pairs` set by `SplitDataset.build`.

    Raises:
        UsageError: the training part is empty, or a brand leaves no negative.
    """
    pairs = train_dataset.pairs[schema.TRAIN]
    if not len(pairs):
        raise UsageError("The training part holds no collaboration. Check the split files.")
    arguments = config["train_neg_sample_args"]
    sampler = None
    if arguments["distribution"] != "none":
        try:
            sampler = TrainInfluencerSampler(
                pairs,
                distribution=arguments["distribution"],
                alpha=arguments["alpha"],
                seed=config["seed"],
                static=config["static_negatives"],
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
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
        uid2history_item: for a list of brands, the influencers that do not count for each: no
            candidates, or collaborations of earlier parts. `full_sort_topk` leaves them out.
    """

    is_sequential = False

    def __init__(self, dataset: Any, split: EvaluationSplit):
        self.dataset = self._dataset = dataset
        self.split = split

    def __len__(self) -> int:
        return len(self.split.brands)

    @property
    def uid2history_item(self) -> "EvaluationLoader":
        """This loader: RecBole indexes it by brands."""
        return self

    def __getitem__(self, brands: Sequence[int | Tensor]) -> list[Tensor]:
        return [self._left_out(int(brand)) for brand in brands]

    def _left_out(self, brand: int) -> Tensor:
        split = self.split
        counts = np.zeros(self.dataset.item_num, dtype=bool)
        (row,) = np.nonzero(split.brands == brand)
        if len(row):
            counts[split.candidates] = split.mask[row[0]]
        else:
            counts[split.candidates] = True
            earlier = schema.PARTS[: schema.PARTS.index(split.part)]
            pairs = np.concatenate([self.dataset.pairs[part] for part in earlier])
            counts[pairs[pairs[:, 0] == brand, 1]] = False
        return torch.from_numpy(np.flatnonzero(~counts))


def evaluation_loader(dataset: Any, part: str) -> EvaluationLoader | None:
    """The loader of `valid` or `test`; None where the data set has no such part."""
    split = dataset.evaluation_split(part)
    return None if split is None else EvaluationLoader(dataset, split)


def evaluation_loaders(dataset: Any) -> tuple[EvaluationLoader | None, EvaluationLoader | None]:
    """The loaders of `valid` and `test`."""
    return evaluation_loader(dataset, schema.VALID), evaluation_loader(dataset, schema.TEST)
