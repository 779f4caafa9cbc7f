"""The command lines of runs, tuning and benchmarks: parse, call, print.

RecBole and torch are imported only when needed, so that --help is quick.
"""

import argparse
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset_convert.common.commands import (
    DONE,
    FAILED,
    CommandParser,
    Once,
    count,
    printable,
    run_command,
)
from dataset_convert.common.errors import UsageError, shown
from dataset_convert.common.values import load_yaml, parse_value
from recbole_mirec import INSTALL_RECBOLE

if TYPE_CHECKING:
    from recbole_mirec.tuning.trial import StudyPlan

# Keys that find the run for --predict, and those that may differ when a run is resumed.
FINDING_KEYS = ("model", "dataset", "protocol", "checkpoint_dir")
RESUMING_KEYS = ("show_progress", "torch_threads", "gpu_id", "state")
MAX_TRIALS = 100

RUN_HELP = """\
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
TUNING_HELP = """\
Any other --key=value is a configuration key that all trials share (--protocol=known-brand,
--seed=1, --epochs=10, ...). Trials see the training and the validation part only; the test part
is read once, for the winner, after the search.

examples
  python -m recbole_mirec.tuning --model MIRec --algo random --max_evals 20 --jobs 2
  python -m recbole_mirec.tuning --model LightGCN --protocol=known-brand --algo exhaustive
  python -m recbole_mirec.tuning --models MIRec,BPR,LightGCN --budget minutes 10
A study that was interrupted goes on when the same command is given again."""
BENCHMARK_HELP = """\
Any --key=value is a configuration key that all models share, over the plan's own settings
(--data_path=..., --epochs=5, ...).

examples
  python -m recbole_mirec.benchmark quick
  python -m recbole_mirec.benchmark demo --jobs 2
  python -m recbole_mirec.benchmark my_plan.yaml --dry-run
A benchmark that was interrupted goes on when the same command is given again. quick and demo use
synthetic data, which is generated here on first use."""


# Names, help and behaviour of an option.
Option = tuple[str, str, dict[str, Any]]
_N: dict[str, Any] = {"type": count, "metavar": "N"}
_PATH: dict[str, Any] = {"type": Path}
_RUN = _PATH | {"metavar": "RUN"}
# Which model, data set and files of keys, with RecBole's short names.
MODEL_OPTIONS: tuple[Option, ...] = (
    (
        "--model -m",
        "MIRec, Cosine, Random, any general or context-aware model of RecBole, or your own as "
        "package.module:Class (default: MIRec)",
        {"action": Once},
    ),
    ("--dataset -d", "folder under data_path (default: mirec-demo)", {"action": Once}),
    (
        "--config_files",
        "YAML files with keys; later files win, the command line wins over all",
        {"nargs": "+", "action": "extend", "default": [], "metavar": "FILE"},
    ),
)
# How and where several runs run; `--tool` is RecBole's name of the engine.
SWEEP_OPTIONS: tuple[Option, ...] = (
    ("--jobs", "how many at a time (default: 1; of a benchmark: its plan's)", _N),
    (
        "--engine",
        "processes here (default), or Ray's",
        {"type": str.lower, "choices": ("local", "ray")},
    ),
    ("--ray_address", "of a Ray cluster (default: one started here)", {"metavar": "HOST:PORT"}),
    ("--tool", argparse.SUPPRESS, {"type": str.lower, "choices": ("hyperopt", "ray")}),
    (
        "--results",
        "the folder (default: one in saved/ that the same command finds again)",
        _PATH | {"metavar": "DIR"},
    ),
)
# What each command does, its options, and the end of its help.
COMMANDS: dict[str, tuple[str, tuple[Option, ...], str]] = {
    "run_recbole_mirec.py": (
        "Train and evaluate a micro-influencer recommender, or use a trained one.",
        (
            *MODEL_OPTIONS,
            ("--resume", "go on with an interrupted run", _RUN),
            (
                "--predict",
                "rank influencers for a brand by the newest finished run, and write a CSV",
                {"metavar": "BRAND"},
            ),
            ("--top", "how many influencers (default: 20)", _N | {"default": 20}),
            ("--run", "the run that --predict uses", _RUN),
        ),
        RUN_HELP,
    ),
    "python -m recbole_mirec.tuning": (
        "Search the hyper-parameters of a model, or of several under one budget.",
        (
            *MODEL_OPTIONS,
            ("--models", "several models, each with the whole budget", {"metavar": "A,B,C"}),
            ("--protocols", "of --models (default: --protocol's)", {"metavar": "A,B"}),
            (
                "--params_file",
                "the search space in RecBole's format (default: the one that comes with the model, "
                "properties/tuning/<model>.hyper)",
                _PATH | {"metavar": "FILE"},
            ),
            ("--metric", "validation metric that chooses epochs and trials (default: MAP)", {}),
            (
                "--algo",
                "exhaustive: every combination; random; bayes: tree-structured Parzen estimator "
                "(default: exhaustive, with --budget random)",
                {"choices": ("exhaustive", "random", "bayes")},
            ),
            ("--max_evals", f"trials of random and bayes at most (default: {MAX_TRIALS})", _N),
            (
                "--early_stop",
                "end after N trials in a row without a better score (default: never; exhaustive "
                "search is not cut short)",
                _N,
            ),
            (
                "--budget",
                "limit of each study: N trials, or N minutes",
                {"nargs": 2, "metavar": ("trials|minutes", "N")},
            ),
            ("--keep", "best trials that keep their checkpoints (default: 1)", _N | {"default": 1}),
            *SWEEP_OPTIONS,
        ),
        TUNING_HELP,
    ),
    "python -m recbole_mirec.benchmark": (
        "Models, protocols and seeds side by side, from one YAML plan.",
        (
            ("plan", "a plan's file, or the name of one of ours (docs/benchmark.md)", {}),
            *SWEEP_OPTIONS,
            ("--dry-run", "list the runs, and run nothing", {"action": "store_true"}),
            (
                "--report-only",
                "run nothing, and write tables and page anew from the runs that have ended",
                {"action": "store_true"},
            ),
            ("--retry-failed", "run again what failed before", {"action": "store_true"}),
        ),
        BENCHMARK_HELP,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, evaluate or use a model; returns the exit code of `common.commands`."""
    return _run(_experiment, arguments)


def tuning_main(arguments: Sequence[str] | None = None) -> int:
    """Tune; returns the exit code, 1 where no trial of a study has a score."""
    return _run(_tuning, arguments, goes_on=True)


def benchmark_main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark; returns the exit code, 1 where a run failed."""
    return _run(_benchmark, arguments, goes_on=True)


def _run(
    command: Callable[[Sequence[str]], tuple[str, bool]],
    arguments: Sequence[str] | None,
    *,
    goes_on: bool = False,
) -> int:
    """Run a command that returns what to print, and whether all of its work is done."""

    def run() -> int:
        try:
            text, done = command(sys.argv[1:] if arguments is None else arguments)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "recbole":
                raise
            raise UsageError(INSTALL_RECBOLE) from None
        print(printable(text))
        return DONE if done else FAILED

    return run_command(run, goes_on=goes_on)


def parse(command: str, arguments: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Options of a command, and the keys that files, command line and options set.

    Args:
        command: one of `COMMANDS`.
        arguments: options, and `--key=value` words.

    Raises:
        UsageError: a wrong option, an argument that is no --key=value, the same key twice, a file
            that cannot be read.
    """
    text, options, epilog = COMMANDS[command]
    parser = CommandParser(
        prog=command,
        description=text,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for names, words, behaviour in options:
        parser.add_argument(*names.split(), help=words, **behaviour)
    found, rest = parser.parse_known_args(arguments)
    settings: dict[str, Any] = {}
    for path in config_paths(getattr(found, "config_files", ())):
        settings |= load_yaml(path)
    given: dict[str, Any] = {}
    for argument in rest:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or not key:
            raise UsageError(
                f"{shown(argument, 100)} is not understood: write keys as --key=value."
            )
        if key in given:
            raise UsageError(f"Key {shown(key)} is set twice on the command line; leave one out.")
        given[key] = parse_value(value)
    named = {key: getattr(found, key, None) for key in ("model", "dataset")}
    return found, settings | given | {key: name for key, name in named.items() if name is not None}


def config_paths(words: Sequence[str]) -> list[Path]:
    """Files that `--config_files` names: each word one, or as in RecBole several with spaces.

    A word that is a file as it stands is one, spaces and all; otherwise it is split at its spaces,
    quotation marks keeping together what has spaces of its own.
    """
    paths: list[Path] = []
    for word in words:
        try:
            parts = [word] if Path(word).exists() else shlex.split(word)
        except ValueError:
            parts = word.split()
        paths += map(Path, parts)
    return paths


def _engine(options: argparse.Namespace) -> dict[str, Any]:
    engine = options.engine or ("ray" if options.tool == "ray" else "local")
    if options.ray_address is not None and engine != "ray":
        raise UsageError("--ray_address is of a Ray cluster; add --engine ray, or leave it out.")
    return {"engine": engine, "ray_address": options.ray_address}


def _checkpoint_dir(settings: dict[str, Any]) -> Path:
    from recbole_mirec.config import all_defaults

    return Path(str(settings.get("checkpoint_dir") or all_defaults("MIRec")["checkpoint_dir"]))


def _experiment(arguments: Sequence[str]) -> tuple[str, bool]:
    options, settings = parse("run_recbole_mirec.py", arguments)
    if options.predict is not None:
        return _shortlist(options, settings), True
    if options.run is not None:
        raise UsageError("--run names the run that --predict uses; add --predict BRAND.")
    from recbole_mirec.experiment import run_experiment
    from recbole_mirec.results import result_table
    from recbole_mirec.runs import read_run

    recorded: dict[str, Any] = {}
    if options.resume is not None:
        _refuse_others(settings, RESUMING_KEYS, "--resume goes on with a run's own settings")
        recorded = read_run(options.resume).record["settings"]
    if not sys.stderr.isatty():
        recorded |= {"show_progress": False}
    return result_table(run_experiment(recorded | settings, resume=options.resume)), True


def _refuse_others(settings: dict[str, Any], allowed: Sequence[str], reason: str) -> None:
    for key in settings:
        if key not in allowed:
            raise UsageError(f"{reason}; leave --{key} out.")


def _shortlist(options: argparse.Namespace, settings: dict[str, Any]) -> str:
    _refuse_others(settings, FINDING_KEYS, "--predict uses a run's own settings")
    from recbole_mirec import runs
    from recbole_mirec.recommend.shortlist import shortlist
    from recbole_mirec.registry import class_name

    if options.run is not None:
        run = runs.read_run(options.run)
    else:
        run = runs.newest_run(
            _checkpoint_dir(settings),
            class_name(str(settings.get("model", "MIRec"))),
            str(settings.get("dataset", "mirec-demo")),
            settings.get("protocol"),
        )
    return shortlist(run, options.predict, top=options.top)


def _tuning(arguments: Sequence[str]) -> tuple[str, bool]:
    plans, options = study_plans(arguments)
    from recbole_mirec.tuning import study
    from recbole_mirec.tuning.trial import short_digest

    root = _checkpoint_dir(dict(plans[0].settings)) / "tuning"
    if options.models is None:
        result = study.run_study(plans[0], folder=options.results, root=root)
        return study.study_text(result), result.winner is not None
    budget = " ".join(options.budget)
    digest = short_digest({"command": [plan.identity("") for plan in plans], "budget": budget})
    name = f"comparison-{plans[0].settings['dataset']}-{digest}"
    folder = options.results or root / name
    found = study.compare(plans, folder)
    text = study.comparison_text(found, folder, budget)
    return text, all(one.winner is not None for one in found)


def study_plans(arguments: Sequence[str]) -> tuple[list["StudyPlan"], argparse.Namespace]:
    """The studies that a tuning command asks for, one a protocol and model, and its options.

    Says what the logs of the trials say of the settings, once.

    Raises:
        UsageError: options that contradict each other, wrong settings, or a wrong params file.
    """
    options, settings = parse("python -m recbole_mirec.tuning", arguments)
    # what every trial shares unless it is set
    settings = {"dataset": "mirec-demo", "torch_threads": 1, "show_progress": False} | settings
    one, metric = options.models is None, options.metric
    # first that is broken
    for broken, words in (
        (one and options.protocols, "--protocols goes with --models; leave it out"),
        (not one and options.model, "Give --model for one model or --models for several"),
        (not one and options.params_file, "--params_file is of one model; --models has spaces"),
        (not one and not options.budget, "--models needs a budget, such as --budget trials 20"),
        (
            metric and settings.get("valid_metric", metric) != metric,
            "--metric and --valid_metric name two metrics; leave one out",
        ),
    ):
        if broken:
            raise UsageError(f"{words}.")
    settings |= {} if metric is None else {"valid_metric": metric}
    models = [settings.get("model", "MIRec")] if one else _names(options.models, "--models")
    protocols: list[dict[str, str]] = [{}]
    if options.protocols is not None:
        names = _names(options.protocols, "--protocols")
        protocols = [{"protocol": protocol} for protocol in names]
    shared = {
        "early_stop": options.early_stop,
        "jobs": options.jobs or 1,
        "keep": options.keep,
        "command": shlex.join(["python", "-m", "recbole_mirec.tuning", *arguments]),
        **_engine(options),
        **_limits(options),
    }
    from recbole_mirec.config import MirecConfig
    from recbole_mirec.tuning.trial import StudyPlan

    plans: list[StudyPlan] = []
    remarks: dict[str, None] = {}
    for chosen in ({**protocol, "model": model} for protocol in protocols for model in models):
        config = MirecConfig(config_dict=settings | chosen)
        remarks |= dict.fromkeys(line for _, line in config.remarks)
        # The names that results have, whatever the user wrote or left out.
        named = {key: config[key] for key in ("protocol", "seed", "valid_metric")}
        fixed = settings | chosen | named
        plans.append(StudyPlan(settings=fixed, space=_space(options.params_file, fixed), **shared))
    for line in remarks:
        print(printable(line), file=sys.stderr)
    return plans, options


def _names(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise UsageError(
            f"{option} takes different names with commas between, such as MIRec,BPR. "
            f"Received: {shown(text)}."
        )
    return names


def _limits(options: argparse.Namespace) -> dict[str, Any]:
    """Algorithm, and trials and minutes at most."""
    algorithm = options.algo or ("exhaustive" if options.budget is None else "random")
    if options.budget is None:
        most = options.max_evals or (None if algorithm == "exhaustive" else MAX_TRIALS)
        return {"algorithm": algorithm, "max_trials": most, "minutes": None}
    if options.max_evals is not None:
        raise UsageError("--max_evals and --budget both limit the trials; leave one out.")
    kind, text = options.budget
    amount = parse_value(text)
    types = {"trials": (int,), "minutes": (int, float)}
    if type(amount) not in types.get(kind, ()) or not 0 < amount < math.inf:
        raise UsageError(
            f"--budget needs trials or minutes, and a number above 0: --budget minutes 10. "
            f"Received: {shown(kind)} {shown(text)}."
        )
    limits = {"trials": None, "minutes": None} | {kind: amount}
    return {"algorithm": algorithm, "max_trials": limits["trials"], "minutes": limits["minutes"]}


def _space(params_file: Path | None, fixed: dict[str, Any]) -> Any:
    from recbole_mirec.tuning.space import read_space, shipped_names, shipped_space

    if params_file is not None:
        return read_space(params_file)
    space = shipped_space(fixed["model"], fixed.get("variant"))
    if space is None:
        raise UsageError(
            f"No search space comes with model {fixed['model']}; write one and name it with "
            f"--params_file, for example the line 'learning_rate choice [0.001,0.01]'. Spaces come "
            f"with: {', '.join(shipped_names())}."
        )
    return space


def _benchmark(arguments: Sequence[str]) -> tuple[str, bool]:
    options, settings = parse("python -m recbole_mirec.benchmark", arguments)
    engine = _engine(options)
    from recbole_mirec.benchmark.benchmark import plan_text, run_benchmark
    from recbole_mirec.benchmark.plan import read_plan
    from recbole_mirec.benchmark.tables import result_text

    plan = read_plan(options.plan, settings)
    if options.jobs is not None:
        plan = plan.model_copy(update={"jobs": options.jobs})
    if options.dry_run:
        return plan_text(plan), True
    # What makes the benchmark, whichever command wrote its page.
    words = [word for word in arguments if word not in ("--report-only", "--retry-failed")]
    result = run_benchmark(
        plan,
        folder=options.results,
        retry_failed=options.retry_failed,
        report_only=options.report_only,
        command=shlex.join(["python", "-m", "recbole_mirec.benchmark", *words]),
        **engine,
    )
    return result_text(result), bool((result.runs["status"] == "finished").all())
