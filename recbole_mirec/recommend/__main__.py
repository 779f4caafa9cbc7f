"""`python -m recbole_mirec.recommend`: lists of influencers for brands, known, new or in words."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataset_convert.common.commands import DONE, CommandParser, count, printable, run_command
from dataset_convert.common.errors import UsageError

if TYPE_CHECKING:
    from recbole_mirec.recommend.recommender import Account, Recommendation, Recommender

EXAMPLES = """\
examples
  python -m recbole_mirec.recommend --run saved/MIRec-... --brand brand_001 --top 20
  python -m recbole_mirec.recommend --bundle shop --text "vegan skincare for young mothers"
  python -m recbole_mirec.recommend --bundle shop --all --csv lists.csv --where "followers>=5000"
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
    parser.add_argument("--top", type=count, default=10, metavar="K", help="how many (default: 10)")
    for name, words in (
        ("include", "the only candidates: ids, or a file with one a line"),
        ("exclude", "influencers to leave out, likewise"),
        ("where", "conditions on facts, such as followers>=5000 or country=DE,AT"),
    ):
        parser.add_argument(f"--{name}", nargs="+", metavar="X", help=words)
    parser.add_argument(
        "--diversity", type=float, default=0.0, metavar="X", help="from 0, by score alone, to 1"
    )
    parser.add_argument("--with-partners", action="store_true", help="known partners, marked")
    parser.add_argument("--name-others", action="store_true", help="name other brands in reasons")
    parser.add_argument("--language", choices=("en", "de"), default="en", help="of the reasons")
    for kind in ("csv", "json", "xlsx"):
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help="write all lists there")
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="tell how likely each is a real partner: trains five models, once a run",
    )
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="write the bundle there")
    return parser


def _names(given: Sequence[str] | None) -> list[str] | None:
    """Ids as they stand, or those of a file, one a line, of a table in its first column."""
    if given is None:
        return None
    found = []
    for entry in given:
        path = Path(entry)
        if not path.is_file():
            found.append(entry)
            continue
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        cells = [line.split(",")[0].strip().strip('"').lstrip("'") for line in lines]
        found += [cell for cell in cells if cell and cell != "influencer_id"]
    return found


def _accounts(options: Any, recommender: "Recommender") -> Iterator["str | Account"]:
    if options.text is not None:
        if not options.text.strip():
            raise UsageError("--text is empty: say what is sold, to whom, and where.")
        yield recommender.brief(options.text)
    yield from map(str, recommender.brands if options.all else options.brand)


def _printed(found: "Recommendation", recommender: "Recommender", options: Any) -> tuple[str, Any]:
    """A list as text, and as a table with its reasons."""
    title = f"{found.brand.name}: the best {len(found.frame)} of {found.n_candidates} influencers"
    about = recommender.bundle.about
    title += f", by {about['model']} on {about['dataset']}"
    title += " (synthetic data)" if about["synthetic"] else ""
    frame = found.frame.copy()
    frame["why"] = [
        recommender.explain(found.brand, name, name_others=options.name_others).sentence(
            options.language
        )
        for name in frame["influencer_id"]
    ]
    shown = frame.drop(columns="why").round(3).to_string(index=False)
    why = [f"{row.rank}. {row.influencer_id}: {row.why}" for row in frame.itertuples()]
    notes = [f"Note: score: {about['score']}; comparable within one brand only"]
    notes += [f"Note: {note}" for note in found.notes]
    frame.insert(0, "brand_id", found.brand.name)
    return "\n".join([title, shown, "", *why, *notes]), frame


def _run() -> int:
    options = _parser().parse_args()
    import pandas as pd

    from dataset_convert.common.files import naming, write_csv, write_whole
    from recbole_mirec.recommend.recommender import Recommender

    recommender = Recommender.load(options.run or options.bundle, confidence=options.confidence)
    texts, frames = [], []
    for account in _accounts(options, recommender):
        found = recommender.recommend(
            account,
            options.top,
            where=options.where or (),
            include=_names(options.include),
            exclude=_names(options.exclude) or (),
            diversity=options.diversity,
            with_partners=options.with_partners,
        )
        text, frame = _printed(found, recommender, options)
        texts.append(text)
        frames.append(frame)
    if not frames and options.export is None:
        raise UsageError("Say for whom: --brand ID, --all, or --text WORDS; or --export FOLDER.")
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if options.csv:
        write_csv(options.csv, table)
    if options.json:
        write_whole(options.json, table.to_json(orient="records", indent=1).encode())
    if options.xlsx:
        with naming(options.xlsx):
            table.to_excel(options.xlsx, index=False)
    if options.export:
        recommender.export(options.export)
    files = [
        str(path) for path in (options.csv, options.json, options.xlsx, options.export) if path
    ]
    texts += [f"Written to {', '.join(files)}"] if files else []
    print(printable("\n\n".join(texts)))
    return DONE


def main() -> int:
    """Run the command; returns its exit code."""
    return run_command(_run)


if __name__ == "__main__":
    sys.exit(main())
