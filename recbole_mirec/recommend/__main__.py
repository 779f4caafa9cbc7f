"""`python -m recbole_mirec.recommend`: lists of influencers for brands, known, new or in words."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset_convert import schema
from dataset_convert.common.commands import DONE, CommandParser, count, printable, run_command
from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import file_name, write_csv, write_whole

if TYPE_CHECKING:
    import pandas as pd

    from recbole_mirec.recommend.accounts import Account
    from recbole_mirec.recommend.page import ListView
    from recbole_mirec.recommend.recommender import Recommender

    Answer = tuple[str, pd.DataFrame, ListView | None]

# Pages that are named one by one; of more their folder is.
_FEW = 5

EXAMPLES = """\
examples
  python -m recbole_mirec.recommend --run saved/MIRec-... --brand brand_001 --top 20
  python -m recbole_mirec.recommend --bundle shop --text "vegan skincare for young mothers"
  python -m recbole_mirec.recommend --bundle shop --folder new_client --config shop.yaml
  python -m recbole_mirec.recommend --bundle shop --all --csv lists.csv --where "followers>=5000"
  python -m recbole_mirec.recommend --bundle shop --brand brand_001 --top 50 --html list.html
  python -m recbole_mirec.recommend --run saved/MIRec-... --export shop"""


def _parser() -> CommandParser:
    parser = CommandParser(
        "python -m recbole_mirec.recommend",
        description="Whom a brand should ask, and why, by a trained MIRec.",
        epilog=EXAMPLES,
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--run", type=Path, help="a finished run's folder")
    place.add_argument("--bundle", type=Path, help="a bundle's folder")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--brand", nargs="+", metavar="ID", default=[], help="known brands")
    whom.add_argument("--all", action="store_true", help="every brand of the data set")
    whom.add_argument("--text", help="a brief in words: what is sold, to whom, where")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="tables of new accounts, as python -m dataset_convert reads them: influencers become "
        "candidates, brands get lists",
    )
    parser.add_argument("--config", type=Path, help="of the conversion, for the tables of --folder")
    parser.add_argument("--top", type=count, default=10, metavar="K", help="how many (default: 10)")
    for name, words in (
        ("include", "the only candidates: ids, a file with one a line, a page's yes and maybe"),
        ("exclude", "influencers to leave out, likewise; of a page's decisions the no"),
        ("competitors", "brands whose partners are left out, likewise"),
        ("where", "conditions, such as followers>=5000 or country=DE,AT"),
        ("forget", "accounts to take out of the bundle"),
    ):
        parser.add_argument(f"--{name}", nargs="+", metavar="X", help=words)
    parser.add_argument(
        "--diversity", type=float, default=0.0, metavar="X", help="from 0, by score alone, to 1"
    )
    parser.add_argument("--with-partners", action="store_true", help="known partners, marked")
    parser.add_argument(
        "--explain", metavar="INFLUENCER", help="all that her score is made of, instead of a list"
    )
    parser.add_argument("--name-others", action="store_true", help="name other brands in reasons")
    parser.add_argument("--language", choices=("en", "de"), default="en", help="of the reasons")
    for kind in ("csv", "json", "xlsx"):
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help="write all lists there")
    parser.add_argument(
        "--html", type=Path, metavar="PATH", help="a page to mail: FILE.html, or a folder for many"
    )
    parser.add_argument(
        "--names",
        type=Path,
        metavar="CSV",
        help="names to show for pseudonyms: of the conversion's --ids or, with the key, a list",
    )
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="tell how likely each is a real partner: trains five models, once a run",
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="of pseudonyms, to ask by name")
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="write the bundle there")
    for name, kind, words in (
        ("sqlite", "FILE", "write all lists and their reasons as a database"),
        ("vectors", "FILE", "write ids and vectors of all accounts: .npz or .parquet"),
        ("onnx", "FOLDER", "write the encoders, checked on all accounts (needs onnxruntime)"),
        ("faiss", "FILE", "write an index of the influencers (needs faiss)"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar=kind, help=words)
    return parser


def _asked(options: Any, brand: str, brands: "Collection[str]") -> dict[str, Any]:
    """What a brand's list is asked for by."""
    from recbole_mirec.recommend.conditions import MAYBE, NO, YES, read_ids

    others = {*brands} - {brand}
    return {
        "where": options.where or (),
        "include": read_ids(options.include, (YES, MAYBE), others),
        "exclude": read_ids(options.exclude, (NO,), others) or (),
        "competitors": read_ids(options.competitors) or (),
        "diversity": options.diversity,
        "with_partners": options.with_partners,
    }


def _explained(account: "Account", recommender: "Recommender", options: Any, how: Any) -> "Answer":
    """What a score is made of: as text and as a table."""
    import pandas as pd

    found = recommender.explain(account, options.explain, **how)
    terms = [x for x, _ in found.merged]
    rows = [(found.brand, found.influencer, x.part, found.called(x), x.value) for x in terms]
    columns = [*schema.ACCOUNT_ID.values(), "part", "what", "adds"]
    return str(found), pd.DataFrame(rows, columns=columns), None


def _brands(options: Any, recommender: "Recommender") -> tuple[list["Account"], list[str]]:
    """Whom lists are for, and what must be said first; new influencers become candidates."""
    found: list[Account] = []
    notes: list[str] = []
    if options.folder is not None:
        new, notes = recommender.folder(options.folder, options.config)
        recommender.add_influencers(new[schema.INFLUENCER])
        found += [] if options.brand or options.all or options.text else new[schema.BRAND]
    elif options.config is not None:
        raise UsageError("--config says how the tables of --folder are read; add --folder DIR.")
    if options.text is not None:
        if not options.text.strip():
            raise UsageError("--text is empty: say what is sold, to whom, and where.")
        found.append(recommender.brief(options.text))
    names = recommender.brands if options.all else options.brand
    return [*found, *map(recommender.account, names)], [f"Note: {note}" for note in notes]


def _pages(options: Any, brands: "Sequence[Account]") -> list[Path]:
    """Where each brand's page goes."""
    place: Path | None = options.html
    if place is None:
        return []
    if options.explain is not None:
        raise UsageError("--html shows lists: leave out --explain.")
    if place.suffix.lower() not in (".html", ".htm"):
        return [place / f"{file_name(brand.name)}.html" for brand in brands]
    if len(brands) > 1:
        raise UsageError(f"--html needs a folder for {len(brands)} brands. Received: '{place}'.")
    return [place] * len(brands)


def _write(options: Any, answers: "Sequence[Answer]", pages: Sequence[Path]) -> list[str]:
    """Write the lists; returns the files' names."""
    import pandas as pd

    from recbole_mirec.recommend.export import workbook, write_results
    from recbole_mirec.recommend.page import render_shortlist

    table = pd.concat([frame for _, frame, _ in answers], ignore_index=True)
    views = [view for _, _, view in answers if view is not None]
    if options.csv:
        write_csv(options.csv, table)
    if options.json:
        write_whole(options.json, table.to_json(orient="records", indent=1).encode())
    if options.xlsx:
        write_whole(options.xlsx, workbook(table))
    if options.sqlite and views:
        write_results(options.sqlite, views)
    for path, (_, _, view) in zip(pages, answers, strict=False):
        if view is not None:
            write_whole(path, render_shortlist(view).encode())
    return [str(x) for x in (options.csv, options.json, options.xlsx, options.sqlite) if x]


def _export(options: Any, recommender: "Recommender") -> tuple[list[str], list[str]]:
    """Write what other programs take of the model; returns what is said of it, and files' names."""
    from recbole_mirec.recommend import export

    told: list[str] = []
    if options.vectors:
        export.write_vectors(options.vectors, recommender)
    if options.onnx:
        told.append(export.write_encoders(options.onnx, recommender))
    if options.faiss:
        told.append(export.write_index(options.faiss, recommender))
    return told, [str(x) for x in (options.vectors, options.onnx, options.faiss) if x]


def _answers(
    brands: "Sequence[Account]", recommender: "Recommender", options: Any
) -> "list[Answer]":
    """For every brand a list: as text, as a table, as pages show it; or what `_explained` gives.

    For one of many of which nothing is known, that.
    """
    import pandas as pd

    from recbole_mirec.recommend.accounts import NothingKnownError
    from recbole_mirec.recommend.page import ListView, read_names

    how = {"name_others": options.name_others, "language": options.language}
    shows = options.names and brands and options.explain is None
    names = read_names(options.names, recommender) if shows else None
    found: list[Answer] = []
    for account in brands:
        try:
            if options.explain is not None:
                found.append(_explained(account, recommender, options, how))
                continue
            asked = _asked(options, account.name, recommender.brands)
            best = recommender.recommend(account, options.top, **asked)
            listed = recommender.listed(best, **how)
        except NothingKnownError as error:
            if len(brands) == 1:
                raise
            found.append((str(error), pd.DataFrame(), None))
        else:
            view = ListView(recommender, best, asked=asked, title=options.text, names=names, **how)
            found.append((*listed, view))
    return found


def _run() -> int:
    options = _parser().parse_args()
    from recbole_mirec.recommend.recommender import Recommender

    recommender = Recommender.load(
        options.run or options.bundle, confidence=options.confidence, key_file=options.key
    )
    for name in options.forget or ():
        recommender.forget(name)
    brands, texts = _brands(options, recommender)
    pages = _pages(options, brands)
    answers = _answers(brands, recommender, options)
    told, made = _export(options, recommender)
    if not (answers or made or options.export or options.forget):
        wanted = "--brand ID, --all, --text WORDS or --folder DIR with brands in it; or --export"
        raise UsageError(" ".join([*texts, f"Say for whom: {wanted} FOLDER."]))
    files = made + (_write(options, answers, pages) if answers else [])
    files += map(str, pages if len(pages) < _FEW else [options.html])
    texts += [text for text, _, _ in answers] + told
    if options.export or options.forget:
        source = options.bundle or options.run / "bundle"
        target = options.export or source
        recommender.export(target)
        files.append(str(target))
        holders = [f"'{source}'"] * (target.resolve() != source.resolve())
        holders += [f"the data set of '{options.run}'"] * bool(options.run)
        if options.forget and holders:
            texts.append(f"{', '.join(options.forget)}: {' and '.join(holders)} still hold it.")
    texts += [f"Written to {', '.join(files)}"] * bool(files)
    print(printable("\n\n".join(texts)))
    return DONE


def main() -> int:
    """Run the command; returns its exit code."""
    return run_command(_run)


if __name__ == "__main__":
    sys.exit(main())
