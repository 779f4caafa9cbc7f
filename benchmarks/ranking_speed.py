"""Full ranking of all brands x influencers: MIRec's matrix product against RecBole's DeepFM.

    python benchmarks/ranking_speed.py --data_path dataset/

Same data, one thread, one run. RecBole's own full-sort evaluation scores DeepFM pair by pair; MIRec
is timed with its account vectors at hand, and with their computation. Models are untrained: the
time does not depend on the parameters' values.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.data.interaction import Interaction
from recbole.sampler import Sampler
from recbole.trainer import Trainer

from recbole_mirec.experiment import Experiment, prepare
from recbole_mirec.trainer import score_matrix


def main() -> None:
    """Print medians over the repeats and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="mirec-demo")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        base = {
            "dataset": options.dataset,
            "data_path": options.data_path,
            "checkpoint_dir": folder,
            "state": "ERROR",
            "protocol": "known-brand",
            "graph_method": "netmf",
        }
        mirec = prepare({**base, "model": "MIRec"})
        del base["graph_method"]
        deepfm = prepare({**base, "model": "DeepFM", "eval_batch_size": 4_096_000})
        upstream = median_seconds(lambda: recbole_full_sort(deepfm), 1)
        ours = median_seconds(lambda: rank_all(mirec, fresh=False), options.repeats)
        with_vectors = median_seconds(lambda: rank_all(mirec, fresh=True), options.repeats)
    n_brands, n_influencers = mirec.dataset.user_num - 1, mirec.dataset.item_num - 1
    print(
        f"{options.dataset} (synthetic): {n_brands} brands x {n_influencers} influencers, 1 thread"
    )
    print(f"RecBole's full sort of DeepFM        {upstream:8.3f} s (one pass)")
    print(f"MIRec, account vectors at hand       {ours:8.3f} s (median of {options.repeats})")
    print(
        f"MIRec, account vectors computed too  {with_vectors:8.3f} s (median of {options.repeats})"
    )
    print(f"ratio without the account vectors    {upstream / ours:8.1f}")
    print(f"ratio with the account vectors       {upstream / with_vectors:8.1f}")


def median_seconds(work: Callable[[], Any], repeats: int) -> float:
    """Median wall time of a piece of work."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def rank_all(experiment: Experiment, *, fresh: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Score every brand for every influencer by MIRec."""
    experiment.model.train(fresh)
    experiment.model.eval()
    experiment.model.account_vectors()
    dataset = experiment.dataset
    return score_matrix(
        experiment.model,
        dataset,
        np.arange(1, dataset.user_num),
        np.arange(1, dataset.item_num),
        pairs_at_once=4_096_000,
    )


def recbole_full_sort(experiment: Experiment) -> None:
    """RecBole's own evaluation step over all brands: join, repeat, predict, mask."""
    config, dataset = experiment.config, experiment.dataset
    first = dataset.pairs["train"]
    _, rows = np.unique(first[:, 0], return_index=True)
    one_each = dataset.copy(
        Interaction(
            {
                dataset.uid_field: torch.from_numpy(first[rows, 0]),
                dataset.iid_field: torch.from_numpy(first[rows, 1]),
            }
        )
    )
    sampler = Sampler(["valid"], [one_each]).set_phase("valid")
    loader = FullSortEvalDataLoader(config, one_each, sampler)
    trainer = Trainer(config, experiment.model)
    trainer.tot_item_num = dataset.item_num
    trainer.item_tensor = dataset.get_item_feature()
    experiment.model.eval()
    with torch.no_grad():
        for batch in loader:
            trainer._full_sort_batch_eval(batch)


if __name__ == "__main__":
    main()
