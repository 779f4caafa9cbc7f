from pathlib import Path
from typing import Any

import numpy as np
import torch
from little_data import NAME, settings, write_little
from recbole.data.interaction import Interaction

from recbole_mirec.experiment import prepare


def made(folder: Path, seed: int) -> Any:
    model = prepare(settings(folder, "Random", NAME, seed=seed)).model
    model.eval()
    return model


def test_scores_are_those_of_the_seed(workplace: Path, tmp_path: Path) -> None:
    write_little(tmp_path)
    model = made(tmp_path, 5)
    # five brands and seven influencers, and the padding of both
    expected = np.random.default_rng(5).random((6, 8), dtype=np.float32)
    full = model.full_sort_predict(Interaction({"brand_id": torch.tensor([4, 2])}))
    assert np.array_equal(full.reshape(2, 8).numpy(), expected[[4, 2]])
    pairs = Interaction({"brand_id": torch.tensor([1, 5]), "influencer_id": torch.tensor([7, 3])})
    assert model.predict(pairs).tolist() == [expected[1, 7], expected[5, 3]]
    full.fill_(9.0)  # the caller may write into what it gets
    assert model.predict(pairs).tolist() == [expected[1, 7], expected[5, 3]]
    assert not torch.equal(made(tmp_path, 6).scores, model.scores)


def test_there_is_nothing_to_learn(workplace: Path, tmp_path: Path) -> None:
    model = made(write_little(tmp_path), 5)
    loss = model.calculate_loss(None)
    loss.backward()
    assert loss.item() == 0.0
    assert model.unused.grad.tolist() == [0.0]
    assert set(model.state_dict()) == {"unused"}
