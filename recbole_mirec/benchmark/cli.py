"""The benchmark command: parse, plan, run, print."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataset_convert.common.commands import CommandParser, run_again
from dataset_convert.common.errors import UsageError
from recbole_mirec.cli import given_settings, with_recbole

if TYPE_CHECKING:
    from recbole_mirec.benchmark.summary import BenchmarkResult

SOME_FAILED = 1

EPILOG = """\
Any --key=value is a configuration key that all models share, over the plan's own settings
(--data_path=..., --epochs=5, ...).

examples
  python -m recbole_mirec.benchmark quick
  python -m recbole_mirec.benchmark demo --jobs 2
  python -m recbole_mirec.benchmark my_plan.yaml --dry-run
A benchmark that was interrupted goes on when the same command is given again. quick and demo use
synthetic data, which is generated here on first use."""


def build_parser() -> argparse.ArgumentParser:
    """The options of the command; every other --key=value is a configuration key."""
    parser = CommandParser(
        prog="python -m recbole_mirec.benchmark",
        description="Models, protocols and seeds side by side, from one YAML plan.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("plan", help="a plan's file, or the name of one that comes with us (docs/benchmark.md)")
    add("--jobs", type=int, metavar="N", help="runs at a time (default: the plan's)")
    add(
        "--results",
        type=Path,
        metavar="DIR",
        help="the benchmark's folder (default: one in saved/benchmarks/ that the same command "
        "finds again)",
    )
    add("--dry-run", action="store_true", help="list the runs, and run nothing")
    add(
        "--report-only",
        action="store_true",
        help="run nothing, and write the tables and the page anew from the runs that have ended",
    )
    add("--retry-failed", action="store_true", help="run again what failed before")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0; 1 where a run failed; 2 for wrong input; 130 when interrupted.
    """
    return run_again(with_recbole(lambda: _main(sys.argv[1:] if arguments is None else arguments)))


def _main(arguments: Sequence[str]) -> int:
    options, rest = build_parser().parse_known_args(arguments)
    settings = given_settings([], rest)
    from recbole_mirec.benchmark.benchmark import plan_text, run_benchmark
    from recbole_mirec.benchmark.plan import find_plan, read_plan
    from recbole_mirec.benchmark.tables import result_text

    plan = read_plan(find_plan(options.plan), settings)
    if options.jobs is not None:
        if options.jobs < 1:
            raise UsageError(f"--jobs must be a whole number above 0. Received: {options.jobs}.")
        plan = plan.model_copy(update={"jobs": options.jobs})
    if options.dry_run:
        print(plan_text(plan))
        return 0
    result = run_benchmark(
        plan,
        folder=options.results,
        retry_failed=options.retry_failed,
        report_only=options.report_only,
        command=_command(arguments),
    )
    print(result_text(result))
    return _exit_code(result)


def _command(arguments: Sequence[str]) -> str:
    """What makes the benchmark, whichever command wrote its page."""
    words = [word for word in arguments if word not in ("--report-only", "--retry-failed")]
    return shlex.join(["python", "-m", "recbole_mirec.benchmark", *words])


def _exit_code(result: "BenchmarkResult") -> int:
    return 0 if (result.runs["status"] == "finished").all() else SOME_FAILED
