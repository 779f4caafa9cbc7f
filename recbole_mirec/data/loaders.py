"""Training batches: RecBole's loader for the model, over negatives from training influencers."""

from collections.abc import Iterator
from typing import Any

from recbole.data.dataloader import TrainDataLoader
from recbole.data.utils import get_dataloader

from dataset_convert import schema
from recbole_mirec import compat as compat
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
