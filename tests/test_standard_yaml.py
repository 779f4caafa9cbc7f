"""A standard YAML of RecBole, as its documentation has it, runs here as it stands."""

import json
from pathlib import Path

import pandas as pd
import pytest

from recbole_mirec.cli import main

NAMES = "USER_ID_FIELD: user_id\nITEM_ID_FIELD: item_id\n"
STANDARD = """\
load_col:
  inter: [user_id, item_id]
embedding_size: 16
n_layers: 2
reg_weight: 1e-05
epochs: 1
train_batch_size: 4096
eval_batch_size: 4096
learner: adam
learning_rate: 0.001
train_neg_sample_args:
  distribution: uniform
  sample_num: 1
  alpha: 1.0
  dynamic: False
  candidate_num: 0
eval_args:
  split: {'RS': [0.8, 0.1, 0.1]}
  group_by: user
  order: RO
  mode: full
metrics: ['Recall', 'MRR', 'NDCG', 'Hit', 'Precision']
topk: 10
valid_metric: MRR@10
valid_metric_bigger: True
stopping_step: 10
seed: 2020
reproducibility: True
state: INFO
use_gpu: True
gpu_id: ''
nproc: 1
show_progress: False
save_dataset: False
save_dataloaders: False
checkpoint_dir: saved
"""
SHOWN = ["Recall@10", "MRR@10", "NDCG@10", "Hit@10", "Precision@10"]


@pytest.mark.parametrize(
    ("model", "dataset", "names", "n_users"),
    [("LightGCN", "ml-100k", NAMES, 943), ("MIRec", "mirec-tiny", "data_path: .\n", 36)],
)
def test_it_runs_and_shows_what_it_asks_for(
    model: str,
    dataset: str,
    names: str,
    n_users: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my standard.yaml").write_text(names + STANDARD)
    assert main(["-m", model, "-d", dataset, "--config_files", "my standard.yaml"]) == 0
    out, err = capsys.readouterr()
    assert f"{model} on {dataset}" in out
    assert "chosen by validation MRR@10" in out
    assert "R@10  MRR@10  NDCG@10  Hit@10  Precision@10" in out
    assert err.count("Keys that have no effect here:") == 1
    assert err.count("By eval_args the protocol is known-brand") == 1
    assert ("load_col (the columns are chosen" in err) == (model == "MIRec")
    assert ("embedding_size, n_layers, reg_weight (model MIRec" in err) == (model == "MIRec")
    (folder,) = Path("saved").glob(f"{model}-*")
    record = json.loads((folder / "run.json").read_text())
    assert record["protocol"] == "known-brand"
    for part in ("valid", "test"):
        shown = [name for name in record[part] if name not in ("n_brands", "n_candidates")]
        assert shown == [*SHOWN, "paper_recall@10"]
        assert record[part]["n_brands"] == n_users
        frame = pd.read_csv(folder / f"per_brand.{part}.csv")
        assert [name for name in frame if "@" in name] == [*SHOWN, "paper_recall@10"]
        for name in SHOWN:
            assert frame[name].mean() == pytest.approx(record[part][name], abs=1e-9)
