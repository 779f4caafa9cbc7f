"""The command line: parse, call, print. RecBole and torch are imported only when needed."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_mirec.command import CommandParser, add_settings, given_settings, run_command
from recbole_mirec.errors import UsageError

if TYPE_CHECKING:
    from recbole_mirec.quick_start import ExperimentResult
    from recbole_mirec.recommend import Shortlist

# Keys that find the run for --predict, and those that may differ when a run is resumed.
FINDING_KEYS = ("model", "dataset", "protocol", "checkpoint_dir")
RESUMING_KEYS = ("show_progress", "torch_threads", "gpu_id", "state")

EPILOG = """\
Any key of RecBole or of ours can be set as --key=value; a key that nobody knows is an error.
  --protocol=new-brand|known-brand       how data are split and ranked (default: new-brand)
  --variant=mirec|reference|paper        MIRec: our own method, or a reading of the published one
  --schedule=full_batch|quick|paper      MIRec: one step an epoch (mirec's), large batches (the
                                         readings'), or batch 16 x 100 epochs
  --perspectives=[content,attribute]     MIRec, Cosine: any of content, audience, attribute
  --seed=2020 --epochs=20 --learning_rate=0.001 --train_batch_size=256 --valid_metric=MAP
  --torch_threads=1                      the same numbers, bit by bit, for the same seed
  --metrics=[Recall,NDCG] --topk=[10,20]  what is shown (default: all of ours, at 10 and 50)
  --data_path=dataset/ --checkpoint_dir=saved --show_progress=False

examples
  python run_recbole_mirec.py --model=MIRec
  python run_recbole_mirec.py --model=LightGCN --protocol=known-brand
  python run_recbole_mirec.py -m LightGCN -d ml-100k --config_files my.yaml
  python run_recbole_mirec.py --model=MIRec --predict brand_001 --top 20
  python run_recbole_mirec.py --resume saved/MIRec-mirec-demo-new-brand-...
The data sets mirec-demo and mirec-tiny are synthetic: generated here, on first use."""


def build_parser() -> argparse.ArgumentParser:
    """The options that are ours; every other --key=value is a configuration key."""
    parser = CommandParser(
        prog="run_recbole_mirec.py",
        description="Train and evaluate a micro-influencer recommender, or use a trained one.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_settings(
        parser.add_argument,
        model="MIRec, Cosine, Random, any general or context-aware model of RecBole, or your own "
        "as package.module:Class (default: MIRec)",
        config_files="YAML files with keys",
    )
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    parser.add_argument(
        "--predict",
        metavar="BRAND",
        help="rank influencers for a brand by the newest finished run, print them and write a CSV",
    )
    parser.add_argument("--top", type=int, default=20, help="how many influencers (default: 20)")
    parser.add_argument("--run", type=Path, metavar="RUN", help="the run that --predict uses")
    parser.add_argument("--nproc", type=int, default=1, help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 2 for wrong input, 130 when interrupted."""
    return run_command(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    options, rest = build_parser().parse_known_args(arguments)
    if options.nproc != 1:
        raise UsageError(
            f"--nproc={options.nproc}: training in several processes is not available yet; "
            "leave --nproc out."
        )
    return _dispatch(options, rest)


def _dispatch(options: argparse.Namespace, rest: Sequence[str]) -> int:
    settings = gather_settings(options, rest)
    if options.run is not None and options.predict is None:
        raise UsageError("--run names the run that --predict uses; add --predict BRAND.")
    if options.predict is not None:
        _refuse(settings, FINDING_KEYS, "--predict uses a run's own settings")
        print(format_shortlist(_shortlist(options, settings)))
        return 0
    from recbole_mirec.quick_start import run_experiment
    from recbole_mirec.runs import read_run

    if options.resume is not None:
        _refuse(settings, RESUMING_KEYS, "--resume goes on with a run's own settings")
        settings = read_run(options.resume).record["settings"] | settings
    print(format_result(run_experiment(settings, resume=options.resume)))
    return 0


def _refuse(settings: dict[str, Any], allowed: Sequence[str], reason: str) -> None:
    for key in settings:
        if key not in allowed:
            raise UsageError(f"{reason}; leave --{key} out.")


def gather_settings(options: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """Keys and values of files and command line, the latter winning.

    Raises:
        UsageError: an argument that is no --key=value, or the same key twice.
    """
    settings = given_settings(options.config_files, rest)
    for key in ("model", "dataset"):
        if getattr(options, key) is not None:
            settings[key] = getattr(options, key)
    return settings


def _shortlist(options: argparse.Namespace, settings: dict[str, Any]) -> "Shortlist":
    from recbole_mirec import runs
    from recbole_mirec.config import overall_default
    from recbole_mirec.outside import class_name
    from recbole_mirec.recommend import shortlist

    if options.run is not None:
        run = runs.read_run(options.run)
    else:
        run = runs.newest_run(
            Path(settings.get("checkpoint_dir", overall_default("checkpoint_dir"))),
            class_name(str(settings.get("model", "MIRec"))),
            settings.get("dataset", "mirec-demo"),
            settings.get("protocol"),
        )
    return shortlist(run, options.predict, top=options.top)


def format_shortlist(found: "Shortlist") -> str:
    """The table of a brand's ranked influencers."""
    from recbole_mirec.notes import data_title
    from recbole_mirec.tables import format_table

    return "\n".join(
        [
            f"{found.brand}: the best {len(found.frame)} of {found.n_candidates} influencers that "
            f"it has no training collaboration with, by {found.model} on "
            f"{data_title(found.dataset, synthetic=found.synthetic)}",
            format_table(found.frame, decimals=3),
            *(f"Note: {note}" for note in found.notes),
            f"Model: {found.run_folder}",
            f"Written to {found.path}",
        ]
    )


def format_result(result: "ExperimentResult") -> str:
    """The table at the end of an experiment."""
    from recbole_mirec.tables import result_table

    return result_table(result)
