"""Released per-pair feature arrays, brought back to accounts and the pairs that worked together."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.problems import Problems
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.reading import values as v
from dataset_convert.reading.accounts import known_account
from dataset_convert.reading.array_settings import (
    ATTRIBUTES,
    CATEGORIES,
    COLUMNS,
    PAIRS,
    ArraySettings,
    AttributeFiles,
    read_array_settings,
)
from dataset_convert.reading.files import find_files, fingerprint, name_in
from dataset_convert.reading.node_means import read_embedding, read_node_means
from dataset_convert.reading.options import refuse_option
from dataset_convert.reading.pair_accounts import Pair, PairAccounts, find_accounts
from dataset_convert.reading.pair_arrays import PairArrays, find_arrays
from dataset_convert.reading.records import Table
from dataset_convert.reading.values import BadValue, Values
from dataset_convert.reading.vectors import Alignment, Vector
from dataset_convert.reading.workbooks.reader import read_workbook

DESCRIPTION = (
    "the released feature arrays, a positive and a negative row a pair, such as "
    "trainset/brand_text_train.npy; accounts get their names from lists of pairs, where there are"
)

WORKBOOKS = (".xlsx", ".xls")
ONE_CATEGORY = "one category a brand: the first row stays"


def read(folder: Path, options: Mapping[str, Any], problems: Problems) -> RawMaterial:
    """Reads a release; `docs/convert_vectors.md` tells its layout and the options.

    Args:
        folder: Where the files are; nothing outside of it is read.
        options: The mapping `source` of the configuration, without the source's name.
        problems: Told of rows that are left out.

    Raises:
        ConversionError: A wrong option, a file that is missing or cannot be trusted, or no pair
            that can be used.
    """
    settings = read_array_settings(options)
    root = Path(folder).resolve()
    if not root.is_dir():
        problems.refuse(str(folder), value="no such folder", wanted="a folder of feature arrays")
    arrays = find_arrays(root, settings.arrays, problems)
    names = {part: _names(root, part, arrays, settings, problems) for part in settings.pairs}
    accounts = find_accounts(arrays, settings.positive, names, problems)
    vectors: dict[str, dict[str, Vector]] = {}
    for side, places in accounts.places.items():
        for modality, found in arrays.vectors(side, places).items():
            vectors.setdefault(modality, {}).update(found)
    known = frozenset(account for places in accounts.places.values() for account in places)
    if settings.attributes is not None:
        vectors[schema.ATTRIBUTE_VECTOR] = _attribute_vectors(
            root, settings.attributes, settings, known, problems
        )
    categories = _categories(root, accounts, settings, problems)
    return RawMaterial(
        accounts=_account_frame(accounts, categories),
        collaborations=_collaboration_frame(accounts),
        posts=_no_posts,
        audience_posts=_no_posts,
        brand_parts=accounts.parts,
        influencer_category_is_profile=False,
        vectors=vectors,
        fingerprints=_fingerprints(root, arrays, settings, problems),
        synthetic=settings.synthetic,
        n_posts=0,
        n_audience_posts=0,
    )


def _no_posts() -> Iterator[Post]:
    return iter(())


def _table(
    root: Path, kind: str, file: str, option: str, settings: ArraySettings, problems: Problems
) -> Table:
    return Table(
        root,
        tuple(find_files(root, [file], option, problems)),
        columns=settings.columns[kind],
        needed=frozenset(settings.columns[kind]),
        encoding=settings.encoding,
        delimiter=settings.delimiter,
    )


def _names(
    root: Path, part: str, arrays: PairArrays, settings: ArraySettings, problems: Problems
) -> list[Pair]:
    """The names of a part's positive rows; Instagram's know no difference of letter case."""
    file, option = settings.pairs[part], f"{PAIRS}.{part}"
    if part not in arrays.arrays:
        refuse_option(option, file, f"arrays of the part {part} beside it")
    if Path(file).suffix.lower() in WORKBOOKS:
        paths = find_files(root, [file], option, problems)
        names = [pair for path in paths for pair in _names_of_workbook(path, file, problems)]
    else:
        table = _table(root, PAIRS, file, option, settings, problems)
        names = [pair for _, pair in table.parsed(_pair, Alignment())]
    n_pairs = arrays.n_rows(part) // 2
    if len(names) != n_pairs:
        wanted = f"{n_pairs} rows, one a pair of the arrays"
        problems.refuse(file, value=f"{len(names)} rows", wanted=wanted)
    return names


def _names_of_workbook(path: Path, file: str, problems: Problems) -> Iterator[Pair]:
    """The first two columns, without header, as in the release's own workbooks."""
    for row in read_workbook(path, file, Alignment()):
        values = dict(zip(COLUMNS[PAIRS], (*row.cells, None, None), strict=False))
        try:
            yield _pair(values)
        except BadValue as bad:
            wanted = "the names of brand and influencer in columns A and B"
            problems.refuse(file, sheet=row.sheet, row=row.row, value=bad.value, wanted=wanted)


def _pair(values: Values) -> Pair:
    return v.token(values, "brand").lower(), v.token(values, "influencer").lower()


def _categories(
    root: Path, accounts: PairAccounts, settings: ArraySettings, problems: Problems
) -> dict[str, str]:
    if settings.categories is None:
        return {}
    table = _table(root, CATEGORIES, settings.categories, CATEGORIES, settings, problems)
    brands = frozenset(accounts.places[schema.BRAND])

    def parse(values: Values) -> Pair:
        brand = v.token(values, "brand").lower()
        return known_account({"brand": brand}, "brand", brands), v.token(values, "category")

    categories: dict[str, str] = {}
    for record, (brand, category) in table.parsed(parse, problems):
        if categories.setdefault(brand, category) != category:
            table.skip(record, BadValue("category", category, ONE_CATEGORY), problems)
    return categories


def _attribute_vectors(
    root: Path,
    files: AttributeFiles,
    settings: ArraySettings,
    known: Collection[str],
    problems: Problems,
) -> dict[str, Vector]:
    option = f"{ATTRIBUTES}.embedding"
    path = find_files(root, [files.embedding], option, problems)[0]
    nodes = read_embedding(path, name_in(root, path), problems)
    table = _table(root, ATTRIBUTES, files.table, f"{ATTRIBUTES}.table", settings, problems)
    return read_node_means(table, nodes, known, problems)


def _account_frame(accounts: PairAccounts, categories: Mapping[str, str]) -> pd.DataFrame:
    rows = [
        (account, side, "", "", categories.get(account), np.nan)
        for side, places in accounts.places.items()
        for account in places
    ]
    frame = pd.DataFrame(rows, columns=list(raw.ACCOUNT_COLUMNS), dtype=object)
    return frame.assign(**{raw.FOLLOWERS: frame[raw.FOLLOWERS].astype(np.float64)})


def _collaboration_frame(accounts: PairAccounts) -> pd.DataFrame:
    ids = [schema.BRAND_ID, schema.INFLUENCER_ID]
    frame = pd.DataFrame(accounts.pairs, columns=ids, dtype=object)
    return frame.assign(**{schema.COMPETENCE: np.nan, schema.TIMESTAMP: np.nan})


def _fingerprints(
    root: Path, arrays: PairArrays, settings: ArraySettings, problems: Problems
) -> dict[str, str]:
    """One for all parts: whatever changes may change which rows are one account."""
    paths = list(arrays.paths)
    files = {f"{PAIRS}.{part}": file for part, file in settings.pairs.items()}
    if settings.categories is not None:
        files[CATEGORIES] = settings.categories
    if settings.attributes is not None:
        files |= {f"{ATTRIBUTES}.{key}": name for key, name in asdict(settings.attributes).items()}
    for option, file in files.items():
        paths += find_files(root, [file], option, problems)
    how = json.dumps(asdict(settings), sort_keys=True)
    digest = fingerprint(root, paths, how, problems)
    return dict.fromkeys((raw.ACCOUNTS, raw.COLLABORATIONS, raw.SPLITS, raw.VECTORS), digest)
