"""Tables of accounts, posts and collaborations in CSV, JSON lines or Parquet, in any columns."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataset_convert import raw
from dataset_convert.problems import OWN, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.reading.accounts import read_accounts, read_collaborations, read_parts
from dataset_convert.reading.files import find_default, find_files, fingerprint
from dataset_convert.reading.posts import PostStream
from dataset_convert.reading.records import SUFFIXES, Table
from dataset_convert.reading.settings import (
    ACCOUNT_TABLES,
    AUDIENCE,
    COLLABORATIONS,
    COLUMNS,
    POSTS,
    PROFILE,
    REQUIRED,
    SPLITS,
    Settings,
    read_settings,
)
from dataset_convert.reading.vectors import read_vectors, vector_paths

DESCRIPTION = (
    "CSV, JSON lines or Parquet tables: accounts (or brands and influencers), collaborations and, "
    "where there are any, posts, audience, splits and .npy vectors; columns are mapped in YAML"
)


def read(folder: Path, options: Mapping[str, Any], problems: Problems) -> RawMaterial:
    """Reads a folder of tables; `docs/convert_tables.md` tells the tables and the options.

    All rows are read and checked here, posts without keeping them: they are streamed from the
    files again whenever they are asked for.

    Args:
        folder: Where the files are; nothing outside of it is read.
        options: The mapping `source` of the configuration, without the source's name.
        problems: Told of rows that are left out.

    Raises:
        ConversionError: A wrong option, a file that is missing or cannot be trusted, or none of
            the brands, influencers or pairs can be used.
    """
    settings = read_settings(options)
    root = Path(folder).resolve()
    if not root.is_dir():
        problems.refuse(str(folder), value="no such folder", wanted="a folder of tables")
    tables = _find_tables(root, settings, problems)
    vectors = vector_paths(root, settings, problems)
    _note_unread(root, [*vectors, *(one for t in tables.values() for one in t.files)], problems)
    accounts = read_accounts(
        [(tables[name], role) for name, role in ACCOUNT_TABLES.items() if name in tables], problems
    )
    roles = dict(zip(accounts[raw.ACCOUNT], accounts[raw.ROLE], strict=True))
    collaborations = read_collaborations(tables[COLLABORATIONS], roles, problems)
    parts = read_parts(tables[SPLITS], roles, problems) if SPLITS in tables else {}
    streams = {name: PostStream(tables.get(name), frozenset(roles)) for name in (POSTS, AUDIENCE)}
    n_posts = {name: stream.check(problems) for name, stream in streams.items()}
    return RawMaterial(
        accounts=accounts,
        collaborations=collaborations,
        posts=streams[POSTS],
        audience_posts=streams[AUDIENCE],
        brand_parts=parts,
        influencer_category_is_profile=settings.category_of_influencers == PROFILE,
        vectors=read_vectors(root, settings, roles, problems),
        fingerprints=_fingerprints(root, tables, settings, problems),
        synthetic=settings.synthetic,
        n_posts=n_posts[POSTS],
        n_audience_posts=n_posts[AUDIENCE],
    )


def _find_tables(root: Path, settings: Settings, problems: Problems) -> dict[str, Table]:
    tables = {}
    for name, columns in COLUMNS.items():
        mapped = settings.columns.get(name, {})
        if name in settings.files:
            files = find_files(root, settings.files[name], f"files.{name}", problems)
        else:
            files = find_default(root, name, SUFFIXES, problems)
        if not files and mapped:
            wanted = f"a file such as {name}.csv, or its name in option 'files.{name}'"
            problems.refuse(f"option 'columns.{name}'", value=f"no {name}", wanted=wanted)
        if files:
            tables[name] = Table(
                root,
                tuple(files),
                columns={ours: mapped.get(ours, ours) for ours in columns},
                needed=REQUIRED[name] | set(mapped),
                encoding=settings.encoding,
                delimiter=settings.delimiter,
            )
    _refuse_missing(root, tables, problems)
    return tables


def _note_unread(root: Path, read: Iterable[Path], problems: Problems) -> None:
    """Tell of tables that nobody reads: a name may be misspelt."""
    known = {path.resolve() for path in read}
    for path in sorted(root.iterdir()):
        if path.suffix.lower() in (*SUFFIXES, ".xlsx", ".xls") and path.resolve() not in known:
            problems.note(
                path.name,
                row=None,
                column="",
                value="a table that was not read",
                wanted=f"a file named {', '.join(COLUMNS)}, or its name in option 'files'",
                kind=OWN,
            )


def _refuse_missing(root: Path, tables: Mapping[str, Table], problems: Problems) -> None:
    for needed in (tuple(ACCOUNT_TABLES), (COLLABORATIONS,)):
        if not any(name in tables for name in needed):
            found = ", ".join(sorted(path.name for path in root.iterdir())) or "nothing"
            wanted = f"the table {' or '.join(needed)}, e.g. {needed[0]}.csv"
            problems.refuse(root.name, value=found, wanted=wanted)


def _fingerprints(
    root: Path, tables: Mapping[str, Table], settings: Settings, problems: Problems
) -> dict[str, str]:
    reading = {"encoding": settings.encoding, "delimiter": settings.delimiter}
    groups: dict[str, list[str]] = {raw.ACCOUNTS: []}
    for name in tables:
        part = raw.ACCOUNTS if name in ACCOUNT_TABLES else name
        groups.setdefault(part, []).append(name)
    found = {}
    for part, names in groups.items():
        paths = [path for name in names for path in tables[name].files]
        what: list[Any] = [reading, *(tables[name].columns for name in names)]
        what += [settings.synthetic, settings.category_of_influencers] * (part == raw.ACCOUNTS)
        how = json.dumps(what, sort_keys=True)
        found[part] = fingerprint(root, paths, how, problems)
    paths = vector_paths(root, settings, problems)
    if paths:
        how = json.dumps(asdict(settings)["vectors"], sort_keys=True)
        found[raw.VECTORS] = fingerprint(root, paths, how, problems)
    return found
