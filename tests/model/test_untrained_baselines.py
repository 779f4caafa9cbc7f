"""Popularity, MIV and the leaking oracle: one number worked by hand each, and what they refuse."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from little_data import NAME, little, settings, write_little
from recbole.data.interaction import Interaction

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.experiment import prepare
from recbole_mirec.registry import model_names

COMPETENCES = [9.0, 9.0, 9.0, 9.0, 0.5, 0.25, 0.75, 0.1, 0.2]  # those of validation and test: 9


def made(folder: Path, model: str, **changes: Any) -> Any:
    experiment = prepare(settings(folder, model, NAME, **changes))
    experiment.model.eval()
    return experiment


def scores(experiment: Any) -> dict[tuple[str, str], float]:
    """Every brand's score of every influencer, by `predict`, which the full ranking repeats."""
    data, model = experiment.dataset, experiment.model
    brands = np.arange(1, data.user_num)
    users = torch.from_numpy(np.repeat(brands, data.item_num))
    items = torch.arange(data.item_num).repeat(len(brands))
    found = model.predict(Interaction({"brand_id": users, "influencer_id": items}))
    full = model.full_sort_predict(Interaction({"brand_id": torch.from_numpy(brands)}))
    torch.testing.assert_close(full, found)
    full.fill_(7.0)  # the caller may write into what it gets
    again = model.predict(Interaction({"brand_id": users, "influencer_id": items}))
    assert torch.equal(again, found)
    tokens = zip(
        data.id2token("brand_id", users.numpy()),
        data.id2token("influencer_id", items.numpy()),
        strict=True,
    )
    return dict(zip(tokens, found.tolist(), strict=True))


def of_influencers(experiment: Any) -> dict[str, float]:
    """Scores of a model that ranks influencers the same for every brand."""
    found = scores(experiment)
    for (_, influencer), value in found.items():
        assert value == found["b1", influencer]
    return {influencer: value for (brand, influencer), value in found.items() if brand == "b1"}


def with_categories(folder: Path, categories: str) -> Path:
    names = pd.Series(categories.split(), index=[f"i{k}" for k in range(1, 8)], name="category")
    return write_little(folder, influencer_category=names)


def test_popularity_counts_training_collaborations(workplace: Path, tmp_path: Path) -> None:
    found = of_influencers(made(write_little(tmp_path), "Popularity"))
    del found["[PAD]"]
    # i2 worked for b4 of validation too, i1 for b5 of test
    assert found == {"i1": 1, "i2": 2, "i3": 1, "i4": 1, "i5": 0, "i6": 0, "i7": 0}


def test_influence_is_the_mean_of_followers_and_competence(workplace: Path, tmp_path: Path) -> None:
    inter = little().interactions.assign(competence=COMPETENCES)
    found = of_influencers(made(write_little(tmp_path, interactions=inter), "MIV"))
    followers = [-0.75, -0.25, 0.25, 0.75, 1, 1, 1]
    competence = [0.5, 0.5, -0.75, -0.25, 0, 0, 0]
    for k in range(7):
        assert found[f"i{k + 1}"] == pytest.approx((followers[k] + competence[k]) / 2)


def test_influence_from_followers_alone(workplace: Path, tmp_path: Path) -> None:
    found = of_influencers(made(write_little(tmp_path), "MIV"))
    assert found["i1"] == -0.75
    assert found["i7"] == 1.0


def test_influence_needs_followers_or_competence(workplace: Path, tmp_path: Path) -> None:
    influencers = little().influencers.drop(columns="influencer_followers")
    write_little(tmp_path, influencers=influencers)
    message = r"MIV needs followers of influencers \('influencer_followers'\) or 'competence' of"
    with pytest.raises(UsageError, match=message):
        made(tmp_path, "MIV")


def test_the_oracle_ranks_the_brands_category_first_then_by_cosine(
    workplace: Path, tmp_path: Path
) -> None:
    # b1 is food, b2 shoes
    folder = with_categories(tmp_path, "shoes food shoes food shoes food shoes")
    found, cosine = scores(made(folder, "CategoryOracle")), scores(made(folder, "Cosine"))
    for (brand, influencer), value in found.items():
        if influencer == "[PAD]":
            continue
        food = brand in ("b1", "b3", "b5")
        same = influencer in ("i2", "i4", "i6") if food else influencer in ("i1", "i3", "i5", "i7")
        expected = same + 1 / (1 + np.exp(-cosine[brand, influencer]))
        assert value == pytest.approx(expected, rel=1e-5)
    assert min(found["b1", i] for i in ("i2", "i4", "i6")) > 1
    assert max(found["b1", i] for i in ("i1", "i3", "i5", "i7")) < 1


def test_the_oracle_needs_both_sides_categories(workplace: Path, tmp_path: Path) -> None:
    message = "CategoryOracle needs the categories of brands and the side file of influencers'"
    with pytest.raises(UsageError, match=message):
        made(write_little(tmp_path / "a"), "CategoryOracle")
    brands = little().brands.drop(columns="brand_category")
    write_little(tmp_path / "b", brands=brands)
    with pytest.raises(UsageError, match=message):
        made(tmp_path / "b", "CategoryOracle")


@pytest.mark.parametrize(
    "model", sorted({*model_names(room="ours"), "BPR", "DeepFM"} - {"CategoryOracle"})
)
def test_no_other_model_reads_the_influencers_categories(
    workplace: Path, tmp_path: Path, model: str
) -> None:
    found = []
    for number, categories in enumerate(("food " * 6 + "shoes", "shoes " * 6 + "food")):
        folder = with_categories(tmp_path / str(number), categories)
        changes = {"graph_method": "netmf"} if model in ("CATR", "CAMERA") else {}
        experiment = made(folder, model, torch_threads=1, **changes)
        trainer = experiment.trainer
        trainer.fit(trainer.train_data, None, saved=False)
        split = experiment.dataset.evaluation_split(schema.TEST)
        found.append(trainer.evaluate_split(split).per_brand)
    # the categories of candidates are part of cAUC itself, and of nothing else
    columns = [name for name in found[0].columns if "cauc" not in name.lower()]
    assert len(columns) >= 7
    pd.testing.assert_frame_equal(found[0][columns], found[1][columns])
