"""The command `python -m dataset_convert`: one source in, one folder of atomic files out."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dataset_convert import schema
from dataset_convert.adding import add_accounts
from dataset_convert.atomic import AtomicData, check_target
from dataset_convert.checks import read_manifest
from dataset_convert.common.commands import DONE, CommandParser, run_command
from dataset_convert.common.errors import UsageError
from dataset_convert.common.ray_session import import_ray
from dataset_convert.convert import convert, make_plan
from dataset_convert.engine import Engine
from dataset_convert.findings import find_all
from dataset_convert.privacy import DEFAULT_KEY_FILE, Pseudonyms, forget, read_key, write_ids
from dataset_convert.problems import Problems
from dataset_convert.report import REPORT_FILE
from dataset_convert.settings import LOCAL, RAY, ConversionSettings, read_settings
from dataset_convert.sources import find_source, source_names
from dataset_convert.suggest import write_suggestion
from dataset_convert.synthetic import DEFAULT_SEED, SPECS, write_synthetic

SYNTHETIC, SAVED = "synthetic", Path("saved")
_HEEDED = {
    "--suggest": {"suggest", "output", "force"},
    "--forget": {"forget", "name", "config", "output", "runs"},
    "--add": {"add", "source", "name", "config", "output", "accept_losses"},
    f"--source {SYNTHETIC}": {"source", "name", "output", "seed", "force"},
}
"""Options that are of use; others would change nothing, and so are refused."""

# At once, so that output which nobody can take, such as to a full disk, ends the command before it
# replaces a data set.
_tell = partial(print, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The command line without the program's name; the process's own by default.

    Returns:
        0; 2 for bad input, of which one line on standard error tells; 130 when interrupted.
    """
    return run_command(partial(_run, arguments))


def _run(arguments: Sequence[str] | None) -> int:
    descriptions = {
        **{name: find_source(name).DESCRIPTION for name in source_names()},
        SYNTHETIC: f"the seeded generator; --name is one of {', '.join(SPECS)}",
    }
    parser = _parser(descriptions)
    options = parser.parse_args(arguments)
    if options.list_sources:
        for source, description in descriptions.items():
            print(f"{source}: {description}")
    elif options.suggest is not None:
        _suggest(options)
    elif options.add is not None:
        _add(options)
    elif options.name is None or (options.source is None) == (options.forget is None):
        parser.error(
            "--name and either --source or --forget are needed, or --suggest alone; "
            "--list-sources tells what there is"
        )
    elif options.forget is not None:
        _forget(options)
    elif options.source == SYNTHETIC:
        _refuse_useless(options, f"--source {SYNTHETIC}")
        folder = _folder(options)
        seed = DEFAULT_SEED if options.seed is None else options.seed
        n_jobs = read_settings(None).n_jobs
        data = write_synthetic(
            options.name, folder, seed=seed, force=options.force, n_jobs=n_jobs, tell=_tell
        )
        _summarise(data, folder)
    else:
        _convert(options)
    return DONE


def _folder(options: argparse.Namespace) -> Path:
    return Path(options.output or "dataset") / str(options.name)


def _refuse_useless(options: argparse.Namespace, what: str) -> None:
    for name, value in vars(options).items():
        if name not in _HEEDED[what] and value is not None and value is not False:
            raise UsageError(f"{what} takes no --{name.replace('_', '-')}: leave it out.")


def _suggest(options: argparse.Namespace) -> None:
    _refuse_useless(options, "--suggest")
    folder = options.suggest
    path = options.output or folder.resolve().with_name(f"{folder.resolve().name}.yaml")
    problems = Problems()
    for line in write_suggestion(folder, path, force=options.force, problems=problems):
        print(line)
    for line in problems.summary():
        print(line, file=sys.stderr)


def _forget(options: argparse.Namespace) -> None:
    _refuse_useless(options, "--forget")
    folder, hidden = _folder(options), None
    if schema.PSEUDONYMS in read_manifest(folder):
        key_file = read_settings(options.config).key_file
        # Without the key an account can still be named as it stands in the files.
        if (key_file or DEFAULT_KEY_FILE).expanduser().exists():
            hidden = Pseudonyms(read_key(key_file, outside=folder, tell=None))
    runs = [SAVED] if options.runs is None and SAVED.is_dir() else options.runs or []
    for place in runs:
        if not place.is_dir():
            raise UsageError(f"{place}: found no folder; wanted one of runs, as --runs names it.")
    for line in forget(folder, options.name, options.forget, pseudonyms=hidden, runs=runs):
        print(line)


def _add(options: argparse.Namespace) -> None:
    _refuse_useless(options, "--add")
    if options.name is None or options.source in (None, SYNTHETIC):
        raise UsageError("--add needs the --name of a data set and the --source of its FOLDER.")
    source, problems = find_source(options.source), Problems()
    settings = _settings(options, getattr(source, "DEFAULTS", {}))
    Engine.n_threads = settings.n_jobs
    try:
        material = source.read(options.add, settings.source, problems)
        if not options.accept_losses:
            problems.check_losses()
        add_accounts(
            material,
            options.name,
            folder=_folder(options),
            key_file=settings.key_file,
            n_jobs=settings.n_jobs,
            tell=_tell,
        )
    finally:
        for line in problems.summary():
            print(line, file=sys.stderr)


def _convert(options: argparse.Namespace) -> None:
    if options.input is None:
        raise UsageError(f"The source '{options.source}' needs --input FOLDER.")
    source = find_source(options.source)
    if options.split is not None and not hasattr(source, "PUBLISHED_SPLITS"):
        raise UsageError(
            f"The source '{options.source}' has no published splits: take --split out."
        )
    settings = _settings(options, getattr(source, "DEFAULTS", {}))
    if settings.engine == RAY:
        import_ray("ray.data")
    folder = _folder(options)
    Engine.n_threads = settings.n_jobs
    problems, written = Problems(), False
    try:
        material = source.read(options.input, settings.source, problems)
        if not options.accept_losses and not options.dry_run:
            problems.check_losses()
        if options.ids is not None:
            if options.ids.resolve().is_relative_to(folder.resolve()):
                raise UsageError(
                    f"{options.ids}: the list of names must lie outside the data set {folder}."
                )
            hidden = Pseudonyms(read_key(settings.key_file, outside=folder, tell=None))
            write_ids(options.ids, material.accounts, hidden)
            n = len(material.accounts)
            print(f"{n:,} accounts and their pseudonyms in {options.ids}: keep it private")
            return
        if options.dry_run:
            check_target(folder, options.name)
            plan = make_plan(material, options.name, settings, problems=problems, tell=print)
            print(*plan.lines(), sep="\n")
            if not options.accept_losses:
                problems.check_losses()
            return
        data = convert(
            material,
            options.name,
            settings,
            folder=folder,
            problems=problems,
            tell=_tell,
            force=options.force,
            about={"source": options.source},
        )
        written = True
    finally:
        for line in problems.summary(written=written):
            print(line, file=sys.stderr)
    _summarise(data, folder)


def _settings(options: argparse.Namespace, of_source: dict[str, Any]) -> ConversionSettings:
    settings = read_settings(options.config, of_source=of_source)
    if options.split is not None:
        settings = replace(settings, source={**settings.source, "split": options.split})
    if options.ray_address is not None and options.engine != RAY:
        raise UsageError("--ray_address is of a Ray cluster; add --engine ray, or leave it out.")
    names = ("seed", "n_valid", "engine", "ray_address")
    changes = {name: getattr(options, name) for name in names}
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(settings, **given)


def _summarise(data: AtomicData, folder: Path) -> None:
    for finding in find_all(data):
        print(f"Warning: {finding.text} {finding.remedy}")
    kind = "synthetic" if data.manifest["synthetic"] else "not synthetic"
    print(f"{data.name} ({kind}) is in {folder}; {folder / REPORT_FILE} tells more")


def _parser(descriptions: dict[str, str]) -> CommandParser:
    parser = CommandParser(
        prog="python -m dataset_convert",
        description="Converts brand-micro-influencer material to RecBole atomic files.",
        epilog="Sources: " + "; ".join(f"{name}: {text}" for name, text in descriptions.items()),
    )
    add = parser.add_argument
    path: Any = {"type": Path, "metavar": "FOLDER"}
    add("--source", choices=descriptions, metavar="FORMAT", help="format of the material")
    add("--input", **path, help="where the material is")
    add("--name", help="name of the data set")
    text = (
        "options of the source, features, splits, privacy (default: dataset_convert/defaults.yaml)"
    )
    add("--config", type=Path, metavar="YAML", help=text)
    text = (
        "folder of data sets; the files go to FOLDER/NAME (default: dataset). With --suggest: the "
        "file to write (default: FOLDER.yaml)"
    )
    add("--output", **path, help=text)
    add("--split", help="which published split is used, where the source has several")
    text = "validation brands of the protocol new-brand, stratified by category"
    add("--n-valid", type=int, metavar="N", help=text)
    add("--seed", type=int, help=f"of the draws (default: {DEFAULT_SEED})")
    text = "who sums posts up: processes here (default), or Ray's"
    add("--engine", type=str.lower, choices=(LOCAL, RAY), help=text)
    text = "of a Ray cluster (default: one started here)"
    add("--ray_address", metavar="HOST:PORT", help=text)
    text = "write which account of the material has which pseudonym, and nothing else"
    add("--ids", type=Path, metavar="CSV", help=text)
    text = "remove an account, by the id of the material, from the data set NAME"
    add("--forget", metavar="ACCOUNT", help=text)
    text = "with --forget: where runs and bundles are that may hold the account (default: saved)"
    add("--runs", **path, nargs="+", help=text)
    text = "describe the accounts of FOLDER, of the format --source, by the extractors of the data "
    add("--add", **path, help=f"{text}set NAME, and add those that it does not hold yet")
    text = "write a --config for the source 'tables' that says which file is which table"
    add("--suggest", **path, help=text)
    for name, text in (
        ("--dry-run", "read and check, and write nothing"),
        ("--force", "make everything anew, also what has not changed"),
        ("--accept-losses", "go on although more than a third of a table's rows are left out"),
        ("--list-sources", "list the formats and stop"),
    ):
        add(name, action="store_true", help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
