"""What MIRec learns where the right answer is known, and what it cannot have learnt."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from little_data import settings
from model_cases import SMALL as SMALL_BASELINES
from planted_data import NAME, write_planted

from recbole_mirec.experiment import prepare, run_experiment

# Parameters are few, so the penalty that suits a full network would leave nothing of them.
SMALL = {"dimension": 16, "l1_weight": 1e-5, "learning_rate": 0.005, "epochs": 60}


@pytest.fixture(scope="module")
def folders(workplace: Path) -> dict[str, Path]:
    """The planted data, and the same with the training pairs shuffled."""
    return {
        "planted": write_planted(workplace / "planted", shuffled=False),
        "shuffled": write_planted(workplace / "shuffled", shuffled=True),
    }


def auc_of_test(folder: Path, model: str = "MIRec", **changes: Any) -> float:
    result = run_experiment(settings(folder, model, NAME, **({"stopping_step": 60} | changes)))
    assert result.test is not None
    return result.test.summary["AUC"]


def untrained_auc(folder: Path, **changes: Any) -> float:
    experiment = prepare(settings(folder, dataset=NAME, **changes))
    split = experiment.dataset.evaluation_split("test")
    assert split is not None
    return experiment.trainer.evaluate_split(split).summary["AUC"]


# Topics alone, half of the answer, are worth 5/6: a third of the wrong ones share the topic.
@pytest.mark.parametrize(
    ("variant", "reached"),
    [("reference", 0.95), pytest.param("paper", 0.8, marks=pytest.mark.slow)],
)
def test_trained_on_planted_pairs_the_right_influencers_come_first(
    folders: dict[str, Path], variant: str, reached: float
) -> None:
    given = SMALL | {"variant": variant}
    untrained = untrained_auc(folders["planted"], **given)
    trained = auc_of_test(folders["planted"], **given)
    shuffled = auc_of_test(folders["shuffled"], **given)
    assert trained > reached
    assert trained > untrained + 0.25
    assert shuffled < untrained + 0.05


# The closed form is fitted on pairs too, so untrained means without it and without hubness, which
# makes it the cosine of topics and attributes.
UNFITTED = {"precedent": False, "hubness_weight": 0}
OURS = {"epochs": 60, "stopping_step": 60, "train_batch_size": 512, "learning_rate": 0.005}


def test_our_method_puts_the_right_influencers_first(folders: dict[str, Path]) -> None:
    untrained = untrained_auc(folders["planted"], **UNFITTED)
    closed = untrained_auc(folders["planted"])
    trained = auc_of_test(folders["planted"], **OURS)
    assert untrained < 0.93
    assert closed > untrained + 0.02
    assert trained > 0.99


@pytest.mark.parametrize("changes", [{}, UNFITTED])
def test_shuffled_pairs_teach_our_method_nothing(
    folders: dict[str, Path], changes: dict[str, Any]
) -> None:
    untrained = untrained_auc(folders["planted"], **UNFITTED)
    assert auc_of_test(folders["shuffled"], **(OURS | changes)) < untrained - 0.05


def test_collaborative_filtering_cannot_know_new_brands(folders: dict[str, Path]) -> None:
    found = [
        auc_of_test(folders["planted"], "BPR", seed=seed, epochs=20, learning_rate=0.01)
        for seed in range(6)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)
    assert max(found) < 0.7


# MIR and HPTR read topics alone, which are half of the answer and worth 5/6.
@pytest.mark.parametrize(
    ("model", "reached"),
    [
        ("ContentTwoTower", 0.95),
        pytest.param("MIR", 0.8, marks=pytest.mark.slow),
        ("HPTR", 0.8),
        pytest.param("CATR", 0.93, marks=pytest.mark.slow),
        pytest.param("CAMERA", 0.88, marks=pytest.mark.slow),
    ],
)
def test_planted_pairs_are_learnt_and_shuffled_ones_are_not(
    folders: dict[str, Path], model: str, reached: float
) -> None:
    wide = {
        key: [32]
        for key in SMALL_BASELINES[model]
        if key.endswith("_tower") or key == "tower_hidden"
    }
    changes = wide | {"tower_dimension": 16, "tower_dropout": 0.0, "learning_rate": 0.01}
    found = {}
    for name, folder in folders.items():
        given = SMALL_BASELINES[model] | changes
        found[name] = auc_of_test(folder, model, epochs=100, stopping_step=100, **given)
    assert found["planted"] > reached
    assert found["shuffled"] < 0.7
