from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_mirec.experiment import ExperimentResult
from recbole_mirec.results import Evaluation, format_table, result_table


def test_columns_are_aligned_and_numbers_rounded() -> None:
    frame = pd.DataFrame(
        {"name": ["a", "longer"], "rank": [1, 20], "x": [0.12345, None], "MedR": [2.25, 10.0]}
    )
    assert format_table(frame, decimals=3).split("\n") == [
        "name    rank      x  MedR",
        "a          1  0.123   2.2",
        "longer    20      -  10.0",
    ]


def test_missing_values_of_every_kind_are_a_dash() -> None:
    frame = pd.DataFrame({"n": pd.Series([3, None], dtype="Int64"), "t": [None, "x"]})
    assert format_table(frame, decimals=1).split("\n") == ["n  t", "3  -", "-  x"]


def evaluation(part: str, **summary: float) -> Evaluation:
    per_brand = pd.DataFrame({"AUC": [0.5, 0.6, 0.7]})
    return Evaluation(part, per_brand, summary, 45, np.zeros((3, 45)))


def result(**changes: Any) -> ExperimentResult:
    fields: dict[str, Any] = {
        "model": "BPR",
        "dataset": "mirec-tiny",
        "protocol": "new-brand",
        "seed": 3,
        "folds": 0,
        "fold": 0,
        "synthetic": True,
        "valid": evaluation("valid", AUC=0.61, MedR=4.0, paper_auc=0.62, paper_medr=3.0),
        "test": evaluation("test", **{"AUC": 0.51, "Recall@10": 0.1, "unseen_AUC": 0.5}),
        "best_epoch": 2,
        "n_epochs": 7,
        "seconds": 12.4,
        "run_folder": Path("saved/run"),
        "valid_metric": "MAP",
        "notes": ("It has no signal.",),
    }
    return ExperimentResult(**(fields | changes))


def test_the_table_says_what_a_reader_needs() -> None:
    lines = result_table(result()).split("\n")
    assert lines[0] == "BPR on mirec-tiny (synthetic data), protocol new-brand, seed 3"
    assert lines[2].split() == ["AUC", "MedR", "R@10"]
    assert [" ".join(line.split()) for line in lines[3:7]] == [
        "validation (3 brands, 45 candidates) 0.6100 4.0 -",
        "by the paper's rules 0.6200 3.0 -",
        "test (3 brands, 45 candidates) 0.5100 - 0.1000",
        "unseen influencers only 0.5000 - -",
    ]
    assert "epoch 2 of 7, chosen by validation MAP; 12 s" in lines
    assert "Note: It has no signal." in lines
    assert lines[-1].startswith("Files: saved/run ")


def test_the_fold_stands_beside_the_protocol() -> None:
    first = result_table(result(folds=5, fold=2)).split("\n")[0]
    assert first == "BPR on mirec-tiny (synthetic data), protocol new-brand, fold 2 of 5, seed 3"


def test_real_data_is_not_called_synthetic_and_a_missing_part_is_left_out() -> None:
    text = result_table(result(synthetic=False, test=None, notes=()))
    assert text.startswith("BPR on mirec-tiny, protocol")
    assert "test (" not in text
    assert "Note" not in text
