"""The synthetic data sets: frozen tables, published statistics, planted and missing signal."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata
from written_tables import write_tables

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, fingerprint, read_atomic
from dataset_convert.features.lexicon import load_lexicon
from dataset_convert.synthetic import DEFAULT_SEED, SPECS, generate, write_synthetic
from dataset_convert.synthetic.material import synthetic_material
from dataset_convert.synthetic.posts import PostDraws, vocabularies

# The generator is frozen: a change of these values is a change of every figure ever measured on
# the data. They may change only together with the data sets' names. What is learnt from the tables
# is not frozen byte for byte, as it depends on the library that fits the topics; the statistics
# below hold for it.
FINGERPRINTS = {
    "mirec-tiny": "37d5506aac5dde06e27dcc2298ad6524482ec4c49d01a209f2e3e52e58fee680",
    "mirec-demo": "1451e09956f1b248428e7e908e3f46bf6b2d5d486a5396afa0df1abde1b31eae",
}


# A minute of learning topics; what is drawn is frozen below in every run.
@pytest.fixture(scope="module", params=[pytest.param("mirec-demo", marks=pytest.mark.slow)])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AtomicData:
    folder = tmp_path_factory.mktemp("synthetic") / request.param
    write_synthetic(request.param, folder)
    return read_atomic(folder, request.param)


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_generator_is_frozen(name: str, tmp_path: Path) -> None:
    material = synthetic_material(SPECS[name], seed=2026)
    write_tables(material, tmp_path, format="csv")
    material.causes.to_csv(tmp_path / "causes.csv", index=False)
    digest = hashlib.sha256()
    for path in sorted(tmp_path.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    assert digest.hexdigest() == FINGERPRINTS[name]


def test_same_seed_same_bytes_and_other_seed_other_data(data_path: Path, tmp_path: Path) -> None:
    folders = [data_path / "mirec-tiny", tmp_path / "same", tmp_path / "other"]
    for folder, seed in zip(folders[1:], (DEFAULT_SEED, 6), strict=True):
        write_synthetic("mirec-tiny", folder, seed=seed)
    one, same, other = (
        {x.relative_to(folder): x.read_bytes() for x in folder.rglob("*") if x.is_file()}
        for folder in folders
    )
    assert one == same
    atomic = [path for path in one if path.name.startswith("mirec-tiny.")]
    assert len(atomic) == 10
    assert all(one[path] != other[path] for path in atomic)
    assert fingerprint(folders[0]) != fingerprint(folders[2])


def test_what_is_returned_is_what_is_written(tiny: AtomicData) -> None:
    returned = generate("mirec-tiny")
    assert returned.manifest["fingerprint"] == tiny.manifest["fingerprint"]
    pd.testing.assert_frame_equal(returned.influencers, tiny.influencers)
    assert returned.manifest["description"] == tiny.manifest["description"]


def test_unknown_name() -> None:
    message = "must be one of mirec-demo, mirec-tiny. Received: demo"
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        generate("demo")


def test_manifest_says_that_it_is_synthetic(demo: AtomicData) -> None:
    assert demo.manifest["synthetic"] is True
    assert demo.manifest["source"] == "synthetic"
    assert demo.manifest["description"].startswith("Synthetic: ")
    assert demo.manifest["seed"] == 2026
    assert demo.manifest["generator"]["content"]["n_posts"] == 12
    assert demo.manifest["problems"] == []
    assert demo.manifest["features"].keys() == {
        "content_topics",
        "content_visual",
        "audience_topics",
        "audience_visual",
        "attributes",
    }
    # vectors that the generator brings, of no extractor
    assert {"brand_content_text", "brand_profile_text"} <= set(demo.brands)
    assert {"influencer_content_text", "influencer_profile_text"} <= set(demo.influencers)


def test_dimensions_are_those_of_the_vocabularies(demo: AtomicData) -> None:
    known = vocabularies(SPECS["mirec-demo"])
    for side, frame in (("brand", demo.brands), ("influencer", demo.influencers)):
        for modality in schema.TOPIC_MODALITIES:
            lengths = {len(x) for x in frame[f"{side}_{modality}"].dropna()}
            assert lengths == {len(known[modality][0].names)}
        for modality in schema.VISUAL_MODALITIES:
            labels = set(frame[schema.labels_field(side, modality)].dropna().sum())
            names = {name for block in known[modality] for name in block.names}
            assert labels <= names
            assert len(labels) > 0.95 * len(names)
    used = set(demo.influencers["influencer_attributes"].dropna().sum())
    named = set(known[schema.ATTRIBUTES][0].names)
    assert used <= load_lexicon().with_ancestors(named)
    assert len(used & named) > 250


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
        demo.influencer_category.sort_index(),
        first.map(category_of),
        check_names=False,
        check_dtype=False,
        check_index_type=False,
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


def test_brands_always_have_their_category_as_an_attribute(demo: AtomicData) -> None:
    lexicon = load_lexicon()
    for category, found in demo.brands[["brand_category", "brand_attributes"]].to_numpy():
        assert lexicon.with_ancestors(lexicon.find(category).concepts) <= set(found)


def test_topics_and_label_weights_are_shares(demo: AtomicData) -> None:
    topics = np.vstack(demo.influencers["influencer_content_topics"])
    np.testing.assert_allclose(topics.sum(axis=1), 1, atol=1e-5)
    row = demo.influencers.dropna(subset="influencer_content_visual_labels").iloc[0]
    is_scene = np.array([n.startswith("scene:") for n in row["influencer_content_visual_labels"]])
    weights = row["influencer_content_visual_weights"]
    assert weights[is_scene].sum() == pytest.approx(1, abs=1e-5)
    assert weights[~is_scene].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("stream", "of_topics", "of_accounts"), [("content", 0.75, 0.8), ("audience", 0.65, 0.7)]
)
def test_planted_topics_are_found_again(
    demo: AtomicData, stream: str, of_topics: float, of_accounts: float
) -> None:
    material = synthetic_material(SPECS["mirec-demo"], seed=2026)
    draws = material.posts if stream == "content" else material.audience_posts
    assert isinstance(draws, PostDraws)
    found = pd.concat(
        frame.set_index(f"{side}_id")[f"{side}_{stream}_topics"].dropna()
        for side, frame in (("brand", demo.brands), ("influencer", demo.influencers))
    ).reindex(list(draws.accounts))
    heard = found.notna().to_numpy()
    planted, fitted = draws.topics[heard], np.vstack(found[heard])
    alike = unit(planted.T) @ unit(fitted.T).T
    ours, theirs = linear_sum_assignment(-alike)
    assert alike[ours, theirs].mean() > of_topics
    per_account = (unit(planted[:, ours]) * unit(fitted[:, theirs])).sum(axis=1)
    assert per_account.mean() > of_accounts


def unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def block(data: AtomicData, modality: str) -> dict[str, npt.NDArray[np.float64]]:
    """One modality of both sides as unit rows, zeros where it is missing."""
    frames = {"brand": data.brands, "influencer": data.influencers}
    fields = {side: f"{side}_{modality}" for side in frames}
    if modality in schema.TOPIC_MODALITIES:
        n_topics = len(data.influencers[fields["influencer"]].dropna().iloc[0])
        return {
            side: unit(
                np.vstack([np.zeros(n_topics) if x is None else x for x in frame[fields[side]]])
            )
            for side, frame in frames.items()
        }
    sparse = modality in schema.VISUAL_MODALITIES
    labels = {
        side: frame[schema.labels_field(side, modality) if sparse else fields[side]]
        for side, frame in frames.items()
    }
    names = sorted({name for column in labels.values() for row in column.dropna() for name in row})
    position = {name: i for i, name in enumerate(names)}
    made = {}
    for side, frame in frames.items():
        rows = np.zeros((len(frame), len(names)))
        weights = frame[schema.weights_field(side, modality)] if sparse else None
        for i in np.flatnonzero(labels[side].notna()):
            columns = [position[name] for name in labels[side][i]]
            rows[i, columns] = 1.0 if weights is None else weights[i]
        made[side] = unit(rows)
    return made


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
        used = [block(demo, m) for m in modalities if m in demo.manifest["features"]]
        brand, influencer = (unit(np.hstack([x[side] for x in used])) for side in schema.SIDES)
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
    assert 0.78 <= cosine_auc["all"] <= 0.90
    assert cosine_auc["shuffled"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("perspective", schema.PERSPECTIVES)
def test_each_perspective_carries_its_own_signal(
    cosine_auc: dict[str, float], perspective: str
) -> None:
    assert 0.6 < cosine_auc[perspective] < 0.83
    assert cosine_auc["all"] > cosine_auc[f"without {perspective}"] + 0.005


def test_popularity_says_nothing_of_new_brands(demo: AtomicData) -> None:
    popularity = demo.splits["new-brand"]["train"].groupby("influencer_id").size()
    for part in ("valid", "test"):
        pairs = demo.splits["new-brand"][part]
        positive = pd.crosstab(pairs["brand_id"], pairs["influencer_id"])
        scores = popularity.reindex(positive.columns).fillna(0).to_numpy(dtype=float)
        tiled = np.tile(scores, (len(positive), 1))
        assert mean_auc(tiled, positive.to_numpy() > 0) == pytest.approx(0.5, abs=0.02)
