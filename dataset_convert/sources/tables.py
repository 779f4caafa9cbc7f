"""Tables of accounts, posts and collaborations in files of any format, in any columns."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.dates import find_date_order, moment, odd_moment
from dataset_convert.engine import BATCH, Engine
from dataset_convert.folders import WITHIN, find_default, find_files, fingerprint, inside
from dataset_convert.handles import handle, split_handles
from dataset_convert.input_files import PACKED, SUFFIXES
from dataset_convert.loading import Row
from dataset_convert.problems import NAME, NUMBER, OWN, TEXT, WORD, Kind, Problems
from dataset_convert.raw import CUT, MAX_TEXT, MERGED, Post, RawMaterial
from dataset_convert.sources import table_people
from dataset_convert.sources.table_settings import (
    ACCOUNT_TABLES,
    COLUMNS,
    IDS,
    PROFILE,
    REQUIRED,
    Settings,
    TableOptions,
    read_settings,
)
from dataset_convert.values import (
    AmbiguousValue,
    BadValue,
    count,
    find_decimal_sign,
    in_one_line,
    missing,
    mojibake,
    number,
    tidy,
)
from dataset_convert.vectors import read_vectors, vector_paths

DESCRIPTION = (
    "tables in CSV, JSON, Parquet or workbooks: accounts (or brands and influencers), "
    "collaborations and, where there are any, posts, audience, splits and .npy vectors; columns "
    "are mapped in YAML"
)

ONE_CONTENT: Final = "the same content in every row of an account: the fullest row stays"
ONE_ROLE: Final = "one role an account, brand or influencer: the fullest row stays"
ONE_PAIR: Final = "every pair once: the fullest row stays"
STAYS: Final = ": the row stays without it"
A_VALUE: Final = "a value in every row"
AS_WRITTEN: Final = "letters as they were written, not 'Ã©' for 'é'; option 'encoding' may help"
FILLED: Final = "; where it stands in the cell above, option 'fill_down: [{}]' says so"
LABELS: Final = (
    "labels with scores from 0 to 1, as 'cup:0.8 plate:0.3' or as an object, every label once"
)

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("id", "name", "account", "brand", "influencer"), NAME),
    **dict.fromkeys(("role", "category", "part"), WORD),
    **dict.fromkeys(("followers", "likes", "comments", "competence", "timestamp"), NUMBER),
}
_SQL_TYPES: Final = dict.fromkeys(
    ("followers", "likes", "comments", "competence", "timestamp", *table_people.FACT_NUMBERS),
    "DOUBLE",
)
_LONGEST_MISSING: Final = 40


def read(
    folder: Path,
    options: Mapping[str, Any],
    problems: Problems,
    *,
    pairs_as_they_stand: bool = False,
    accounts_only: bool = False,
) -> RawMaterial:
    """Reads a folder of tables; `docs/convert_tables.md` tells the tables and the options.

    Args:
        folder: Where the files are; nothing outside of it is read.
        options: The mapping `source` of the configuration, without the source's name.
        problems: Told of rows that are left out.
        pairs_as_they_stand: Whether pairs keep the order of the rows, for releases whose files
            have one order only; otherwise it is that of the ids, whatever the rows' order.
        accounts_only: Whether one side of accounts will do, and no pairs, which may be with
            influencers of elsewhere.

    Raises:
        ConversionError: A wrong option, a file that is missing or cannot be trusted, or none of
            the brands, influencers or pairs can be used.
    """
    settings = read_settings(options)
    root = Path(folder).resolve()
    if not root.is_dir():
        problems.refuse(str(folder), value="no such folder", wanted="a folder of tables")
    files = _find_tables(root, settings, problems, accounts_only=accounts_only)
    vectors = vector_paths(root, settings, problems)
    _note_unread(root, [*vectors, *(path for paths in files.values() for path in paths)], problems)
    engine = Engine(root, memory=settings.memory)
    tables = _Tables(engine, settings, files, problems)
    accounts = tables.accounts(one_side=accounts_only)
    if raw.COLLABORATIONS in files or not accounts_only:
        collaborations = tables.collaborations(
            as_they_stand=pairs_as_they_stand, with_strangers=accounts_only
        )
    else:
        collaborations = pd.DataFrame(columns=list(schema.INTERACTION_TYPES))
    parts = tables.parts()
    n_posts = {name: tables.posts(name) for name in (raw.POSTS, raw.AUDIENCE)}
    known = frozenset(accounts[raw.ACCOUNT])
    return RawMaterial(
        accounts=accounts,
        collaborations=collaborations,
        posts=PostStream(engine, raw.POSTS, n_posts[raw.POSTS]),
        audience_posts=PostStream(engine, raw.AUDIENCE, n_posts[raw.AUDIENCE]),
        brand_parts=parts,
        influencer_category_is_profile=settings.category_of_influencers == PROFILE,
        vectors=read_vectors(engine, settings, known, problems),
        fingerprints=_fingerprints(root, files, settings, problems),
        synthetic=settings.synthetic,
        facts=table_people.facts(engine, settings),
        n_posts=n_posts[raw.POSTS],
        n_audience_posts=n_posts[raw.AUDIENCE],
    )


@dataclass(frozen=True)
class PostStream:
    """The posts of a table, in an order that their content alone decides.

    Attributes:
        engine: Has the table.
        table: `posts` or `audience`.
        n_posts: How many there are.
    """

    engine: Engine
    table: str
    n_posts: int

    def __call__(self) -> Iterator[Post]:
        """Yields all posts; calls may take turns."""
        if not self.n_posts:
            return
        columns = "account, text, member, timestamp, likes, comments, labels, image"
        for rows in self.engine.batches(f"{self.table}_in_order", columns):
            for *values, labels, image in rows:
                account, text, member, timestamp, likes, comments = values
                picture = image and self.engine.folder / image
                scores = json.loads(labels) if labels else {}
                yield Post(account, text, member, timestamp, likes, comments, scores, picture)


class _Tables:
    """The tables of one folder, checked against one another in the database."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        files: Mapping[str, Sequence[Path]],
        problems: Problems,
    ) -> None:
        self.engine, self.settings, self.files = engine, settings, files
        self.problems = problems
        self._n_skipped: dict[str, int] = {}
        self._has_aliases = False

    # --- what becomes raw material

    def accounts(self, *, one_side: bool) -> pd.DataFrame:
        """Reads all accounts, sorted by id; of several rows of one id the fullest stays.

        Raises:
            ConversionError: A file that cannot be trusted, or no brand or no influencer in it,
                neither where `one_side` will do.
        """
        names = [name for name in ACCOUNT_TABLES if name in self.files]
        parts = []
        for name in names:
            self._load(name)
            role = ACCOUNT_TABLES[name]
            column = f"'{role}'" if role else "role"
            parts.append(
                f"SELECT '{name}' AS origin, file, row, id, id_given, {column} AS role, "
                f"coalesce(name, '') AS name, coalesce(biography, '') AS biography, category, "
                f"followers, platform, person, {table_people.fact_columns(self._options(name))} "
                f"FROM {name}"
            )
            if self._options(name).from_ and name == "influencers" and "brands" in names:
                parts[-1] += " WHERE id NOT IN (SELECT id FROM brands)"
        self._run("CREATE TEMP TABLE all_accounts AS " + " UNION ALL ".join(parts))
        self._has_aliases = table_people.set_apart(self.engine, self.problems)
        self._keep_fullest(
            "all_accounts",
            "account",
            ["id"],
            ["role", "name", "biography", "category", "followers", *table_people.FACT_COLUMNS],
            ("id", ONE_CONTENT),
        )
        rows = self._run(
            "SELECT id, role, name, biography, category, followers FROM account ORDER BY id"
        )
        frame = pd.DataFrame(rows, columns=list(raw.ACCOUNT_COLUMNS), dtype=object)
        for side in schema.SIDES:
            if side not in set(frame[raw.ROLE]) and not (one_side and len(frame)):
                found = ", ".join(path.name for name in names for path in self.files[name])
                self.problems.refuse(found, value=f"no {side}", wanted="brands and influencers")
        return frame.assign(**{raw.FOLLOWERS: frame[raw.FOLLOWERS].astype(np.float64)})

    def collaborations(self, *, as_they_stand: bool, with_strangers: bool) -> pd.DataFrame:
        """Reads the pairs; of several rows of a pair the fullest stays.

        Influencers that no table of accounts has are left out unless `with_strangers`.

        Raises:
            ConversionError: A file that cannot be trusted, or no pair in it that can be used.
        """
        name = raw.COLLABORATIONS
        if name in self.files:
            self._load(name)
            self._drop_unknown(name, "brand", schema.BRAND)
            if not with_strangers:
                self._drop_unknown(name, "influencer", schema.INFLUENCER)
            self._refuse_unused(name)
            self._keep_fullest(
                name,
                "pair",
                ["brand", "influencer"],
                ["competence", "timestamp"],
                ("influencer", ONE_PAIR),
            )
        if self.settings.from_captions:
            self._read_posts(raw.POSTS)
            table_people.add_pairs(self.engine, self.settings.from_captions, self.problems)
        rows = self._run(
            "SELECT brand, influencer, competence, timestamp FROM pair ORDER BY "
            + ("file, row, influencer" if as_they_stand else "brand, influencer")
        )
        frame = pd.DataFrame(rows, columns=list(schema.INTERACTION_TYPES), dtype=object)
        numbers = (schema.COMPETENCE, schema.TIMESTAMP)
        return frame.assign(**{name: frame[name].astype(np.float64) for name in numbers})

    def parts(self) -> dict[str, str]:
        """Reads which brands are for training, validation and test; none is ever guessed.

        Raises:
            ConversionError: A brand in two parts or in an unknown one.
        """
        if raw.SPLITS not in self.files:
            return {}
        self._load(raw.SPLITS)
        self._drop_unknown(raw.SPLITS, "brand", schema.BRAND)
        self._refuse_unused(raw.SPLITS)
        parts: dict[str, str] = {}
        for file, row, brand, part in self._run(
            "SELECT file, row, brand, coalesce(part, '') FROM splits ORDER BY file, row"
        ):
            wanted = None
            if part not in schema.PARTS:
                wanted = f"one of {', '.join(schema.PARTS)}"
            elif parts.setdefault(brand, part) != part:
                wanted = "one part a brand"
            if wanted:
                column = self._theirs(raw.SPLITS, "part")
                self.problems.refuse(file, row=row, column=column, value=part, wanted=wanted)
        return parts

    def posts(self, name: str) -> int:
        """Reads posts and puts them in order; returns how many there are.

        Raises:
            ConversionError: A file that cannot be trusted, or no post in it that can be used.
        """
        if name not in self.files:
            return 0
        self._read_posts(name)
        member, likes, comments = (
            column if column in COLUMNS[name] else f"{none} AS {column}"
            for column, none in (("member", "''"), ("likes", "NULL"), ("comments", "NULL"))
        )
        own = "account, timestamp, coalesce(text, '') AS text"
        columns = f"{own}, {member}, {likes}, {comments}, labels, image"
        self._run(
            f"CREATE TABLE {name}_in_order AS SELECT {columns} FROM {name} "
            "ORDER BY account, timestamp, text, member, likes, comments, labels, image"
        )
        self._run(f"DROP TABLE {name}")
        return int(self._run(f"SELECT count(*) FROM {name}_in_order")[0][0])

    def _read_posts(self, name: str) -> None:
        if name in self._n_skipped:
            return
        self._load(name)
        self._drop_unknown(name, "account", None)
        self._refuse_unused(name)
        if name == raw.POSTS:
            table_people.note_last_posts(self.engine)

    # --- values

    def _load(self, name: str) -> None:
        """Makes a table of files: ids, numbers, dates and labels are read, all else stays text.

        A value that cannot be read is missing and told; a row whose id cannot be read is told and
        left out.
        """
        self._n_skipped[name] = self.problems.n_skipped
        options = self._options(name)
        mapped = {ours: options.columns.get(ours, ours) for ours in COLUMNS[name]}
        mapped |= {table_people.FACT + fact: x for fact, x in (options.facts or {}).items()}
        kinds = {ours: _SQL_TYPES.get(ours, "VARCHAR") for ours in mapped}
        ids = [ours for ours in mapped if ours in IDS or ours == "role"]
        columns = {"file": "VARCHAR", "row": "BIGINT", **kinds}
        columns |= {f"{ours}_given": "VARCHAR" for ours in ids}
        self.engine.store(name, columns, self._values(name, mapped, ids))
        n_rows = self._run(f"SELECT count(*) FROM {name}")[0][0]
        self.problems.count_rows(name, n_rows + self.problems.n_skipped - self._n_skipped[name])
        self._note_dates(name)

    def _values(
        self, name: str, mapped: Mapping[str, str], ids: Sequence[str]
    ) -> Iterator[list[Any]]:
        """Yields file, row, values and the ids as they were given."""
        self._n_odd: Counter[str] = Counter()
        readers = [(x, x in ids, self._reader(name, x, theirs)) for x, theirs in mapped.items()]
        columns = ["file", "row", *mapped]
        places = [columns.index(ours) for ours in ids]
        split = [columns.index(ours) for ours in ids if self._is_parted(name, ours)]
        note, skip = self.problems.note, self.problems.skip
        is_told_at_home = self._options(name).from_ is not None
        for file, row, cells in self._cells(name, mapped, self.problems):
            values: list[Any] = [file, row]
            for (ours, is_id, read), cell in zip(readers, cells, strict=True):
                value, wanted = None, ""
                if cell is not None:
                    try:
                        value = read(cell)
                    except BadValue as bad:
                        wanted = bad.wanted
                if is_id and not value:
                    wanted = wanted or A_VALUE + FILLED.format(mapped[ours]) * (ours == "brand")
                    if not is_told_at_home:
                        skip(file, row=row, value=cell or "", wanted=wanted, **self._at(name, ours))
                    break
                if wanted:
                    note(file, row=row, value=cell, wanted=wanted + STAYS, **self._at(name, ours))
                elif value.__class__ is str and len(value) > MAX_TEXT:
                    found, place = f"{len(value):,} characters", self._at(name, ours, OWN)
                    note(file, row=row, value=found, wanted=CUT, **place)
                    value = value[:MAX_TEXT]
                # A missing number is NaN.
                values.append(None if value != value else value)
            else:
                values += [cells[i - 2] for i in places]
                yield from _apart(values, split) if split else (values,)
        for ours, n_odd in self._n_odd.items():
            self._note_column(name, ours, f"{n_odd:,} texts in a wrong encoding", AS_WRITTEN)

    def _cells(self, name: str, mapped: Mapping[str, str], problems: Problems) -> Iterator[Row]:
        options = self._options(name)
        facts = {table_people.FACT + fact for fact in options.facts or {}}
        return self.engine.read(
            self.files[name],
            options.model_copy(update={"columns": mapped}),
            problems,
            needed=(REQUIRED[name] | set(options.columns) | facts) & set(mapped),
            nested={"labels", *(ours for ours in mapped if self._is_parted(name, ours))},
            table=name,
        )

    def _reader(self, name: str, ours: str, theirs: str) -> Callable[[str], Any]:
        """What a cell of a column means."""
        options = self._options(name)
        exact = options.handles == "exact"
        if self._is_parted(name, ours):
            sign = options.separators.get(ours, "")
            return lru_cache(BATCH)(partial(split_handles, exact=exact, sign=sign))
        if ours in IDS:
            return lru_cache(BATCH)(partial(handle, exact=exact))
        if ours in ("text", "biography", "name"):
            return partial(self._text, ours)
        readers: dict[str, Callable[[str], Any]] = {
            **dict.fromkeys(("followers", "likes", "comments"), count),
            "role": read_role,
            "labels": _labels,
            "image": partial(_image, self.engine.folder),
            "part": str.strip,
            "platform": table_people.platform_word,
        }
        is_fact = ours.startswith(table_people.FACT)
        kind = table_people.kind_of_fact(ours) if is_fact else ours
        if kind in ("timestamp", "competence"):

            def settled() -> Any:
                found = self._cells(name, {ours: theirs}, Problems())
                texts = (cells[0] for _, _, cells in found if cells[0])
                return find_date_order(texts) if kind == "timestamp" else find_decimal_sign(texts)

            if kind == "timestamp":
                return _Settled(moment, options.dates, settled)
            return _Settled(number, options.decimal, settled)
        return (
            table_people.fact_word if is_fact and kind != "platform" else readers.get(kind, _word)
        )

    def _is_parted(self, name: str, ours: str) -> bool:
        """Whether a cell of a column may name several accounts."""
        return raw.COLLABORATIONS in (name, self._options(name).from_) and ours in IDS

    def _text(self, ours: str, cell: str) -> str | None:
        """A text, counted where it was read in a wrong encoding."""
        if not cell.isascii() and mojibake(cell[:MAX_TEXT]):
            self._n_odd[ours] += 1
        if len(cell) <= _LONGEST_MISSING and missing(cell):
            return None
        return tidy(cell) if ours == "name" else cell

    def _note_dates(self, name: str) -> None:
        """Tells of the earliest and the latest date, where they cannot be right."""
        if "timestamp" in COLUMNS[name]:
            for seconds in self._run(f"SELECT min(timestamp), max(timestamp) FROM {name}")[0]:
                words = seconds is not None and odd_moment(seconds, time.time())
                if words:
                    found = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}, {words}"
                    wanted = "dates of posts or collaborations; option 'dates' may help"
                    self._note_column(name, "timestamp", found, wanted)

    # --- rows that are left out

    def _drop_unknown(self, name: str, column: str, role: str | None) -> None:
        if self._has_aliases:
            table_people.use_aliases(self.engine, name, column, self.problems)
        table_people.use_names(self.engine, name, column, role, self.problems)
        known = "SELECT id FROM account" + (f" WHERE role = '{role}'" if role else "")
        condition = f"{column} NOT IN ({known})"
        wanted = f"the id of a known {column}"
        self._tell(name, column, f"FROM {name} WHERE {condition}", f"'{wanted}'")
        remedy = table_people.remedy(self.engine, name, column, condition)
        self.problems.mend(name, self._theirs(name, column), wanted, remedy)
        self._run(f"DELETE FROM {name} WHERE {condition}")

    def _keep_fullest(
        self, table: str, kept: str, keys: list[str], columns: list[str], why: tuple[str, str]
    ) -> None:
        """Makes a table of one row a key, chosen by content, and tells of the others."""
        key, order = ", ".join(keys), ", ".join(columns)
        filled = " + ".join(f"(coalesce({c}::VARCHAR, '') <> '')::INTEGER" for c in columns)
        own = f"[{', '.join(f'{c}::VARCHAR' for c in columns)}]"
        of_accounts = table == "all_accounts"
        origin = "origin" if of_accounts else f"'{table}'"
        self._run(
            f"CREATE OR REPLACE TEMP TABLE ranked AS SELECT *, {origin} AS of_table, "
            f"row_number() OVER w AS place, first_value({own}) OVER w AS best FROM {table} "
            f"WINDOW w AS (PARTITION BY {key} ORDER BY {filled} DESC, "
            f"{order}, file, row)"
        )
        self._run(
            f"CREATE OR REPLACE TEMP TABLE {kept} AS SELECT {key}, {order}, file, row FROM ranked "
            "WHERE place = 1"
        )
        column, wanted = why
        role = f"WHEN role IS DISTINCT FROM best[1] THEN '{ONE_ROLE}' " * of_accounts
        for name in self.files:
            if self._options(name).from_:
                continue
            self._tell(
                name,
                column,
                f"FROM ranked WHERE place > 1 AND of_table = '{name}'",
                f"CASE WHEN {own} IS NOT DISTINCT FROM best THEN '{MERGED}' {role}"
                f"ELSE '{wanted}' END",
                is_loss=False,
            )

    def _refuse_unused(self, name: str) -> None:
        if self._run(f"SELECT 1 FROM {name} LIMIT 1"):
            return
        found = ", ".join(dict.fromkeys(path.name for path in self.files[name]))
        first = self.problems.skipped_at(self._n_skipped[name])
        wanted = f"a row that can be used; the first problem is: {first}"
        self.problems.refuse(found, value="rows, all left out", wanted=wanted)

    def _tell(
        self, name: str, column: str, rows: str, wanted: str, *, is_loss: bool = True
    ) -> None:
        """Tells of rows of a query that are left out, in the order of files and rows."""
        select = f"SELECT file, row, left({column}_given, 200) AS value, {wanted} AS wanted {rows}"
        for file, row, found, what in self.engine.rows(select, "file, row"):
            at = self._at(name, column)
            self.problems.skip(file, row=row, value=found, wanted=what, is_loss=is_loss, **at)

    def _note_column(self, name: str, ours: str, value: str, wanted: str) -> None:
        found = ", ".join(dict.fromkeys(path.name for path in self.files[name]))
        at = self._at("", "", OWN) | {"column": self._theirs(name, ours)}
        self.problems.note(found, row=None, value=value, wanted=wanted, **at)

    def _at(self, name: str, ours: str, kind: Kind | None = None) -> dict[str, Any]:
        """What problems say of a column."""
        kind = kind or _KINDS.get(ours, TEXT)
        return {"table": name, "column": name and self._theirs(name, ours), "kind": kind}

    def _options(self, name: str) -> TableOptions:
        return self.settings.tables[name]  # type: ignore[index]

    def _theirs(self, name: str, ours: str) -> str:
        return self._options(name).columns.get(ours, ours)

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.engine.query(sql, values)


def _apart(values: list[Any], places: Sequence[int]) -> Iterator[list[Any]]:
    """A row once an account of cells that name several."""
    for accounts in product(*(values[place] for place in places)):
        row = values[:]
        for place, one in zip(places, accounts, strict=True):
            row[place] = one
        yield row


class _Settled:
    """Reads a column whose cells may have two readings, of which its other cells tell the right.

    They are looked at when the first such cell comes, unless an option tells.
    """

    def __init__(self, read: Callable[[str, Any], Any], told: Any, find: Callable[[], Any]) -> None:
        self.read, self.told, self.find = read, told, find
        self.is_settled = told is not None

    def __call__(self, cell: str) -> Any:
        try:
            return self.read(cell, self.told)
        except AmbiguousValue:
            if self.is_settled:
                raise
            self.told, self.is_settled = self.find(), True
            return self.read(cell, self.told)


def _word(cell: str) -> str | None:
    return None if missing(cell) else in_one_line(cell)


_ROLES: Final[dict[str, str]] = {
    **dict.fromkeys(
        ["brand", "brands", "client", "advertiser", "marke", "kunde", "marque", "marca"],
        schema.BRAND,
    ),
    **dict.fromkeys(
        ["influencer", "influencers", "creator", "creators", "talent", "kol"], schema.INFLUENCER
    ),
}


def read_role(cell: str) -> str:
    """What a cell says of an account's role.

    Raises:
        BadValue: It is no word for either.
    """
    role = tidy(cell).lower()
    if role not in _ROLES:
        raise BadValue(cell, " or ".join(schema.SIDES))
    return _ROLES[role]


def _image(root: Path, name: str) -> str | None:
    if missing(name):
        return None
    if inside(root, name) is None or "://" in name:
        raise BadValue(name, WITHIN)
    return name


def _labels(cell: str) -> str | None:
    """Labels as JSON with sorted keys; spaces within a label become '-'."""
    if len(cell) <= _LONGEST_MISSING and missing(cell):
        return None
    found: dict[str, float] = {}
    for label, score in _label_pairs(cell):
        try:
            amount = float(score)
        except (TypeError, ValueError):
            raise BadValue(cell, LABELS) from None
        if not label or label in found or not 0 <= amount <= 1:
            raise BadValue(cell, LABELS)
        found[label] = amount
    return _SORTED(found) if found else None


_SORTED: Final = json.JSONEncoder(sort_keys=True).encode


def _label_pairs(cell: str) -> Iterable[tuple[str, Any]]:
    if not cell.lstrip().startswith("{"):
        return [(label, score) for label, _, score in (x.rpartition(":") for x in cell.split())]
    try:
        given = json.loads(cell)
    except (ValueError, RecursionError):
        raise BadValue(cell, LABELS) from None
    # Parquet gives every row the labels of all rows, without a value where it has none.
    return [("-".join(label.split()), score) for label, score in given.items() if score is not None]


# --- files


def _find_tables(
    root: Path, settings: Settings, problems: Problems, *, accounts_only: bool
) -> dict[str, list[Path]]:
    named = {
        name: find_files(root, options.files, f"files.{name}", problems)
        for name, options in settings.tables.items()
        if options.files is not None
    }
    taken = {path for files in named.values() for path in files}
    found = {}
    for name, options in settings.tables.items():
        files = named.get(name)
        if files is None:
            files = find_default(root, options.from_ or name, DEFAULT_SUFFIXES, problems)
            # What another table is named for is not this one as well.
            files = files if options.from_ else [path for path in files if path not in taken]
        if not files and options.columns and not accounts_only:
            wanted = f"a file such as {name}.csv, or its name in option 'files.{name}'"
            problems.refuse(f"option 'columns.{name}'", value=f"no {name}", wanted=wanted)
        if files:
            found[name] = files
    pairs = (raw.POSTS,) if settings.from_captions else (raw.COLLABORATIONS,)
    for needed in (tuple(ACCOUNT_TABLES), *([] if accounts_only else [pairs])):
        if not any(name in found for name in needed):
            there = ", ".join(sorted(path.name for path in root.iterdir())) or "nothing"
            wanted = f"the table {' or '.join(needed)}, e.g. {needed[0]}.csv"
            problems.refuse(root.name, value=there, wanted=wanted)
    return {name: found[name] for name in COLUMNS if name in found}


_DEFAULT: Final = [suffix for suffix in SUFFIXES if suffix != ".txt"]
DEFAULT_SUFFIXES: Final = (
    *_DEFAULT,
    ".zip",
    *(f"{x}{y}" for x in _DEFAULT for y in (*PACKED, ".zip")),
)


def _note_unread(root: Path, read: Iterable[Path], problems: Problems) -> None:
    """Tell of tables that nobody reads: a name may be misspelt."""
    known = {path.resolve() for path in read}
    for path in sorted(root.iterdir()):
        if path.name.lower().endswith(DEFAULT_SUFFIXES) and path.resolve() not in known:
            wanted = f"a file named {', '.join(COLUMNS)}, or its name in option 'files'"
            problems.note(
                path.name,
                row=None,
                column="",
                value="a table that was not read",
                wanted=wanted,
                kind=OWN,
            )


def _fingerprints(
    root: Path, files: Mapping[str, Collection[Path]], settings: Settings, problems: Problems
) -> dict[str, str]:
    groups: dict[str, list[str]] = {raw.ACCOUNTS: []}
    for name in files:
        groups.setdefault(raw.ACCOUNTS if name in ACCOUNT_TABLES else name, []).append(name)
    found = {}
    for part, names in groups.items():
        what: list[Any] = [settings.tables[name].model_dump() for name in names]  # type: ignore[index]
        what += [settings.synthetic, settings.category_of_influencers] * (part == raw.ACCOUNTS)
        paths = [path for name in names for path in files[name]]
        found[part] = fingerprint(root, paths, json.dumps(what, sort_keys=True), problems)
    paths = vector_paths(root, settings, problems)
    if paths:
        how = json.dumps(settings.model_dump()["vectors"], sort_keys=True)
        found[raw.VECTORS] = fingerprint(root, paths, how, problems)
    return found
