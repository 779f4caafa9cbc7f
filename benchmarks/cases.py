"""What is kept of a folder of cases: `python benchmarks/cases.py CASES`.

A case is a folder of tables beside a YAML of the same name up to the first `_`, or a line
`CASE YAML` in CASES/cases.txt. Each is converted; a table tells pairs, posts and followers kept, of
how many stand in the files.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.common.errors import UsageError
from dataset_convert.convert import convert
from dataset_convert.problems import Problems
from dataset_convert.settings import read_settings
from dataset_convert.sources import tables
from dataset_convert.suggest import suggest


def main() -> int:
    """Converts every case and prints a line each; 1 where one was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--only", nargs="*", metavar="CASE:YAML", default=[])
    parser.add_argument("--suggest", action="store_true", help="by what --suggest writes alone")
    options = parser.parse_args()
    pairs = [one.split(":") for one in options.only] or _pairs(options.cases)
    if options.suggest:
        pairs = [[case, ""] for case in dict.fromkeys(case for case, _ in pairs)]
    rows = [_row(options.cases, case, config, options.suggest) for case, config in pairs]
    print(pd.DataFrame(rows).to_string(index=False))
    return int(any(row["refused"] for row in rows))


def _pairs(cases: Path) -> list[list[str]]:
    listed = cases / "cases.txt"
    if listed.is_file():
        return [line.split() for line in listed.read_text().splitlines() if line.strip()]
    names = sorted(path.name for path in cases.iterdir() if path.is_dir())
    configs = {path.stem for path in cases.glob("*.yaml")}
    found = ((name, (name, name.split("_")[0])) for name in names)
    return [[name, next((x for x in stems if x in configs), "")] for name, stems in found]


def _row(cases: Path, case: str, config: str, suggested: bool) -> dict[str, object]:
    row: dict[str, object] = {"case": case, "yaml": config}
    problems = Problems()
    try:
        settings = read_settings(cases / f"{config}.yaml" if config else None)
        if suggested:
            text, told = suggest(cases / case, Problems())
            row |= {"yaml": f"{sum(line.startswith('?') for line in told)} asked"}
            with tempfile.TemporaryDirectory() as place:
                (Path(place) / "convert.yaml").write_text(text)
                settings = read_settings(Path(place) / "convert.yaml")
            settings = replace(settings, pseudonyms=False)
        material = tables.read(cases / case, settings.source, problems)
        problems.check_losses()
        influencers = material.accounts[material.accounts[raw.ROLE] == schema.INFLUENCER]
        row |= {
            "accounts": len(material.accounts),
            "pairs": len(material.collaborations),
            "posts": material.n_posts,
            "followers": int(influencers[raw.FOLLOWERS].notna().sum()),
            "of influencers": len(influencers),
        }
        with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
            folder = Path(place) / "case"
            data = convert(material, "case", settings, folder=folder, problems=problems)
        row |= {"protocols": "+".join(data.splits), "refused": ""}
    except UsageError as error:
        row["refused"] = str(error)[:90]
    n_left_out = problems.n_skipped
    return row | {"rows left out": n_left_out, "noted": len(problems) - n_left_out}


if __name__ == "__main__":
    sys.exit(main())
