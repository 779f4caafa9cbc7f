"""The synthetic data sets: frozen bytes, published statistics, planted and missing signal."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import rankdata

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, fingerprint, read_atomic
from dataset_convert.synthesize import generate, generator_fingerprint, write_synthetic

# The generator is frozen: a change of these values is a change of every figure ever measured on
# the data. They may change only together with the data sets' names.
FINGERPRINTS = {
    "mirec-tiny": "dcf60d3cc94150abbb71cf2e4ffd67c2e5c4497735f70d3fe09bdd029501fa94",
    "mirec-demo": "95c08b133a414f4adcf33f88778279f71bef692df9da0e7101bb06b6e9d90cd8",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> AtomicData:
    folder = tmp_path_factory.mktemp("synthetic") / "mirec-demo"
    write_synthetic("mirec-demo", folder)
    return read_atomic(folder, "mirec-demo")


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_generator_is_frozen(name: str) -> None:
    assert generator_fingerprint(name) == FINGERPRINTS[name]


def test_same_seed_same_bytes_and_other_seed_other_data(tmp_path: Path) -> None:
    for folder, seed in (("one", 5), ("two", 5), ("three", 6)):
        write_synthetic("mirec-tiny", tmp_path / folder, seed=seed)
    one, two, three = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("one", "two", "three")
    )
    assert one == two
    assert all(one[name] != three[name] for name in one)
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "three")


def test_unknown_name() -> None:
    message = "must be one of mirec-demo, mirec-tiny. Received: demo"
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        generate("demo")


def test_manifest_says_that_it_is_synthetic(demo: AtomicData) -> None:
    assert demo.manifest["synthetic"] is True
    assert demo.manifest["description"].startswith("Synthetic: ")
    assert demo.manifest["seed"] == 2026
    assert demo.manifest["fingerprint"] == FINGERPRINTS["mirec-demo"]
    lengths = {name: len(names) for name, names in demo.manifest["dimensions"].items()}
    assert lengths == {
        "content_topics": 22,
        "content_visual": 180,
        "audience_topics": 21,
        "audience_visual": 180,
        "attributes": 570,
    }
    used = set(demo.influencers["influencer_attributes"].dropna().sum())
    assert used <= set(demo.manifest["dimensions"]["attributes"])
    assert len(used) > 560


def test_published_statistics(demo: AtomicData) -> None:
    assert (len(demo.brands), len(demo.influencers)) == (360, 3748)
    assert demo.brands["brand_category"].value_counts().tolist() == [30] * 12
    per_brand = demo.interactions.groupby("brand_id").size()
    assert len(per_brand) == 360
    assert 11 < per_brand.mean() < 12
    assert 4 < per_brand.std() < 5
    per_influencer = demo.interactions.groupby("influencer_id").size()
    assert len(per_influencer) == 3748
    assert 0.09 < (per_influencer > 1).mean() < 0.11
    followers = demo.influencers["influencer_followers"].dropna()
    assert followers.between(5_000, 100_000).all()
    competence = demo.interactions["competence"]
    assert competence.between(1e-5, 1).all()
    assert competence.median() < competence.mean()


def test_splits_are_those_of_the_protocols(demo: AtomicData) -> None:
    new = {part: frame["brand_id"].nunique() for part, frame in demo.splits["new-brand"].items()}
    assert new == {"train": 243, "valid": 43, "test": 74}
    known = {part: len(frame) for part, frame in demo.splits["known-brand"].items()}
    assert sum(known.values()) == len(demo.interactions)
    assert abs(known["valid"] / len(demo.interactions) - 0.1) < 0.02
    seen = set(demo.splits["new-brand"]["train"]["influencer_id"])
    for part in ("valid", "test"):
        candidates = set(demo.splits["new-brand"][part]["influencer_id"])
        assert 0.10 < len(candidates & seen) / len(candidates) < 0.16


def test_categories_of_influencers_are_those_of_their_first_brand(demo: AtomicData) -> None:
    category_of = demo.brands.set_index("brand_id")["brand_category"]
    first = demo.interactions.groupby("influencer_id")["brand_id"].first()
    assert demo.influencer_category is not None
    pd.testing.assert_series_equal(
        demo.influencer_category.sort_index(), first.map(category_of), check_names=False
    )


def test_modalities_are_missing_at_their_rates(demo: AtomicData) -> None:
    frame = demo.influencers.set_index("influencer_id")
    missing = frame.isna().mean()
    assert missing["influencer_content_topics"] == 0
    assert missing["influencer_content_visual_labels"] == pytest.approx(0.10, abs=0.02)
    assert missing["influencer_audience_topics"] == pytest.approx(0.10, abs=0.02)
    assert missing["influencer_audience_visual_labels"] == pytest.approx(0.145, abs=0.02)
    assert missing["influencer_attributes"] == pytest.approx(0.06, abs=0.02)
    lacks_topics = frame["influencer_audience_topics"].isna()
    assert frame.loc[lacks_topics, "influencer_audience_visual_labels"].isna().all()


def test_topics_and_label_weights_are_shares(demo: AtomicData) -> None:
    topics = np.vstack(demo.influencers["influencer_content_topics"])
    np.testing.assert_allclose(topics.sum(axis=1), 1, atol=1e-5)
    objects = set(demo.manifest["dimensions"]["content_visual"][:120])
    row = demo.influencers.dropna(subset="influencer_content_visual_labels").iloc[0]
    is_object = np.array([n in objects for n in row["influencer_content_visual_labels"]])
    weights = row["influencer_content_visual_weights"]
    assert weights[is_object].sum() == pytest.approx(1)
    assert weights[~is_object].sum() == pytest.approx(1)


def unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def block(data: AtomicData, side: schema.Side, modality: str) -> npt.NDArray[np.float64]:
    """One modality as unit rows, zeros where it is missing: the untrained cosine's input."""
    frame = data.brands if side == "brand" else data.influencers
    names = data.manifest["dimensions"][modality]
    rows = np.zeros((len(frame), len(names)))
    position = {name: i for i, name in enumerate(names)}
    if modality in schema.TOPIC_MODALITIES:
        values = frame[f"{side}_{modality}"]
        for i in np.flatnonzero(values.notna()):
            rows[i] = values[i]
        return unit(rows)
    sparse = modality in schema.VISUAL_MODALITIES
    labels = frame[schema.labels_field(side, modality) if sparse else f"{side}_{modality}"]
    weights = frame[schema.weights_field(side, modality)] if sparse else None
    for i in np.flatnonzero(labels.notna()):
        columns = [position[name] for name in labels[i]]
        rows[i, columns] = 1.0 if weights is None else weights[i]
    return unit(rows)


def mean_auc(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Per brand over true negatives, ties half, mean over brands."""
    areas = []
    for row, mask in zip(scores, positive, strict=True):
        n_positive, n_negative = mask.sum(), (~mask).sum()
        above = rankdata(row)[mask].sum() - n_positive * (n_positive + 1) / 2
        areas.append(above / (n_positive * n_negative))
    return float(np.mean(areas))


@pytest.fixture(scope="module")
def cosine_auc(demo: AtomicData) -> dict[str, float]:
    """AUC of the untrained cosine on the validation brands, by the perspectives it sums."""
    pairs = demo.splits["new-brand"]["valid"]
    brands = pd.Index(demo.brands["brand_id"]).get_indexer(sorted(set(pairs["brand_id"])))
    candidates = sorted(set(pairs["influencer_id"]))
    influencers = pd.Index(demo.influencers["influencer_id"]).get_indexer(candidates)
    positive = pd.crosstab(pairs["brand_id"], pairs["influencer_id"]).to_numpy() > 0
    scores = {}
    for perspective, modalities in schema.PERSPECTIVES.items():
        used = [m for m in modalities if m in demo.manifest["dimensions"]]
        brand, influencer = (
            unit(np.hstack([block(demo, side, modality) for modality in used]))
            for side in schema.SIDES
        )
        scores[perspective] = brand[brands] @ influencer[influencers].T
    areas = {name: mean_auc(score, positive) for name, score in scores.items()}
    for name, score in scores.items():
        areas[f"without {name}"] = mean_auc(sum(scores.values()) - score, positive)
    areas["all"] = mean_auc(sum(scores.values()), positive)
    areas["shuffled"] = mean_auc(
        np.random.default_rng(1).permuted(scores["content"], axis=1), positive
    )
    return areas


def test_untrained_cosine_scores_as_on_real_accounts(cosine_auc: dict[str, float]) -> None:
    assert 0.83 <= cosine_auc["all"] <= 0.84
    assert cosine_auc["shuffled"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("perspective", schema.PERSPECTIVES)
def test_each_perspective_carries_its_own_signal(
    cosine_auc: dict[str, float], perspective: str
) -> None:
    assert 0.65 < cosine_auc[perspective] < 0.76
    assert cosine_auc["all"] > cosine_auc[f"without {perspective}"] + 0.02


def test_partners_rarely_say_the_same_word(demo: AtomicData) -> None:
    brand = demo.brands.set_index("brand_id")["brand_attributes"]
    influencer = demo.influencers.set_index("influencer_id")["influencer_attributes"]
    shared, possible, same_interest = 0, 0, 0
    for b, m in zip(demo.interactions["brand_id"], demo.interactions["influencer_id"], strict=True):
        ours, theirs = set(brand[b] or ()), set(influencer[m] or ())
        shared += len(ours & theirs)
        possible += min(len(ours), len(theirs))
        stems = {name.split("-")[0] for name in ours} & {name.split("-")[0] for name in theirs}
        same_interest += len(stems)
    assert shared < 0.1 * possible
    assert same_interest > 2 * shared


def test_popularity_says_nothing_of_new_brands(demo: AtomicData) -> None:
    popularity = demo.splits["new-brand"]["train"].groupby("influencer_id").size()
    for part in ("valid", "test"):
        pairs = demo.splits["new-brand"][part]
        positive = pd.crosstab(pairs["brand_id"], pairs["influencer_id"])
        scores = popularity.reindex(positive.columns).fillna(0).to_numpy(dtype=float)
        tiled = np.tile(scores, (len(positive), 1))
        assert mean_auc(tiled, positive.to_numpy() > 0) == pytest.approx(0.5, abs=0.02)
