"""Chances: what was calibrated is what happens, on brands that no model of theirs has seen."""

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_mirec.recommend import confidence
from recbole_mirec.recommend.confidence import calibrate, chances
from recbole_mirec.recommend.recommender import Recommender


def test_a_chance_is_how_often_it_happens() -> None:
    rng = np.random.default_rng(0)

    def drawn(n: int) -> Any:
        scores = rng.normal(size=(n, 400))
        return scores, rng.random(scores.shape) < 1 / (1 + np.exp(2 - 2 * scores))

    made = calibrate([drawn(60) for _ in range(5)])
    assert made["chances"] == sorted(made["chances"])
    scores, happened = drawn(400)
    best = np.argsort(-scores, axis=1)[:, :20]
    told = chances(made, np.take_along_axis(scores, best, axis=1).ravel())
    really = np.take_along_axis(happened, best, axis=1).ravel()
    assert told is not None
    assert 0 <= told.min() < told.max() <= 1
    for some in np.array_split(np.argsort(told), 5):
        assert told[some].mean() == pytest.approx(really[some].mean(), abs=0.08)
    ends = chances(made, np.array([-99.0, 99.0]))
    assert ends is not None
    assert ends.tolist() == [made["chances"][0], made["chances"][-1]]
    assert chances({}, scores) is None


def test_a_run_is_calibrated_once(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(shutil.copytree(run, tmp_path / "run"))
    held: list[Any] = []
    out_of_fold = confidence.out_of_fold

    def kept(experiment: Any) -> Any:
        held.extend(found := out_of_fold(experiment))
        return found

    monkeypatch.setattr(confidence, "out_of_fold", kept)
    with contextlib.chdir(tmp_path):
        recommender = Recommender.load(place, confidence=True)
    n_brands = sum(len(scores) for scores, _ in held)
    assert len(held) == confidence.N_FOLDS
    assert recommender.bundle.about["confidence"]["n_brands"] == n_brands >= 20
    # every brand of training and validation once, and all influencers
    n_pairs = sum(int(worked.sum()) for _, worked in held)
    test = 8
    assert n_brands == len(recommender.brands) - test
    assert n_pairs < len(recommender.bundle.partners)
    assert {scores.shape[1] for scores, _ in held} == {len(recommender.influencers)}
    chance = recommender.recommend("brand_01", 50).frame["chance"]
    assert chance.between(0, 1).all()
    assert chance.is_monotonic_decreasing
    Recommender.load(place, confidence=True)
    assert len(held) == confidence.N_FOLDS


def test_few_brands_get_no_chances(recommender: Recommender) -> None:
    about = {**recommender.bundle.about, "confidence": {"n_brands": 12}}
    found = Recommender(replace(recommender.bundle, about=about)).recommend("brand_01")
    assert found.notes[-1] == "no chances are told: 12 brands are too few to calibrate on"
    assert "chance" not in found.frame
