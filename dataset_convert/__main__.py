"""The command `python -m dataset_convert`: one source in, one folder of atomic files out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.pipeline import convert
from dataset_convert.privacy import Pseudonyms, forget
from dataset_convert.problems import Problems
from dataset_convert.settings import read_settings
from dataset_convert.sources import find_source, source_names
from dataset_convert.sources.matrices import read_matrices
from dataset_convert.synthesize import DEFAULT_SEED, generate
from dataset_convert.synthetic.spec import SPECS

EXIT_BAD_INPUT = 2
MATRICES, SYNTHETIC = "matrices", "synthetic"
DESCRIPTIONS = {
    MATRICES: "a folder with brands.csv, influencers.csv, collaborations.csv and, per modality, "
    "brand_*.npy and influencer_*.npy (topics, visual, audience_topics, audience_visual, "
    "attribute_vector)",
    SYNTHETIC: f"the seeded generator; --name is one of {', '.join(SPECS)}",
    **{name: find_source(name).DESCRIPTION for name in source_names()},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The command line without the program's name; the process's own by default.

    Returns:
        0, or 2 for bad input, of which one line on standard error tells.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list_sources:
        for source, description in DESCRIPTIONS.items():
            print(f"{source}: {description}")
        return 0
    if options.name is None or (options.source is None) == (options.forget is None):
        parser.error(
            "--name and either --source or --forget are needed; --list-sources tells what there is"
        )
    try:
        if options.forget is not None:
            _forget(options)
        else:
            _run(options)
    except (ValueError, OSError) as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def _forget(options: argparse.Namespace) -> None:
    folder = options.output / options.name
    settings = read_settings(options.config)
    hidden = None
    if settings.pseudonyms:
        hidden = Pseudonyms.from_file(settings.key_file, outside=folder, tell=print)
    for line in forget(folder, options.name, options.forget, pseudonyms=hidden):
        print(line)


def _run(options: argparse.Namespace) -> None:
    folder = options.output / options.name
    if (options.input is None) != (options.source == SYNTHETIC):
        raise ValueError(
            f"The source '{options.source}' needs --input FOLDER."
            if options.input is None
            else "The source 'synthetic' reads nothing: leave --input out."
        )
    if options.source in (MATRICES, SYNTHETIC):
        if options.config is not None or options.dry_run:
            raise ValueError(f"--config and --dry-run are not of the source '{options.source}'.")
        _summarise(write_atomic(_plain_data(options), folder), folder)
        return
    settings = read_settings(options.config)
    problems = Problems()
    try:
        material = find_source(options.source).read(options.input, settings.source, problems)
        if options.dry_run:
            print(f"{len(material.accounts):,} accounts, {len(material.collaborations):,} pairs.")
            return
        data = convert(material, options.name, settings, folder=folder, problems=problems)
    finally:
        for line in problems.lines():
            print(line, file=sys.stderr)
    _summarise(data, folder)


def _plain_data(options: argparse.Namespace) -> AtomicData:
    seed = DEFAULT_SEED if options.seed is None else options.seed
    if options.source == SYNTHETIC:
        return generate(options.name, seed=seed)
    return read_matrices(
        options.input, options.name, n_valid=options.n_valid, seed=seed, tell=print
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset_convert",
        description="Converts brand-micro-influencer material to RecBole atomic files.",
        epilog="Sources: " + "; ".join(f"{name}: {text}" for name, text in DESCRIPTIONS.items()),
    )
    parser.add_argument("--source", choices=DESCRIPTIONS, help="format of the material")
    parser.add_argument("--input", type=Path, metavar="FOLDER", help="where the material is")
    parser.add_argument("--name", help="name of the data set")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="YAML",
        help="options of the source, features, splits, privacy (default: those of "
        "dataset_convert/defaults.yaml)",
    )
    parser.add_argument(
        "--forget",
        metavar="ACCOUNT",
        help="remove an account, by the id of the material, from the data set NAME",
    )
    parser.add_argument("--dry-run", action="store_true", help="read and check, and write nothing")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("dataset"),
        metavar="FOLDER",
        help="folder of data sets; the files go to FOLDER/NAME (default: dataset)",
    )
    parser.add_argument(
        "--n-valid",
        type=int,
        default=43,
        metavar="N",
        help="validation brands of the protocol new-brand, stratified by category; for source "
        "matrices (default: 43)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help=f"of the draw, for matrices and synthetic (default: {DEFAULT_SEED})",
    )
    parser.add_argument("--list-sources", action="store_true", help="list the formats and stop")
    return parser


def _summarise(data: AtomicData, folder: Path) -> None:
    kind = "synthetic" if data.manifest["synthetic"] else "not synthetic"
    print(
        f"{data.name} ({kind}): {len(data.brands):,} brands, {len(data.influencers):,} "
        f"influencers, {len(data.interactions):,} collaborations"
    )
    for protocol, parts in data.splits.items():
        sizes = ", ".join(
            f"{part} {len(pairs):,} pairs of {pairs[schema.BRAND_ID].nunique()} brands"
            for part, pairs in parts.items()
        )
        print(f"{protocol}: {sizes}")
    print(f"Written to {folder}")


if __name__ == "__main__":
    sys.exit(main())
