"""The options of the tuning command."""

import argparse
from pathlib import Path

from dataset_convert.common.commands import CommandParser
from recbole_mirec.cli import add_settings

MAX_TRIALS = 100

EPILOG = """\
Any other --key=value is a configuration key that all trials share (--protocol=known-brand,
--seed=1, --epochs=10, ...). Trials see the training and the validation part only; the test part
is read once, for the winner, after the search.

examples
  python -m recbole_mirec.tuning --model MIRec --algo random --max_evals 20 --jobs 2
  python -m recbole_mirec.tuning --model LightGCN --protocol=known-brand --algo exhaustive
  python -m recbole_mirec.tuning --models MIRec,BPR,LightGCN --budget minutes 10
A study that was interrupted goes on when the same command is given again."""


def build_parser() -> argparse.ArgumentParser:
    """The options of tuning; every other --key=value is a configuration key."""
    parser = CommandParser(
        prog="python -m recbole_mirec.tuning",
        description="Search the hyper-parameters of a model, or of several under one budget.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_what(parser)
    _add_search(parser)
    _add_running(parser)
    return parser


def _add_what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is tuned").add_argument
    add_settings(add, model="the model (default: MIRec)", config_files="YAML files with fixed keys")
    add("--models", metavar="A,B,C", help="several models, each with the whole budget")
    add("--protocols", metavar="A,B", help="protocols for --models (default: --protocol's)")
    add(
        "--params_file",
        type=Path,
        metavar="FILE",
        help="the search space in RecBole's format (default: the one that comes with the model, "
        "properties/tuning/<model>.hyper)",
    )


def _add_search(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how it is searched").add_argument
    add("--metric", help="validation metric that chooses epochs and trials (default: MAP)")
    add(
        "--algo",
        choices=("exhaustive", "random", "bayes"),
        help="exhaustive: every combination; random; bayes: tree-structured Parzen estimator "
        "(default: exhaustive, with --budget random)",
    )
    add(
        "--max_evals",
        type=_positive,
        metavar="N",
        help=f"trials at most, of random and bayes (default: {MAX_TRIALS})",
    )
    add(
        "--early_stop",
        type=_positive,
        metavar="N",
        help="end after N trials in a row without a better score (default: never; exhaustive "
        "search is not cut short)",
    )
    add(
        "--budget",
        nargs=2,
        metavar=("trials|minutes", "N"),
        help="limit of each study: N trials, or N minutes",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how it runs").add_argument
    add("--jobs", type=_positive, default=1, metavar="N", help="trials at a time (default: 1)")
    add(
        "--tool",
        type=str.lower,
        choices=("hyperopt", "ray"),
        default="hyperopt",
        help="hyperopt: processes on this machine; ray: a Ray cluster (default: hyperopt)",
    )
    add(
        "--keep",
        type=_positive,
        default=1,
        metavar="K",
        help="how many of the best trials keep their checkpoints (default: 1)",
    )
    add(
        "--results",
        type=Path,
        metavar="DIR",
        help="the study's folder (default: one in saved/tuning/ that the same command finds again)",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0. Received: '{text}'")
    return int(text)
