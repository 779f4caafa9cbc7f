"""What mirec-demo (synthetic) shows: baselines, perspectives, shuffles, with paired tests.

python benchmarks/demo_evidence.py --data_path dataset/ --output evidence.md
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from comparison import (
    METRICS,
    Compared,
    mean_and_spread,
    over_seeds,
    paired_p,
    run_all,
    write_lines,
)
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, read_atomic, write_atomic
from recbole_mirec.data.evaluation_split import EvaluationSplit
from recbole_mirec.experiment import Experiment, prepare
from recbole_mirec.results import evaluate_scores
from recbole_mirec.scoring import score_matrix

PERSPECTIVES = ("content", "audience", "attribute")
SHUFFLED = "MIRec, training pairs shuffled"
CENTRED = "MIRec untrained, mean vectors taken away"
PAIRS = [schema.BRAND_ID, schema.INFLUENCER_ID]
HEADER = f"| model | {' | '.join(METRICS)} |\n|---|{'---|' * len(METRICS)}"


def main() -> None:
    """Run everything and write one Markdown page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="mirec-demo")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--part", default="test", choices=("valid", "test"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--protocols", nargs="+", default=[schema.NEW_BRAND, schema.KNOWN_BRAND])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    base = {"dataset": options.dataset, "data_path": options.data_path}
    lines = [
        f"Data set {options.dataset} (synthetic), {options.part} part, seeds {options.seeds}:",
        "mean and sample standard deviation over the seeds; paired permutation",
        "tests over brands, one-sided, not corrected for their number.",
        "",
    ]
    if schema.NEW_BRAND in options.protocols:
        lines += new_brand_lines(base, options)
    if schema.KNOWN_BRAND in options.protocols:
        lines += known_brand_lines(base, options)
    write_lines(lines, options.output)


def new_brand_lines(base: Mapping[str, Any], options: argparse.Namespace) -> list[str]:
    """Table and tests of the protocol new-brand."""
    found = new_brand(base, options)
    return [
        "Protocol new-brand:",
        "",
        HEADER,
        *(f"| {name} | {mean_and_spread(result, METRICS)} |" for name, result in found.items()),
        "",
        *differences(found),
        f"- labels of the evaluation shuffled: AUC {shuffled_labels(base, options.part):.3f}",
        "",
    ]


def new_brand(base: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Compared]:
    """All models and ablations on brands without a past."""
    wanted: dict[str, Mapping[str, Any]] = {
        "Random": {"model": "Random"},
        "BPR": {"model": "BPR"},
        "LightGCN": {"model": "LightGCN"},
        "Cosine (untrained)": {"model": "Cosine"},
        "MIRec untrained": {"model": "MIRec", "epochs": 1, "learning_rate": 1e-12},
        "MIRec paper": {"model": "MIRec", "variant": "paper"},
        "MIRec": {"model": "MIRec"},
    }
    for count in (1, 2):
        for left_out in range(3):
            chosen = [
                name
                for position, name in enumerate(PERSPECTIVES)
                if (position == left_out) == (count == 1)
            ]
            wanted[f"MIRec {' + '.join(chosen)}"] = {"model": "MIRec", "perspectives": chosen}
    with tempfile.TemporaryDirectory() as folder:
        name = write_shuffled_training(base, Path(folder))
        wanted[SHUFFLED] = {"model": "MIRec", "dataset": name, "data_path": folder}
        settings = {name: {**base, **keys} for name, keys in wanted.items()}
        found = run_all(settings, options.seeds, options.part, jobs=options.jobs)
    found[CENTRED] = untrained_centred(base, options.part, options.seeds)
    return found


def untrained_centred(base: Mapping[str, Any], part: str, seeds: list[int]) -> Compared:
    """The untrained network with each side's mean vector taken away and unit perspectives.

    Tells what a network can gain without any pair: training on random pairs shrinks what all
    influencers have in common, which ranks the same influencers first for every brand.
    """
    results = []
    for seed in seeds:
        experiment, split = prepared({**base, "model": "MIRec", "seed": seed}, part)
        experiment.model.eval()
        vectors = {
            side: functional.normalize(rows - rows[1:].mean(dim=0), dim=-1)
            for side, rows in experiment.model.account_vectors().items()
        }
        brands = vectors[schema.BRAND][split.brands].flatten(start_dim=1)
        influencers = vectors[schema.INFLUENCER][split.candidates].flatten(start_dim=1)
        scores = (brands @ influencers.T).double().numpy()
        evaluation = evaluate_scores(scores, split, topk=[10, 50])
        results.append((evaluation.summary, evaluation.per_brand))
    return over_seeds(results)


def prepared(settings: Mapping[str, Any], part: str) -> tuple[Experiment, EvaluationSplit]:
    """An experiment without its training, and one part to rank."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = prepare({**settings, "checkpoint_dir": folder, "state": "ERROR"})
    split = experiment.dataset.evaluation_split(part)
    if split is None:
        raise ValueError(f"The data set has no {part} part.")
    return experiment, split


def differences(found: Mapping[str, Compared]) -> list[str]:
    """MIRec against everything else, brand by brand."""
    lines = []
    for name, other in found.items():
        if name == "MIRec":
            continue
        cells = []
        for metric in ("AUC", "MAP"):
            gain, p = paired_p(found["MIRec"], other, metric)
            cells.append(f"{metric} {gain:+.3f} (p = {p:.4f})")
        lines.append(f"- MIRec over {name}: {', '.join(cells)}")
    untrained_name = "MIRec untrained"
    shuffled, untrained = found[SHUFFLED], found[untrained_name]
    for name, other in ((untrained_name, untrained), (CENTRED, found[CENTRED])):
        gain, p = paired_p(shuffled, other, "AUC")
        lines.append(f"- {SHUFFLED} over {name}: AUC {gain:+.3f} (p = {p:.4f})")
    return lines


def known_brand_lines(base: Mapping[str, Any], options: argparse.Namespace) -> list[str]:
    """Collaborative filtering where it has a signal."""
    names = ("Random", "BPR", "LightGCN", "Cosine", "MIRec")
    wanted = {name: {**base, "model": name, "protocol": schema.KNOWN_BRAND} for name in names}
    found = run_all(wanted, options.seeds, options.part, jobs=options.jobs)
    rows = [f"| {name} | {mean_and_spread(result, METRICS)} |" for name, result in found.items()]
    gain, p = paired_p(found["LightGCN"], found["Random"], "Recall@10")
    return [
        "Protocol known-brand:",
        "",
        HEADER,
        *rows,
        "",
        f"- LightGCN over Random: Recall@10 {gain:+.4f} (p = {p:.4f})",
    ]


def write_shuffled_training(base: Mapping[str, Any], folder: Path) -> str:
    """Copy the data set with the influencers of its new-brand training pairs permuted."""
    name = str(base["dataset"])
    data = read_atomic(Path(base["data_path"]) / name, name)
    parts = {part: frame[PAIRS] for part, frame in data.splits[schema.NEW_BRAND].items()}
    train = parts[schema.TRAIN].copy()
    order = np.random.default_rng(0).permutation(len(train))
    train[schema.INFLUENCER_ID] = train[schema.INFLUENCER_ID].to_numpy()[order]
    parts[schema.TRAIN] = train.drop_duplicates(ignore_index=True)
    fields = vars(data) | {
        "name": f"{name}-shuffled",
        "interactions": pd.concat(list(parts.values()), ignore_index=True),
        "splits": {schema.NEW_BRAND: parts},
    }
    write_atomic(AtomicData(**fields), folder / f"{name}-shuffled")
    return f"{name}-shuffled"


def shuffled_labels(base: Mapping[str, Any], part: str) -> float:
    """AUC of the untrained cosine where each brand's positives are drawn afresh, 20 times."""
    experiment, split = prepared({**base, "model": "Cosine"}, part)
    scores = score_matrix(
        experiment.model,
        experiment.dataset,
        split.brands,
        split.candidates,
        pairs_at_once=65536,
    )
    generator = np.random.default_rng(0)
    values = []
    for _ in range(20):
        positives = generator.permuted(split.positives, axis=1)
        shuffled = type(split)(**(vars(split) | {"positives": positives}))
        values.append(evaluate_scores(scores, shuffled, topk=[10]).summary["AUC"])
    return float(np.mean(values))


if __name__ == "__main__":
    main()
