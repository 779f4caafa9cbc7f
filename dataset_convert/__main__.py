"""The command `python -m dataset_convert`: one source in, one folder of atomic files out."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.sources.matrices import read_matrices
from dataset_convert.synthesize import DEFAULT_SEED, generate
from dataset_convert.synthetic.spec import SPECS

EXIT_BAD_INPUT = 2


def _from_matrices(arguments: argparse.Namespace) -> AtomicData:
    if arguments.input is None:
        raise ValueError("The source 'matrices' needs --input FOLDER.")
    return read_matrices(
        arguments.input, arguments.name, n_valid=arguments.n_valid, seed=arguments.seed, tell=print
    )


def _from_generator(arguments: argparse.Namespace) -> AtomicData:
    if arguments.input is not None:
        raise ValueError("The source 'synthetic' reads nothing: leave --input out.")
    return generate(arguments.name, seed=arguments.seed)


SOURCES: dict[str, tuple[str, Callable[[argparse.Namespace], AtomicData]]] = {
    "matrices": (
        "a folder with brands.csv, influencers.csv, collaborations.csv and, per modality, "
        "brand_*.npy and influencer_*.npy (topics, visual, audience_topics, audience_visual, "
        "attribute_vector)",
        _from_matrices,
    ),
    "synthetic": (f"the seeded generator; --name is one of {', '.join(SPECS)}", _from_generator),
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
        for source, (description, _) in SOURCES.items():
            print(f"{source}: {description}")
        return 0
    if options.source is None or options.name is None:
        parser.error("--source and --name are needed; --list-sources tells what there is")
    folder = options.output / options.name
    try:
        data = write_atomic(SOURCES[options.source][1](options), folder)
    except (ValueError, OSError) as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    _summarise(data, folder)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset_convert",
        description="Converts brand-micro-influencer material to RecBole atomic files.",
        epilog="Sources: " + "; ".join(f"{name}: {text}" for name, (text, _) in SOURCES.items()),
    )
    parser.add_argument("--source", choices=SOURCES, help="format of the material")
    parser.add_argument("--input", type=Path, metavar="FOLDER", help="where the material is")
    parser.add_argument("--name", help="name of the data set")
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
        "--seed", type=int, default=DEFAULT_SEED, help=f"of the draw (default: {DEFAULT_SEED})"
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
