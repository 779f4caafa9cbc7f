"""Portraits: the graph recounted, the map's accounts, case studies that agree with the results."""

import contextlib
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from little_data import settings
from scipy import sparse

from dataset_convert.atomic import read_atomic
from recbole_mirec.benchmark.portrait import (
    LEAST_SHARE,
    N_ATTRIBUTES,
    N_TOPICS,
    account_card,
    flattened,
    portrait_of,
    portrait_run,
    shown_candidates,
    strongest,
)
from recbole_mirec.experiment import run_experiment


@dataclass(frozen=True)
class Opened:
    """A run, its data set and its portrait."""

    run: Path
    data: Path
    portrait: dict[str, Any]
    digests: tuple[dict[str, str], dict[str, str]]


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def opened(data_path: Path, folder: Path, model: str, **changes: Any) -> Opened:
    with contextlib.chdir(folder):
        common = {"checkpoint_dir": str(folder / "saved"), "epochs": 3}
        chosen = settings(data_path, model, **(common | changes))
        run = run_experiment(chosen, log_file=folder / "log.txt").run_folder
        before = digests(run)
        found = portrait_of(run, "Ours")
    return Opened(run, data_path / "mirec-tiny", found, (before, digests(run)))


@pytest.fixture(scope="module")
def mirec(data_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    yield opened(data_path, tmp_path_factory.mktemp("mirec"), "MIRec")


def test_the_run_is_left_as_it_is(mirec: Opened) -> None:
    before, after = mirec.digests
    assert "best.safetensors" in before
    assert before == after


def test_the_graph_counts_training_collaborations_as_a_plain_loop_does(mirec: Opened) -> None:
    data = read_atomic(mirec.data, "mirec-tiny")
    lists = [
        dict(zip(frame.iloc[:, 0], frame[column], strict=True))
        for frame, column in (
            (data.brands, "brand_attributes"),
            (data.influencers, "influencer_attributes"),
        )
    ]
    train = data.splits["new-brand"]["train"]
    counts: Counter[tuple[str, str]] = Counter()
    for brand, influencer in zip(train["brand_id"], train["influencer_id"], strict=True):
        pairs = zip(lists, (brand, influencer), strict=True)
        ours, theirs = (set(found.get(one) or ()) for found, one in pairs)
        for pair in itertools.combinations(sorted(ours | theirs), 2):
            i, j = pair
            counts[pair] += (
                (i in ours and j in ours)
                + (i in theirs and j in theirs)
                + ((i in ours and j in theirs) or (j in ours and i in theirs))
            )
    weights = {pair: (n / 2) ** 0.5 for pair, n in counts.items() if n}
    graph = mirec.portrait["graph"]
    assert graph["n_edges"] == len(weights)
    strengths: Counter[str] = Counter()
    for (i, j), weight in weights.items():
        strengths[i] += weight
        strengths[j] += weight
    assert graph["n_attributes"] == len(strengths)
    assert graph["total"] == pytest.approx(sum(strengths.values()))
    ranked = sorted(strengths, key=lambda name: (-round(strengths[name], 3), name))
    names = graph["names"]
    assert names == ranked[:N_ATTRIBUTES]
    assert graph["strengths"] == pytest.approx([strengths[name] for name in names], abs=1e-3)
    found = {tuple(sorted((names[i], names[j]))): weight for i, j, weight in graph["edges"]}
    shown = set(names)
    assert found == pytest.approx(
        {pair: weight for pair, weight in weights.items() if set(pair) <= shown}, abs=1e-3
    )


def test_the_strongest_attributes_of_a_graph_worked_by_hand() -> None:
    # b-c 3, a-c 1, a-d 1; e has no edge.
    dense = np.zeros((5, 5))
    for i, j, weight in ((1, 2, 3.0), (0, 2, 1.0), (0, 3, 1.0)):
        dense[i, j] = dense[j, i] = weight
    graph = strongest(sparse.csr_array(dense), ("a", "b", "c", "d", "e"))
    assert graph == {
        **{"names": ["c", "b", "a", "d"], "strengths": [4.0, 3.0, 2.0, 1.0]},
        "edges": [(0, 1, 3.0), (0, 2, 1.0), (2, 3, 1.0)],
        **{"n_attributes": 4, "n_edges": 3, "total": 10.0},
    }


def sides(found: Opened) -> dict[str, dict[str, str]]:
    """Side -> account -> category on the map; every account stands in the data set's files."""
    known: dict[str, dict[str, str]] = {"brand": {}, "influencer": {}}
    for one in found.portrait["map"]["accounts"]:
        known[one["side"]][one["id"]] = one["category"]
    data = read_atomic(found.data, "mirec-tiny")
    assert set(known["brand"]) == set(data.brands["brand_id"])
    assert set(known["influencer"]) == set(data.influencers["influencer_id"])
    return known


def test_the_map_holds_every_account_with_its_category(mirec: Opened) -> None:
    data, known = read_atomic(mirec.data, "mirec-tiny"), sides(mirec)
    assert known["brand"] == dict(data.brands[["brand_id", "brand_category"]].to_numpy())
    assert data.influencer_category is not None
    assert known["influencer"] == data.influencer_category.to_dict()
    assert np.ptp([one["x"] for one in mirec.portrait["map"]["accounts"]]) > 0


def test_padding_is_no_account_where_its_vector_is_not_zero(
    data_path: Path, tmp_path: Path
) -> None:
    found = opened(data_path, tmp_path, "ContentTwoTower", epochs=1, folds=3, fold=2)
    sides(found)
    assert found.portrait["protocol"] == "new-brand, fold 2 of 3"


def test_few_vectors_lie_on_their_components_and_many_keep_their_groups() -> None:
    rng = np.random.default_rng(5)
    few = rng.normal(size=(11, 5))
    places, words = flattened(few)
    assert places.shape == (11, 2)
    assert "principal components" in words and "t-SNE" not in words
    # Directions only: length does not matter.
    assert flattened(few * rng.uniform(1, 9, size=(11, 1)))[0] == pytest.approx(places)
    centres = np.eye(3, 13)[np.arange(120) % 3] * 10
    many, words = flattened(centres + rng.normal(size=(120, 13)))
    assert "t-SNE" in words
    near = np.linalg.norm(many[:, None] - many[None], axis=2) + 1e9 * np.eye(120)
    assert (near.argmin(axis=1) % 3 == np.arange(120) % 3).all()


def test_case_studies_are_the_best_and_the_median_brand_of_the_results(mirec: Opened) -> None:
    results = pd.read_csv(mirec.run / "per_brand.test.csv").set_index("brand_id")["MAP"]
    ranks = pd.read_csv(mirec.run / "ranks.test.csv")
    best, median = mirec.portrait["cases"]
    assert results[best["brand"]["id"]] == pytest.approx(results.max())
    assert best["average_precision"] == pytest.approx(results.max())
    middle = sorted(results, reverse=True)[len(results) // 2]
    assert median["average_precision"] == pytest.approx(middle)
    for case in (best, median):
        known = ranks[ranks["brand_id"] == case["brand"]["id"]].set_index("influencer_id")["rank"]
        assert case["n_positives"] == len(known)
        cards = {card["role"]: card for card in case["influencers"]}
        first, last = cards["best ranked collaborator"], cards["worst ranked collaborator"]
        assert first["rank"] == known.min() == known[first["id"]]
        assert last["rank"] == known.max() == known[last["id"]]
        assert cards["best ranked other"]["id"] not in known
        assert cards["worst ranked other"]["id"] not in known


def test_shares_add_up_to_scores_in_the_order_of_the_ranks(mirec: Opened) -> None:
    for case in mirec.portrait["cases"]:
        ordered = sorted(case["influencers"], key=lambda card: card["rank"])
        scores = [sum(card["shares"].values()) for card in ordered]
        assert scores == sorted(scores, reverse=True)
        parts = ("content", "audience", "attribute", "precedent", "hubness")
        assert {tuple(card["shares"]) for card in ordered} == {parts}
        assert not case["brand"]["shares"]


def test_cards_tell_what_the_files_hold_and_what_is_shared(mirec: Opened) -> None:
    data = read_atomic(mirec.data, "mirec-tiny")
    words = data.manifest["features"]["content_topics"]["topics"]
    influencers = data.influencers.set_index("influencer_id")
    for case in mirec.portrait["cases"]:
        row = data.brands.set_index("brand_id").loc[case["brand"]["id"]]
        shares = row["brand_content_topics"]
        largest = sorted((x for x in shares if x >= LEAST_SHARE), reverse=True)[:N_TOPICS]
        topics = case["brand"]["features"]["content_topics"]
        assert [shares[topic["key"]] for topic in topics] == largest
        for topic in topics:
            named = " · ".join(word for word, _ in words[topic["key"]]["words"][:4])
            assert topic["text"] == f"{100 * shares[topic['key']]:.0f} % {named}"
        ours = case["brand"]["features"]["attributes"]
        assert [one["text"] for one in ours] == sorted(row["brand_attributes"] or [])
        assert not any(one["shared"] for one in ours)
        for card in case["influencers"]:
            theirs = influencers.loc[card["id"], "influencer_attributes"] or []
            shared = [one["text"] for one in card["features"]["attributes"] if one["shared"]]
            assert shared == sorted(set(theirs) & set(row["brand_attributes"] or []))


def test_a_card_of_an_account_without_features_is_bare(mirec: Opened) -> None:
    data = read_atomic(mirec.data, "mirec-tiny")
    account = str(data.influencers["influencer_id"].iloc[0])
    bare = data.influencers.copy()
    for column in bare.columns[1:]:
        bare[column] = pd.Series([None] * len(bare), dtype=object)
    card = account_card(type(data)(**{**vars(data), "influencers": bare}), "influencer", account)
    assert card["followers"] is None
    assert not any(card["features"].values())


def test_of_another_model_only_the_graph_is_shown_and_the_rest_is_explained(
    data_path: Path, tmp_path: Path
) -> None:
    found = opened(data_path, tmp_path, "BPR", epochs=1).portrait
    assert found["graph"]["names"]
    assert found["map"] is None and found["cases"] is None
    assert found["missing"] == {
        "map": "BPR has no account vectors",
        "cases": "BPR does not split a score by perspective",
    }


def test_the_candidates_shown_are_the_ends_of_both_groups() -> None:
    ranks = np.array([3.0, np.nan, 1.0, 5.0, 2.0, 4.0])
    positives = np.array([True, True, False, True, False, False])
    assert shown_candidates(ranks, positives) == {
        "best ranked collaborator": 0,
        "worst ranked collaborator": 3,
        "best ranked other": 2,
        "worst ranked other": 5,
    }
    alone = shown_candidates(np.array([1.0, np.nan]), np.array([True, False]))
    assert alone == {"best ranked collaborator": 0}


def test_the_run_that_is_opened_is_of_new_brands_the_first_seed_and_fold(tmp_path: Path) -> None:
    rows = [
        ("Ours", "known-brand", 1, 0, "finished", "a"),
        ("Ours", "new-brand", 2, 1, "finished", "b"),
        ("Ours", "new-brand", 1, 2, "finished", "c"),
        ("Ours", "new-brand", 1, 1, "failed", "d"),
        ("Theirs", "new-brand", 1, 1, "failed", "e"),
    ]
    names = ["label", "protocol", "seed", "fold", "status", "folder"]
    table = pd.DataFrame(rows, columns=names)
    assert portrait_run(tmp_path, table, "Ours") == tmp_path / "c"
    assert portrait_run(tmp_path, table, "Theirs") is None
