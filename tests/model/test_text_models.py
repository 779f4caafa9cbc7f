"""Sentence vectors: captions of one side beside biographies of the other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from little_data import settings
from model_cases import SMALL, made
from planted_data import NAME, TASTES, planted

from dataset_convert.atomic import write_atomic
from recbole_mirec.experiment import run_experiment
from recbole_mirec.model.base import one_text
from recbole_mirec.nn.settings import Modality


@pytest.fixture(scope="module")
def texts(workplace: Path) -> Path:
    """Planted accounts that have nothing else: brands have captions, influencers biographies.

    A vector has its taste's direction, which differs between the sides, and louder noise.
    """
    rng, data, frames = np.random.default_rng(8), planted(shuffled=False), {}
    for side, name in (("brand", "content_text"), ("influencer", "profile_text")):
        ids = data.accounts(side)[f"{side}_id"]
        directions = np.eye(len(TASTES), 12) + 0.3 * rng.standard_normal((len(TASTES), 12))
        rows = 0.5 * directions[ids.str[1].astype(int)] + 0.25 * rng.standard_normal((len(ids), 12))
        texts = pd.Series(list(rows), dtype=object)
        frames[f"{side}s"] = pd.DataFrame({f"{side}_id": ids, f"{side}_{name}": texts})
    write_atomic(replace(data, **frames), workplace / "texts" / NAME)
    return workplace / "texts"


@pytest.mark.parametrize(
    ("model", "epochs", "reached"),
    [("MIRec", 60, 0.9), ("ContentTwoTower", 60, 0.9), ("HPTR", 60, 0.85), ("Cosine", 1, 0.75)],
)
def test_captions_against_biographies_are_learnt(
    texts: Path, model: str, epochs: int, reached: float
) -> None:
    given = SMALL.get(model, {}) | {"epochs": epochs, "stopping_step": epochs}
    if model in SMALL:
        given |= {"learning_rate": 0.01, "tower_dropout": 0.0}
    result = run_experiment(settings(texts, model, NAME, **given))
    assert result.test is not None
    assert result.test.summary["AUC"] > reached


@pytest.mark.parametrize("variant", ["reference", "paper"])
def test_the_published_method_reads_text_where_there_are_no_images(
    texts: Path, variant: str
) -> None:
    model = made(texts, "MIRec", NAME, variant=variant).model
    assert model.method.encoder.towers["content_visual"].first.in_features == 12


def test_one_text_is_the_mean_direction_of_what_an_account_has() -> None:
    has = torch.tensor([[True, True, False, False], [True, False, True, False]])
    captions = Modality(torch.tensor([[3.0, 4.0], [0.0, 2.0], [7.0, 7.0], [7.0, 7.0]]), has[0])
    profile = Modality(torch.tensor([[8.0, -6.0], [7.0, 7.0], [-5.0, 0.0], [7.0, 7.0]]), has[1])
    topics = Modality(torch.ones(4, 3), has[0])
    found = one_text({"content_topics": topics, "content_text": captions, "profile_text": profile})
    assert list(found) == ["content_topics", "content_text"]
    rows, mask = found["content_text"]
    # (.6, .8) and (.8, -.6): (1.4, .2) of length 2 ** .5
    expected = [[0.98994949, 0.14142136], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]]
    torch.testing.assert_close(rows, torch.tensor(expected))
    assert mask.tolist() == [True, True, True, False]
    alone = one_text({"profile_text": profile})["content_text"]
    torch.testing.assert_close(alone.rows[0], torch.tensor([0.8, -0.6]))
    assert one_text({"content_topics": topics}) == {"content_topics": topics}
