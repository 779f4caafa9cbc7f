"""Models over several seeds on one data set, one protocol, one part of the split.

    python benchmarks/seeds.py --dataset real --part valid --models Random Cosine BPR LightGCN \
        MIRec MIRec:variant=paper

A model may carry settings after colons. Prints a Markdown table: mean and sample standard
deviation over the seeds, standard metrics and the paper's rules.
"""

import argparse
from pathlib import Path

from comparison import METRICS, mean_and_spread, run_all, write_lines

from recbole_mirec.config import parse_value

PAPER_METRICS = (
    "paper_auc",
    "paper_cauc",
    "paper_recall@10",
    "paper_recall@50",
    "paper_mrr",
    "paper_map",
    "paper_medr",
)


def main() -> None:
    """Run the models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="mirec-demo")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--protocol", default="new-brand")
    parser.add_argument("--part", default="valid", choices=("valid", "test"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--models", nargs="+", default=["Random", "Cosine", "MIRec"])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    base = {
        "dataset": options.dataset,
        "data_path": options.data_path,
        "protocol": options.protocol,
    }
    metrics = (*METRICS, *PAPER_METRICS)
    lines = [
        f"{options.dataset}, {options.protocol}, {options.part} part, seeds {options.seeds}",
        "",
        f"| model | {' | '.join(metrics)} |",
        f"|---|{'---|' * len(metrics)}",
    ]
    wanted = {}
    for described in options.models:
        name, *pairs = described.split(":")
        keys = {
            key: parse_value(value) for key, _, value in (pair.partition("=") for pair in pairs)
        }
        wanted[described] = {**base, "model": name, **keys}
    found = run_all(wanted, options.seeds, options.part, jobs=options.jobs)
    lines += [f"| {name} | {mean_and_spread(one, metrics)} |" for name, one in found.items()]
    write_lines(lines, options.output)


if __name__ == "__main__":
    main()
