"""The published variants in use: their own scores, and reasons by integrated gradients."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from list_cases import trained_scores
from little_data import TINY, settings

from dataset_convert import schema
from recbole_mirec.nn.fitted import Layout, Static
from recbole_mirec.recommend.accounts import Account
from recbole_mirec.recommend.bundle import Accounts
from recbole_mirec.recommend.published import Published
from recbole_mirec.recommend.reasons import Words
from recbole_mirec.recommend.recommender import Recommender


@pytest.fixture(scope="module", params=["reference", "paper"])
def published_run(
    request: pytest.FixtureRequest, data_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    from recbole_mirec.experiment import run_experiment

    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(data_path / TINY, folder / TINY)
    with contextlib.chdir(folder):
        small = {"dimension": 13, "visual_hidden": [17], "attribute_hidden": [11]}
        given = settings(folder, epochs=5, variant=request.param, **small)
        return run_experiment(given).run_folder


@pytest.fixture
def published(published_run: Path) -> Recommender:
    return Recommender.load(published_run)


def test_scores_are_those_of_the_trained_model(published_run: Path, published: Recommender) -> None:
    found, scores = trained_scores(published_run, published)
    np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-4)


def test_a_new_account_is_what_it_is_inside(published: Recommender) -> None:
    for side in schema.SIDES:
        known = published._known(side, 3)
        values = {x: of[0] for x, (of, mask) in known.own.table.items() if mask[0]}
        new = published.new_account(side, "new", values, known.own.known.loc[0].to_dict())
        for part in published.parts:
            np.testing.assert_allclose(new.vector(part), known.vector(part), atol=1e-5)


def test_gradients_add_up_but_for_a_residual_that_is_told(published: Recommender) -> None:
    for name in published.recommend("brand_01", 5).frame["influencer_id"]:
        why = published.explain("brand_01", name)
        assert sum(x.value for x in why.reasons) == pytest.approx(why.score, abs=1e-6, rel=1e-6)
        left = [x.value for x in why.reasons if x.name == "residual"]
        apart = sum(abs(x.value) for x in why.reasons)
        assert sum(map(abs, left)) < 0.02 * apart
        assert {x.modality for x in why.reasons} >= {schema.CONTENT_TOPICS, schema.ATTRIBUTES}


def test_of_a_linear_model_gradients_are_its_terms() -> None:
    import torch

    class Linear:
        """Vectors are twice the topics."""

        def encode(self, _: schema.Side, table: dict[str, torch.Tensor]) -> torch.Tensor:
            return 2 * table[schema.CONTENT_TOPICS][0][:, None]

    topics = np.array([[0.5, 0.25, 0.25], [0.0, 0.75, 0.25]], np.float32)
    table = {schema.CONTENT_TOPICS: (topics, np.ones(2, dtype=bool))}
    pairs = [("content", schema.CONTENT_TOPICS, schema.CONTENT_TOPICS)]
    made = Published({}, Layout(pairs, {}, (), {}, 0.0, 0), {}, dict.fromkeys(schema.SIDES, table))
    made.__dict__["method"] = Linear()
    vector = {"content": np.array([[3.0, 1.0, 7.0]])}
    first = {name: (rows[:1], mask[:1]) for name, (rows, mask) in table.items()}
    brand, she = (
        Account(Accounts(pd.DataFrame({"account": ["x"]}), vector, first)) for _ in schema.SIDES
    )
    found = made.contributions(brand, she, Words())
    assert isinstance(made.static(schema.BRAND, table), Static)
    values = {x.name: (x.value, x.has) for x in found}
    # the mean account is .25, .5, .25; a topic that is no more than there adds nothing
    assert values == {
        "what an average influencer gets": (pytest.approx(2 * (0.75 + 0.5 + 1.75)), True),
        "topic 1": (pytest.approx(1.5), True),
        "little of topic 2": (pytest.approx(-0.5), False),
    }
