"""The command `python -m dataset_convert`: one source in, one folder of atomic files out."""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, check_target
from dataset_convert.checks import read_manifest
from dataset_convert.findings import find_all
from dataset_convert.pipeline import convert, make_plan, split_lines
from dataset_convert.privacy import DEFAULT_KEY_FILE, Pseudonyms, forget, write_ids
from dataset_convert.problems import Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.report import REPORT_FILE
from dataset_convert.settings import ConversionSettings, read_settings
from dataset_convert.sources import find_source, source_names
from dataset_convert.suggest import write_suggestion
from dataset_convert.synthesize import DEFAULT_SEED, write_synthetic
from dataset_convert.synthetic.spec import SPECS

EXIT_BAD_INPUT = 2
SYNTHETIC = "synthetic"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The command line without the program's name; the process's own by default.

    Returns:
        0; 2 for bad input, of which one line on standard error tells; 130 after Ctrl-C.
    """
    descriptions = _descriptions()
    parser = _parser(descriptions)
    options = parser.parse_args(arguments)
    if options.list_sources:
        for source, description in descriptions.items():
            print(f"{source}: {description}")
        return 0
    if options.suggest is None and (
        options.name is None or (options.source is None) == (options.forget is None)
    ):
        parser.error(
            "--name and either --source or --forget are needed, or --suggest alone; "
            "--list-sources tells what there is"
        )
    try:
        if options.suggest is not None:
            _suggest(options)
        elif options.forget is not None:
            _forget(options)
        elif options.source == SYNTHETIC:
            _synthesize(options)
        else:
            _convert(options)
    except (ValueError, OSError) as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("Interrupted: what stood there before still does.", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def _suggest(options: argparse.Namespace) -> None:
    useless = ("source", "input", "name", "config", "split", "n_valid", "seed", "dry_run", "ids")
    _refuse(options, *useless, "forget", "accept_losses", of="--suggest")
    folder = options.suggest
    path = options.output or folder.resolve().with_name(f"{folder.resolve().name}.yaml")
    problems = Problems()
    for line in write_suggestion(folder, path, force=options.force, problems=problems):
        print(line)
    for line in problems.summary():
        print(line, file=sys.stderr)


def _forget(options: argparse.Namespace) -> None:
    useless = ("input", "split", "n_valid", "seed", "dry_run", "force", "ids", "accept_losses")
    _refuse(options, *useless, of="--forget")
    folder = _data_set(options)
    hidden = None
    if schema.PSEUDONYMS in read_manifest(folder):
        key_file = read_settings(options.config).key_file
        # Without the key an account can still be named as it stands in the files.
        if (key_file or DEFAULT_KEY_FILE).expanduser().exists():
            hidden = Pseudonyms.from_file(key_file, outside=folder, tell=None)
    for line in forget(folder, options.name, options.forget, pseudonyms=hidden):
        print(line)


def _data_set(options: argparse.Namespace) -> Path:
    return Path(options.output or "dataset") / str(options.name)


def _synthesize(options: argparse.Namespace) -> None:
    useless = ("input", "config", "split", "n_valid", "dry_run", "ids", "accept_losses")
    _refuse(options, *useless, of=f"--source {SYNTHETIC}")
    folder = _data_set(options)
    seed = DEFAULT_SEED if options.seed is None else options.seed
    n_jobs = read_settings(None).n_jobs
    data = write_synthetic(options.name, folder, seed=seed, force=options.force, n_jobs=n_jobs)
    _summarise(data, folder)


def _refuse(options: argparse.Namespace, *names: str, of: str) -> None:
    """Raise for options that would change nothing."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False:
            raise ValueError(f"{of} takes no --{name.replace('_', '-')}: leave it out.")


def _convert(options: argparse.Namespace) -> None:
    if options.input is None:
        raise ValueError(f"The source '{options.source}' needs --input FOLDER.")
    source = find_source(options.source)
    if options.split is not None and not hasattr(source, "PUBLISHED_SPLITS"):
        raise ValueError(
            f"The source '{options.source}' has no published splits: leave --split out."
        )
    settings = _settings(options, getattr(source, "DEFAULTS", {}))
    folder = _data_set(options)
    problems, written = Problems(), False
    try:
        material = source.read(options.input, settings.source, problems)
        if not options.accept_losses and not options.dry_run:
            problems.check_losses()
        if options.ids is not None:
            _write_ids(options.ids, material, settings, folder)
            return
        if options.dry_run:
            check_target(folder, options.name)
            for line in make_plan(material, settings, problems=problems, tell=print).lines():
                print(line)
            if not options.accept_losses:
                problems.check_losses()
            return
        data = convert(
            material,
            options.name,
            settings,
            folder=folder,
            problems=problems,
            force=options.force,
            about={"source": options.source},
        )
        written = True
    finally:
        for line in problems.summary(written=written):
            print(line, file=sys.stderr)
    _summarise(data, folder)


def _write_ids(
    path: Path, material: RawMaterial, settings: ConversionSettings, folder: Path
) -> None:
    if path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path}: the list of names must lie outside the data set {folder}.")
    hidden = Pseudonyms.from_file(settings.key_file, outside=folder, tell=None)
    write_ids(path, material.accounts, hidden)
    print(f"{len(material.accounts):,} accounts and their pseudonyms in {path}: keep it private")


def _settings(options: argparse.Namespace, of_source: dict[str, Any]) -> ConversionSettings:
    settings = read_settings(options.config, of_source=of_source)
    if options.split is not None:
        settings = replace(settings, source={**settings.source, "split": options.split})
    changes = {"seed": options.seed, "n_valid": options.n_valid}
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(settings, **given)


def _descriptions() -> dict[str, str]:
    return {
        **{name: find_source(name).DESCRIPTION for name in source_names()},
        SYNTHETIC: f"the seeded generator; --name is one of {', '.join(SPECS)}",
    }


def _parser(descriptions: dict[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset_convert",
        description="Converts brand-micro-influencer material to RecBole atomic files.",
        epilog="Sources: " + "; ".join(f"{name}: {text}" for name, text in descriptions.items()),
    )
    add = parser.add_argument
    add("--source", choices=descriptions, metavar="FORMAT", help="format of the material")
    add("--input", type=Path, metavar="FOLDER", help="where the material is")
    add("--name", help="name of the data set")
    add(
        "--config",
        type=Path,
        metavar="YAML",
        help="options of the source, features, splits, privacy (default: those of "
        "dataset_convert/defaults.yaml)",
    )
    add(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="folder of data sets; the files go to FOLDER/NAME (default: dataset). With --suggest: "
        "the file to write (default: FOLDER.yaml)",
    )
    add("--split", help="which published split is used, where the source has several")
    add(
        "--n-valid",
        type=int,
        metavar="N",
        help="validation brands of the protocol new-brand, stratified by category",
    )
    add("--seed", type=int, help=f"of the draws (default: {DEFAULT_SEED})")
    add(
        "--ids",
        type=Path,
        metavar="CSV",
        help="write which account of the material has which pseudonym, and nothing else",
    )
    add("--dry-run", action="store_true", help="read and check, and write nothing")
    add("--force", action="store_true", help="make everything anew, also what has not changed")
    add(
        "--forget",
        metavar="ACCOUNT",
        help="remove an account, by the id of the material, from the data set NAME",
    )
    add(
        "--accept-losses",
        action="store_true",
        help="go on although more than a third of a table's rows are left out",
    )
    add(
        "--suggest",
        type=Path,
        metavar="FOLDER",
        help="write a --config for the source 'tables' that says which file is which table",
    )
    add("--list-sources", action="store_true", help="list the formats and stop")
    return parser


def _summarise(data: AtomicData, folder: Path) -> None:
    kind = "synthetic" if data.manifest["synthetic"] else "not synthetic"
    print(
        f"{data.name} ({kind}): {len(data.brands):,} brands, {len(data.influencers):,} "
        f"influencers, {len(data.interactions):,} collaborations"
    )
    for line in split_lines(data.splits):
        print(line)
    for finding in find_all(data):
        print(f"Warning: {finding.text} {finding.remedy}")
    print(f"In {folder}; {folder / REPORT_FILE} tells more")


def _stop(*_: object) -> NoReturn:
    """Ends the process as an error would, so that nothing half-made is left behind."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())
