"""Chance, popularity, similarity, influence and the leaking oracle: worked by hand."""

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from little_data import NAME, little, settings, vectors, write_little
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


def test_scores_are_those_of_the_seed(workplace: Path, tmp_path: Path) -> None:
    write_little(tmp_path)
    model = made(tmp_path, "Random", seed=5).model
    # five brands and seven influencers, and the padding of both
    expected = np.random.default_rng(5).random((6, 8), dtype=np.float32)
    full = model.full_sort_predict(Interaction({"brand_id": torch.tensor([4, 2])}))
    assert np.array_equal(full.reshape(2, 8).numpy(), expected[[4, 2]])
    pairs = Interaction({"brand_id": torch.tensor([1, 5]), "influencer_id": torch.tensor([7, 3])})
    assert model.predict(pairs).tolist() == [expected[1, 7], expected[5, 3]]
    assert not torch.equal(made(tmp_path, "Random", seed=6).model.scores, model.scores)


def cosine_of(folder: Path, combination: str = "cosine", **changes: Any) -> Any:
    given = settings(folder, "Cosine", NAME, combination=combination, **changes)
    experiment = prepare(given)
    experiment.model.eval()
    return experiment


def score(experiment: Any, brand: str, influencer: str) -> float:
    data = experiment.dataset
    pair = Interaction(
        {
            "brand_id": torch.tensor([data.token2id("brand_id", brand)]),
            "influencer_id": torch.tensor([data.token2id("influencer_id", influencer)]),
        }
    )
    return float(experiment.model.predict(pair))


def test_cosines_worked_by_hand(workplace: Path, tmp_path: Path) -> None:
    found = cosine_of(write_little(tmp_path))
    # Both sides have both modalities of content: the mean of their cosines.
    topics = (0.5 * 0.6 + 0.3 * 0.4) / (sqrt(0.38) * sqrt(0.52))
    visual = 0.75 / sqrt(0.75**2 + 0.25**2)
    attributes = 1 / sqrt(2)  # {vegan, baker} and {vegan}
    expected = (topics + visual) / 2 + 1.0 + attributes
    assert score(found, "b1", "i1") == pytest.approx(expected, rel=1e-5)
    # i2 has topics only, no audience, and attributes {vegan, coach}.
    topics = (0.5 * 0.4 + 0.3 * 0.2 + 0.2 * 0.4) / (sqrt(0.38) * sqrt(0.36))
    assert score(found, "b1", "i2") == pytest.approx(topics / sqrt(2) + 1 / 2, rel=1e-5)
    # b3 has no topics of content, i2 nothing else: no modality in common.
    assert score(found, "b3", "i2") == 0.0


@pytest.mark.parametrize(
    ("perspective", "expected"),
    [("content", 0.0), ("audience", 0.5 / (sqrt(0.5) * sqrt(0.58))), ("attribute", 0.0)],
)
def test_single_perspectives(
    workplace: Path, tmp_path: Path, perspective: str, expected: float
) -> None:
    found = cosine_of(write_little(tmp_path), perspectives=[perspective])
    # b3: visual 'cup', audience (.5, .5), no attributes; i4: visual 'road', audience (.7, .3)
    assert score(found, "b3", "i4") == pytest.approx(expected, rel=1e-5)


def z_scores(products: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Of all pairs, by the mean and deviation of training brands with training influencers."""
    fitted = [
        value
        for (brand, influencer), value in products.items()
        if brand in ("b1", "b2", "b3") and influencer in ("i1", "i2", "i3", "i4")
    ]
    mean, deviation = np.mean(fitted), np.std(fitted)
    return {pair: float((value - mean) / deviation) for pair, value in products.items()}


def test_hellinger_similarities_as_z_scores_worked_by_hand(workplace: Path, tmp_path: Path) -> None:
    found = cosine_of(write_little(tmp_path), "hellinger", perspectives=["audience"])
    brands = {"b1": (0.9, 0.1), "b3": (0.5, 0.5), "b5": (0.4, 0.6), "b4": (0.3, 0.7)}
    influencers = {
        "i1": (0.9, 0.1),
        "i3": (0.2, 0.8),
        "i4": (0.7, 0.3),
        "i5": (0.5, 0.5),
        "i6": (0.0, 1.0),
    }
    products = {
        (brand, influencer): sqrt(p[0] * q[0]) + sqrt(p[1] * q[1])
        for brand, p in brands.items()
        for influencer, q in influencers.items()
    }
    for (brand, influencer), expected in z_scores(products).items():
        assert score(found, brand, influencer) == pytest.approx(expected, abs=1e-4)
    # b2 and i2 have no audience: an average pair
    assert score(found, "b2", "i1") == score(found, "b1", "i2") == 0.0
    assert found.model.score_meaning.endswith("as z-scores, 0 an average pair")


def test_attribute_vectors_are_centred_by_the_training_accounts(
    workplace: Path, tmp_path: Path
) -> None:
    data = little()
    brand_rows = {"b1": (1.0, 0.0), "b2": (3.0, 4.0), "b4": (5.0, 5.0)}
    influencer_rows = {f"i{k}": (float(k), float(k * k % 5)) for k in range(1, 8)}
    brands = data.brands[["brand_id"]].copy()
    brands["brand_attribute_vector"] = vectors(
        *[list(brand_rows[b]) if b in brand_rows else None for b in brands["brand_id"]]
    )
    influencers = data.influencers[["influencer_id"]].copy()
    influencers["influencer_attribute_vector"] = vectors(
        *[list(influencer_rows[i]) for i in influencers["influencer_id"]]
    )
    found = cosine_of(write_little(tmp_path, brands=brands, influencers=influencers), "hellinger")
    centre = np.mean([brand_rows[b] for b in ("b1", "b2")], axis=0)
    other = np.mean([influencer_rows[f"i{k}"] for k in range(1, 5)], axis=0)
    products = {}
    for b, row in brand_rows.items():
        for i, column in influencer_rows.items():
            one, two = row - centre, column - other
            products[b, i] = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
    for (brand, influencer), expected in z_scores(products).items():
        assert score(found, brand, influencer) == pytest.approx(expected, abs=1e-4)
    assert score(found, "b3", "i1") == 0.0


def test_a_perspective_of_two_modalities_has_deviation_one(workplace: Path, tmp_path: Path) -> None:
    found = cosine_of(write_little(tmp_path), "hellinger", perspectives=["content"])
    # one has topics alone and the other labels alone: nothing to compare, not counted
    assert score(found, "b3", "i2") == 0.0
    pairs = [(b, i) for b in ("b1", "b2", "b3") for i in ("i1", "i2", "i3", "i4")]
    fitted = [score(found, *pair) for pair in pairs if pair not in (("b3", "i2"), ("b2", "i4"))]
    assert np.std(fitted) == pytest.approx(1.0, rel=1e-5)
    assert np.mean(fitted) == pytest.approx(0.0, abs=1e-5)


def test_embeddings_with_negative_values_are_compared_by_their_cosine(
    workplace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = little()
    brands, influencers = data.brands.copy(), data.influencers.copy()
    brands["brand_audience_topics"] = vectors(*[[0.6, -0.8]] * 4, None)
    rows = [[-1.0, 0.0], [0.0, 2.0], [0.8, -0.6], [0.6, -0.8], [1.0, 0.0], [0.6, 0.8], [0.0, -2.0]]
    influencers["influencer_audience_topics"] = vectors(*rows)
    folder = write_little(tmp_path, brands=brands, influencers=influencers)
    with caplog.at_level("INFO"):
        found = cosine_of(folder, "hellinger", perspectives=["audience"])
    assert "audience_topics has negative values, so it is compared by its cosine" in caplog.text
    cosines = [(0.6 * x - 0.8 * y) / np.hypot(x, y) for x, y in rows]
    products = {
        ("b1", influencer): cosine
        for influencer, cosine in zip(influencers["influencer_id"], cosines, strict=True)
    }
    for (brand, influencer), expected in z_scores(products).items():
        assert score(found, brand, influencer) == pytest.approx(expected, abs=1e-4)


def test_held_out_accounts_and_pairs_fit_nothing(workplace: Path, tmp_path: Path) -> None:
    data = little()
    before = cosine_of(write_little(tmp_path / "a"), "hellinger")
    brands, influencers = data.brands.copy(), data.influencers.copy()
    held = brands["brand_id"].isin(["b4", "b5"]), influencers["influencer_id"].isin(["i6", "i7"])
    brands.loc[held[0], "brand_audience_topics"] = vectors(*[[0.99, 0.01]] * 5)
    influencers.loc[held[1], "influencer_audience_topics"] = vectors(*[[0.01, 0.99]] * 7)
    after = cosine_of(
        write_little(tmp_path / "b", brands=brands, influencers=influencers), "hellinger"
    )
    assert score(before, "b1", "i1") == score(after, "b1", "i1")
    assert score(before, "b3", "i5") == score(after, "b3", "i5")
    assert score(before, "b4", "i1") != score(after, "b4", "i1")


def test_a_precomputed_attribute_vector_stands_in_for_lists(
    workplace: Path, tmp_path: Path
) -> None:
    data = little()
    brands = data.brands[["brand_id"]].copy()
    brands["brand_attribute_vector"] = vectors([1.0, 0.0], None, [3.0, 4.0], None, None)
    influencers = data.influencers[["influencer_id"]].copy()
    influencers["influencer_attribute_vector"] = vectors(*[[0.0, 2.0]] * 7)
    found = cosine_of(write_little(tmp_path, brands=brands, influencers=influencers))
    assert score(found, "b2", "i3") == pytest.approx(4 / 5)
    assert score(found, "b5", "i3") == 0.0
    assert score(found, "b1", "i3") == 0.0


def test_features_are_needed(workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    rows = [f"u\ti{item}" for item in range(9)] + ["v\ti1"]
    text = "\n".join(["user_id:token\titem_id:token", *rows])
    (tmp_path / "plain" / "plain.inter").write_text(text + "\n")
    changes = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "protocol": "known-brand"}
    for model in ("Cosine", "MIRec"):
        with pytest.raises(UsageError, match=f"{model} needs account features, which this data"):
            prepare(settings(tmp_path, model, "plain", **changes))
