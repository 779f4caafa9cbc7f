"""The command line: parse, call, print. RecBole and torch are imported only when needed."""

import argparse
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset_convert.common.commands import CommandParser, Once, run_command
from dataset_convert.common.errors import UsageError
from dataset_convert.common.values import load_yaml, parse_value
from recbole_mirec import INSTALL_RECBOLE

if TYPE_CHECKING:
    from recbole_mirec.experiment import ExperimentResult
    from recbole_mirec.recommend import Shortlist


def add_settings(add: Callable[..., Any], *, model: str, config_files: str) -> None:
    """Add the options that choose model, data set and files of keys, with RecBole's short names.

    Args:
        add: `add_argument` of a parser or of a group.
        model: what --model is, for --help.
        config_files: what the files are, for --help.
    """
    add("--model", "-m", action=Once, help=model)
    add(
        "--dataset",
        "-d",
        action=Once,
        help="folder name under data_path (default: mirec-demo)",
    )
    add(
        "--config_files",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help=f"{config_files}; later files win, the command line wins over all",
    )


def config_paths(words: Sequence[str]) -> list[Path]:
    """Files that `--config_files` names: each word one, or as in RecBole several with spaces.

    A word that is a file as it stands is one, spaces and all; otherwise it is split at its spaces,
    quotation marks keeping together what has spaces of its own.
    """
    paths: list[Path] = []
    for word in words:
        if Path(word).exists():
            paths.append(Path(word))
            continue
        try:
            parts = shlex.split(word)
        except ValueError:
            parts = word.split()
        paths += map(Path, parts)
    return paths


def with_recbole(command: Callable[[], int]) -> Callable[[], int]:
    """A command that says how RecBole is installed where it is not."""

    def command_or_hint() -> int:
        try:
            return command()
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "recbole":
                raise
            raise UsageError(INSTALL_RECBOLE) from None

    return command_or_hint


def given_settings(config_files: Sequence[str], arguments: Sequence[str]) -> dict[str, Any]:
    """Keys and values of files and command line, the latter winning.

    Args:
        config_files: as `config_paths` takes them.
        arguments: `--key=value` words.

    Raises:
        UsageError: an argument that is no --key=value, or the same key twice.
    """
    settings: dict[str, Any] = {}
    for path in config_paths(config_files):
        settings |= load_yaml(path)
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or not key:
            raise UsageError(f"'{argument}' is not understood: write keys as --key=value.")
        if key in given:
            raise UsageError(f"Key '{key}' is set twice on the command line; leave one out.")
        given[key] = parse_value(value)
    return settings | given


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
    return run_command(with_recbole(lambda: _main(arguments)))


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
    from recbole_mirec.experiment import run_experiment
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
    from recbole_mirec.recommend import shortlist
    from recbole_mirec.registry import class_name

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
    from recbole_mirec.results import data_title, format_table

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
    from recbole_mirec.results import result_table

    return result_table(result)
