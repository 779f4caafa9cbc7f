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
    from recbole_mirec.recommend import Shortlist
    from recbole_mirec.tuning.space import SearchSpace
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
    command: Callable[[Sequence[str]], int],
    arguments: Sequence[str] | None,
    *,
    goes_on: bool = False,
) -> int:
    def run() -> int:
        try:
            return command(sys.argv[1:] if arguments is None else arguments)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "recbole":
                raise
            raise UsageError(INSTALL_RECBOLE) from None

    return run_command(run, goes_on=goes_on)


def _parser(prog: str, description: str, epilog: str) -> CommandParser:
    return CommandParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _add_settings(parser: argparse.ArgumentParser, model: str) -> None:
    """The options that choose model, data set and files of keys, with RecBole's short names."""
    add = parser.add_argument
    add("--model", "-m", action=Once, help=f"{model} (default: MIRec)")
    add("--dataset", "-d", action=Once, help="folder under data_path (default: mirec-demo)")
    help_of_files = "YAML files with keys; later files win, the command line wins over all"
    files: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    add("--config_files", **files, metavar="FILE", help=help_of_files)


def _add_engine(parser: argparse.ArgumentParser, *, jobs: str) -> None:
    """The options that say where runs run."""
    add = parser.add_argument
    add("--jobs", type=count, metavar="N", help=f"how many at a time (default: {jobs})")
    engines = ("local", "ray")
    add("--engine", type=str.lower, choices=engines, help="processes here (default), or Ray's")
    add("--ray_address", metavar="HOST:PORT", help="of a Ray cluster (default: one started here)")
    # RecBole's name of it
    add("--tool", type=str.lower, choices=("hyperopt", "ray"), help=argparse.SUPPRESS)


def _engine(options: argparse.Namespace) -> dict[str, Any]:
    engine = options.engine or ("ray" if options.tool == "ray" else "local")
    if options.ray_address is not None and engine != "ray":
        raise UsageError("--ray_address is of a Ray cluster; add --engine ray, or leave it out.")
    return {"engine": engine, "ray_address": options.ray_address}


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
            raise UsageError(
                f"{shown(argument, 100)} is not understood: write keys as --key=value."
            )
        if key in given:
            raise UsageError(f"Key {shown(key)} is set twice on the command line; leave one out.")
        given[key] = parse_value(value)
    return settings | given


def _all_settings(options: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """Keys of files, then of the command line, then what the options for them say."""
    named = {key: getattr(options, key) for key in ("model", "dataset")}
    given = {key: name for key, name in named.items() if name is not None}
    return given_settings(options.config_files, rest) | given


def run_parser() -> argparse.ArgumentParser:
    """The options of a run; every other --key=value is a configuration key."""
    text = "Train and evaluate a micro-influencer recommender, or use a trained one."
    parser = _parser("run_recbole_mirec.py", text, RUN_HELP)
    models = "any general or context-aware model of RecBole, or your own as package.module:Class"
    _add_settings(parser, f"MIRec, Cosine, Random, {models}")
    add = parser.add_argument
    add("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    text = "rank influencers for a brand by the newest finished run, print them and write a CSV"
    add("--predict", metavar="BRAND", help=text)
    add("--top", type=count, default=20, help="how many influencers (default: 20)")
    add("--run", type=Path, metavar="RUN", help="the run that --predict uses")
    return parser


def _experiment(arguments: Sequence[str]) -> int:
    options, rest = run_parser().parse_known_args(arguments)
    settings = _all_settings(options, rest)
    if options.run is not None and options.predict is None:
        raise UsageError("--run names the run that --predict uses; add --predict BRAND.")
    if options.predict is not None:
        _refuse_others(settings, FINDING_KEYS, "--predict uses a run's own settings")
        print(printable(format_shortlist(_shortlist(options, settings))))
        return DONE
    from recbole_mirec.experiment import run_experiment
    from recbole_mirec.results import result_table
    from recbole_mirec.runs import read_run

    recorded: dict[str, Any] = {}
    if options.resume is not None:
        _refuse_others(settings, RESUMING_KEYS, "--resume goes on with a run's own settings")
        recorded = read_run(options.resume).record["settings"]
    if not sys.stderr.isatty():
        recorded |= {"show_progress": False}
    print(printable(result_table(run_experiment(recorded | settings, resume=options.resume))))
    return DONE


def _refuse_others(settings: dict[str, Any], allowed: Sequence[str], reason: str) -> None:
    for key in settings:
        if key not in allowed:
            raise UsageError(f"{reason}; leave --{key} out.")


def _shortlist(options: argparse.Namespace, settings: dict[str, Any]) -> "Shortlist":
    from recbole_mirec import runs
    from recbole_mirec.config import overall_default
    from recbole_mirec.recommend import shortlist
    from recbole_mirec.registry import class_name

    if options.run is not None:
        run = runs.read_run(options.run)
    else:
        run = runs.newest_run(
            Path(str(settings.get("checkpoint_dir") or overall_default("checkpoint_dir"))),
            class_name(str(settings.get("model", "MIRec"))),
            str(settings.get("dataset", "mirec-demo")),
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


def tuning_parser() -> argparse.ArgumentParser:
    """The options of tuning; every other --key=value is a configuration key."""
    text = "Search the hyper-parameters of a model, or of several under one budget."
    parser = _parser("python -m recbole_mirec.tuning", text, TUNING_HELP)
    _add_settings(parser, "the model")
    add = parser.add_argument
    add("--models", metavar="A,B,C", help="several models, each with the whole budget")
    add("--protocols", metavar="A,B", help="protocols for --models (default: --protocol's)")
    text = (
        "the search space in RecBole's format (default: the one that comes with the model, "
        "properties/tuning/<model>.hyper)"
    )
    add("--params_file", type=Path, metavar="FILE", help=text)
    add("--metric", help="validation metric that chooses epochs and trials (default: MAP)")
    text = (
        "exhaustive: every combination; random; bayes: tree-structured Parzen estimator "
        "(default: exhaustive, with --budget random)"
    )
    add("--algo", choices=("exhaustive", "random", "bayes"), help=text)
    text = f"trials at most, of random and bayes (default: {MAX_TRIALS})"
    add("--max_evals", type=count, metavar="N", help=text)
    text = (
        "end after N trials in a row without a better score (default: never; exhaustive search is "
        "not cut short)"
    )
    add("--early_stop", type=count, metavar="N", help=text)
    text = "limit of each study: N trials, or N minutes"
    add("--budget", nargs=2, metavar=("trials|minutes", "N"), help=text)
    _add_engine(parser, jobs="1")
    text = "how many of the best trials keep their checkpoints (default: 1)"
    add("--keep", type=count, default=1, metavar="K", help=text)
    text = "the study's folder (default: one in saved/tuning/ that the same command finds again)"
    add("--results", type=Path, metavar="DIR", help=text)
    return parser


def _tuning(arguments: Sequence[str]) -> int:
    options, rest = tuning_parser().parse_known_args(arguments)
    # what every trial shares unless it is set
    settings = {"dataset": "mirec-demo", "torch_threads": 1, "show_progress": False}
    settings |= _all_settings(options, rest)
    command = shlex.join(["python", "-m", "recbole_mirec.tuning", *arguments])
    if options.models is not None:
        return _comparison(options, settings, command)
    if options.protocols is not None:
        raise UsageError("--protocols goes with --models; for one model write --protocol=...")
    from recbole_mirec.tuning.study import run_study, study_text

    plan = make_plan(options, {"model": "MIRec"} | settings, command)
    _tell_remarks([plan])
    result = run_study(plan, folder=options.results, root=_tuning_root(settings))
    print(printable(study_text(result)))
    return DONE if result.winner is not None else FAILED


def _comparison(options: argparse.Namespace, settings: dict[str, Any], command: str) -> int:
    from recbole_mirec.tuning.study import compare, comparison_text, short_digest

    if options.model is not None:
        raise UsageError("Give --model for one model or --models for several, not both.")
    if options.params_file is not None:
        raise UsageError("--params_file is of one model; --models uses the spaces that come with.")
    if options.budget is None:
        raise UsageError("--models needs a budget, the same for all: --budget trials 20")
    protocols: list[dict[str, str]] = [{}]
    if options.protocols is not None:
        names = _names(options.protocols, "--protocols")
        protocols = [{"protocol": protocol} for protocol in names]
    plans = [
        make_plan(options, settings | protocol | {"model": model}, command)
        for protocol in protocols
        for model in _names(options.models, "--models")
    ]
    _tell_remarks(plans)
    budget = " ".join(options.budget)
    digest = short_digest({"command": [plan.identity("") for plan in plans], "budget": budget})
    name = f"comparison-{plans[0].settings['dataset']}-{digest}"
    folder = options.results or _tuning_root(settings) / name
    found = compare(plans, folder, budget=f"{budget} a study")
    print(printable(comparison_text(found)))
    return DONE if all(result.winner is not None for result in found.results) else FAILED


def _tell_remarks(plans: Sequence["StudyPlan"]) -> None:
    """Say once what the logs of the trials say of the settings."""
    from recbole_mirec.config import MirecConfig

    remarks = [line for plan in plans for _, line in MirecConfig(config_dict=plan.settings).remarks]
    for line in dict.fromkeys(remarks):
        print(printable(line), file=sys.stderr)


def _names(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise UsageError(
            f"{option} takes different names with commas between, such as MIRec,BPR. "
            f"Received: {shown(text)}."
        )
    return names


def _tuning_root(settings: dict[str, Any]) -> Path:
    from recbole_mirec.config import overall_default

    return Path(settings.get("checkpoint_dir", overall_default("checkpoint_dir"))) / "tuning"


def make_plan(options: argparse.Namespace, settings: dict[str, Any], command: str) -> "StudyPlan":
    """The study that options and fixed settings ask for.

    Raises:
        UsageError: options that contradict each other, or a wrong params file.
    """
    from recbole_mirec.config import MirecConfig
    from recbole_mirec.tuning.trial import StudyPlan

    if options.metric is not None:
        if settings.get("valid_metric", options.metric) != options.metric:
            raise UsageError("--metric and --valid_metric name two metrics; leave one out.")
        settings = settings | {"valid_metric": options.metric}
    # The names that results have, whatever the user wrote or left out.
    config = MirecConfig(config_dict=settings)
    fixed = settings | {key: config[key] for key in ("protocol", "seed", "valid_metric")}
    limits = _limits(options)
    algorithm = options.algo or ("exhaustive" if options.budget is None else "random")
    if algorithm != "exhaustive" and options.budget is None and limits["max_trials"] is None:
        limits["max_trials"] = MAX_TRIALS
    return StudyPlan(
        settings=fixed,
        space=_space(options, fixed),
        algorithm=algorithm,
        early_stop=options.early_stop,
        jobs=options.jobs or 1,
        keep=options.keep,
        command=command,
        **_engine(options),
        **limits,
    )


def _limits(options: argparse.Namespace) -> dict[str, Any]:
    if options.budget is None:
        return {"max_trials": options.max_evals, "minutes": None}
    if options.max_evals is not None:
        raise UsageError("--max_evals and --budget both limit the trials; leave one out.")
    kind, text = options.budget
    if kind not in ("trials", "minutes"):
        raise UsageError(
            f"--budget counts trials or minutes: --budget minutes 10. Got {shown(kind)}."
        )
    amount = parse_value(text)
    kinds = (int,) if kind == "trials" else (int, float)
    if type(amount) not in kinds or not 0 < amount < math.inf:
        raise UsageError(f"--budget {kind} needs a number above 0. Received: {shown(text)}.")
    limits: dict[str, Any] = {"max_trials": None, "minutes": None}
    return limits | {"max_trials" if kind == "trials" else "minutes": amount}


def _space(options: argparse.Namespace, fixed: dict[str, Any]) -> "SearchSpace":
    from recbole_mirec.tuning.space import read_space, shipped_names, shipped_space

    if options.params_file is not None:
        return read_space(options.params_file)
    space = shipped_space(fixed["model"], fixed.get("variant"))
    if space is None:
        raise UsageError(
            f"No search space comes with model {fixed['model']}; write one and name it with "
            f"--params_file, for example the line 'learning_rate choice [0.001,0.01]'. Spaces come "
            f"with: {', '.join(shipped_names())}."
        )
    return space


def benchmark_parser() -> argparse.ArgumentParser:
    """The options of a benchmark; every other --key=value is a configuration key."""
    text = "Models, protocols and seeds side by side, from one YAML plan."
    parser = _parser("python -m recbole_mirec.benchmark", text, BENCHMARK_HELP)
    add = parser.add_argument
    add("plan", help="a plan's file, or the name of one that comes with us (docs/benchmark.md)")
    _add_engine(parser, jobs="the plan's")
    text = "its folder (default: one in saved/benchmarks/ that the same command finds again)"
    add("--results", type=Path, metavar="DIR", help=text)
    add("--dry-run", action="store_true", help="list the runs, and run nothing")
    text = "run nothing, and write the tables and the page anew from the runs that have ended"
    add("--report-only", action="store_true", help=text)
    add("--retry-failed", action="store_true", help="run again what failed before")
    return parser


def _benchmark(arguments: Sequence[str]) -> int:
    options, rest = benchmark_parser().parse_known_args(arguments)
    settings = given_settings([], rest)
    engine = _engine(options)
    from recbole_mirec.benchmark.benchmark import plan_text, run_benchmark
    from recbole_mirec.benchmark.plan import read_plan
    from recbole_mirec.benchmark.tables import result_text

    plan = read_plan(options.plan, settings)
    if options.jobs is not None:
        plan = plan.model_copy(update={"jobs": options.jobs})
    if options.dry_run:
        print(printable(plan_text(plan)))
        return DONE
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
    print(printable(result_text(result)))
    return DONE if (result.runs["status"] == "finished").all() else FAILED
