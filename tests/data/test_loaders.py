from pathlib import Path
from typing import Any

import pytest
import torch
from little_data import settings

from recbole_mirec.config import MirecConfig
from recbole_mirec.data.dataset import MirecDataset
from recbole_mirec.data.sampling import training_loader


def batches(folder: Path, model: str = "BPR", **changes: Any) -> list[Any]:
    config = MirecConfig(config_dict=settings(folder, model, **changes))
    loader = training_loader(config, MirecDataset(config).build()[0])
    found = list(loader)
    assert len(found) == len(loader)
    return found


def positives(found: list[Any]) -> list[tuple[int, int]]:
    rows = [
        torch.stack([batch["brand_id"], batch["influencer_id"]], dim=1).tolist() for batch in found
    ]
    return [(brand, influencer) for batch in rows for brand, influencer in batch]


def test_every_training_pair_once_an_epoch(data_path: Path) -> None:
    found = batches(data_path, train_batch_size=32)
    everything = positives(found)
    config = MirecConfig(config_dict=settings(data_path, "BPR"))
    data = MirecDataset(config)
    data.build()
    assert sorted(everything) == sorted(map(tuple, data.pairs["train"].tolist()))
    assert {len(batch) for batch in found[:-1]} == {32}
    # A negative is a training influencer that the brand has not worked with.
    known, influencers = set(everything), {influencer for _, influencer in everything}
    for batch in found:
        negatives = batch["neg_influencer_id"].tolist()
        assert set(negatives) <= influencers
        assert not set(zip(batch["brand_id"].tolist(), negatives, strict=True)) & known


@pytest.mark.parametrize(("size", "n_batches"), [(32, None), (10_000, 1)])
def test_the_last_partial_batch_is_dropped_unless_it_is_the_only_one(
    data_path: Path, size: int, n_batches: int | None
) -> None:
    whole = batches(data_path, train_batch_size=size, shuffle=False)
    cut = batches(data_path, train_batch_size=size, shuffle=False, drop_last=True)
    expected = whole[:-1] if n_batches is None else whole
    assert len(cut) == len(expected)
    assert positives(cut) == positives(expected)


def test_pairs_are_shuffled_on_request_only(data_path: Path) -> None:
    plain = positives(batches(data_path, shuffle=False))
    shuffled = positives(batches(data_path, shuffle=True))
    assert plain != shuffled
    assert sorted(plain) == sorted(shuffled)
    assert plain == positives(batches(data_path, shuffle=False))


def test_several_negatives_a_pair(data_path: Path) -> None:
    arguments = {"distribution": "popularity", "sample_num": 3}
    found = batches(data_path, shuffle=False, train_neg_sample_args=arguments)
    one = positives(batches(data_path, shuffle=False))
    assert sorted(positives(found)) == sorted(one * 3)


def test_pointwise_models_get_labels(data_path: Path) -> None:
    for batch in batches(data_path, "FM"):
        half = len(batch) // 2
        assert batch["label"].tolist() == [1.0] * half + [0.0] * half
        assert torch.equal(batch["brand_id"][:half], batch["brand_id"][half:])
