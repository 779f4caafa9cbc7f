"""The tuning command: parse, plan, run, print."""

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset_convert.common.commands import run_again
from dataset_convert.common.errors import UsageError
from recbole_mirec.cli import given_settings, with_recbole
from recbole_mirec.tuning.arguments import MAX_TRIALS, build_parser

if TYPE_CHECKING:
    from recbole_mirec.tuning.space import SearchSpace
    from recbole_mirec.tuning.study import StudyPlan

NOTHING_FOUND = 1
BUDGETS = ("trials", "minutes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0; 1 where no trial of a study has a score; 2 for wrong input; 130 when
        interrupted.
    """
    return run_again(with_recbole(lambda: _main(sys.argv[1:] if arguments is None else arguments)))


def _main(arguments: Sequence[str]) -> int:
    options, rest = build_parser().parse_known_args(arguments)
    settings = given_settings(options.config_files, rest)
    command = shlex.join(["python", "-m", "recbole_mirec.tuning", *arguments])
    if options.models is not None:
        return _compare(options, settings, command)
    if options.protocols is not None:
        raise UsageError("--protocols goes with --models; for one model write --protocol=...")
    from recbole_mirec.tuning.study import run_study, study_text

    if options.model is not None:
        settings["model"] = options.model
    plan = make_plan(options, {"model": "MIRec"} | settings, command)
    _tell([plan])
    result = run_study(plan, folder=options.results, root=_root(settings))
    print(study_text(result))
    return 0 if result.winner is not None else NOTHING_FOUND


def _compare(options: argparse.Namespace, settings: dict[str, Any], command: str) -> int:
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
    _tell(plans)
    budget = " ".join(options.budget)
    folder = options.results or _root(settings) / (
        f"comparison-{plans[0].settings['dataset']}-"
        f"{short_digest({'command': [plan.identity('') for plan in plans], 'budget': budget})}"
    )
    found = compare(plans, folder, budget=f"{budget} a study")
    print(comparison_text(found))
    return 0 if all(result.winner is not None for result in found.results) else NOTHING_FOUND


def _tell(plans: Sequence["StudyPlan"]) -> None:
    """Say once what the logs of the trials say of the settings."""
    from recbole_mirec.config import MirecConfig

    remarks = [
        remark for plan in plans for _, remark in MirecConfig(config_dict=plan.settings).remarks
    ]
    for remark in dict.fromkeys(remarks):
        print(remark, file=sys.stderr)


def _names(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise UsageError(
            f"{option} takes different names with commas between, such as MIRec,BPR. "
            f"Received: '{text}'."
        )
    return names


def _root(settings: dict[str, Any]) -> Path:
    from recbole_mirec.config import overall_default

    return Path(settings.get("checkpoint_dir", overall_default("checkpoint_dir"))) / "tuning"


def make_plan(options: argparse.Namespace, settings: dict[str, Any], command: str) -> "StudyPlan":
    """The study that options and fixed settings ask for.

    Raises:
        UsageError: options that contradict each other, or a wrong params file.
    """
    from recbole_mirec.tuning.study import StudyPlan

    fixed = fixed_settings(options, settings)
    limits = _limits(options)
    algorithm = options.algo or ("exhaustive" if options.budget is None else "random")
    if algorithm != "exhaustive" and options.budget is None and limits["max_trials"] is None:
        limits["max_trials"] = MAX_TRIALS
    return StudyPlan(
        settings=fixed,
        space=_space(options, fixed),
        algorithm=algorithm,
        early_stop=options.early_stop,
        jobs=options.jobs,
        tool=options.tool,
        keep=options.keep,
        command=command,
        **limits,
    )


def fixed_settings(options: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """What all trials share: the user's keys, and the defaults that identify a study."""
    from recbole_mirec.config import MirecConfig

    fixed = {"dataset": "mirec-demo", "torch_threads": 1, "show_progress": False} | settings
    if options.dataset is not None:
        fixed["dataset"] = options.dataset
    if options.metric is not None:
        if fixed.get("valid_metric", options.metric) != options.metric:
            raise UsageError("--metric and --valid_metric name two metrics; leave one out.")
        fixed["valid_metric"] = options.metric
    # The names that results have, whatever the user wrote or left out.
    config = MirecConfig(config_dict=fixed)
    return fixed | {key: config[key] for key in ("protocol", "seed", "valid_metric")}


def _limits(options: argparse.Namespace) -> dict[str, Any]:
    if options.budget is None:
        return {"max_trials": options.max_evals, "minutes": None}
    if options.max_evals is not None:
        raise UsageError("--max_evals and --budget both limit the trials; leave one out.")
    kind, text = options.budget
    if kind not in BUDGETS:
        raise UsageError(f"--budget counts trials or minutes: --budget minutes 10. Got '{kind}'.")
    try:
        amount = int(text) if kind == "trials" else float(text)
    except ValueError:
        amount = 0
    if not 0 < amount < math.inf:
        raise UsageError(f"--budget {kind} needs a number above 0. Received: '{text}'.")
    return {"max_trials": None, "minutes": None} | {
        "max_trials" if kind == "trials" else "minutes": amount
    }


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
