"""RecBole's models on ml-100k: our command beside RecBole's own call, on one split.

    python benchmarks/ml100k.py [MODEL ...]

Our `known-brand` split of RecBole's bundled ml-100k is written as RecBole's `benchmark_filename`
files, from which stock `run_recbole` trains after `register()`. Same keys, another sampler of
negatives and other random numbers. Prints a table in Markdown.
"""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

import recbole_mirec
from dataset_convert import schema

MODELS = ("BPR", "LightGCN", "Pop", "ItemKNN", "EASE")
METRICS = ("Recall@10", "MRR@10", "NDCG@10", "Hit@10", "Precision@10")
NAME = "split-100k"
KEYS: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id"]},
    "metrics": ["Recall", "MRR", "NDCG", "Hit", "Precision"],
    "topk": [10],
    "valid_metric": "MRR@10",
    "train_batch_size": 2048,
    "eval_batch_size": 4_000_000,
    "epochs": 30,
    "stopping_step": 30,  # none stops early, so that both train as long
    "seed": 2020,
    "gpu_id": "",
    "state": "ERROR",
    "show_progress": False,
}


def write_split(folder: Path) -> None:
    """Our split of ml-100k, as files that RecBole takes for a split of its own."""
    from recbole_mirec.experiment import load_dataset

    config = recbole_mirec.MirecConfig("BPR", "ml-100k", None, KEYS)
    dataset = load_dataset(config)
    dataset.build()
    (folder / NAME).mkdir(parents=True)
    for part in schema.PARTS:
        pairs = dataset.pairs[part]
        columns = {
            f"{field}:token": dataset.id2token(field, pairs[:, column])
            for column, field in enumerate((dataset.uid_field, dataset.iid_field))
        }
        path = folder / NAME / f"{NAME}.{part}.inter"
        pd.DataFrame(columns).to_csv(path, sep="\t", index=False)


def main() -> None:
    """Run every model both ways and print what they found on the test part."""
    recbole_mirec.register()
    from recbole.quick_start import run_recbole

    chosen = sys.argv[1:] or MODELS
    sys.argv = sys.argv[:1]
    print(f"| model | by | {' | '.join(METRICS)} |\n|---|---|{'---:|' * len(METRICS)}")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_split(Path("dataset"))
        stock = KEYS | {"benchmark_filename": list(schema.PARTS), "data_path": "dataset"}
        for model in chosen:
            ours = recbole_mirec.run_recbole_mirec(model, "ml-100k", None, KEYS, saved=False)
            theirs = run_recbole(model, NAME, config_dict=dict(stock))
            for by, found in (("our command", ours), ("RecBole's call", theirs)):
                figures = {name.lower(): value for name, value in found["test_result"].items()}
                row = " | ".join(f"{figures[name.lower()]:.4f}" for name in METRICS)
                print(f"| {model} | {by} | {row} |", flush=True)


if __name__ == "__main__":
    main()
