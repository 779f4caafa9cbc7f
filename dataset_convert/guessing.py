"""What a folder of files holds, by names and values: units of rows, what their columns are."""

import contextlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import duckdb
import yaml

from dataset_convert import schema
from dataset_convert.dates import moment
from dataset_convert.engine import Engine
from dataset_convert.handles import PLATFORMS, split_handles
from dataset_convert.input_files import InputFiles, Text
from dataset_convert.loading import (
    CELL,
    DELIMITERS,
    FILE,
    HEADER,
    KEY,
    SHEET,
    WIDE,
    file_words,
    numbered,
)
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.sources.tables import DEFAULT_SUFFIXES, read_role
from dataset_convert.values import AmbiguousValue, BadValue, count, missing, number, repaired

N_ROWS, N_CELLS = 5_000, 300
"""Rows of a file, and cells of a column, that are looked at."""
ENOUGH: Final = 0.6
"""Share of cells that must be what a column's name says."""
_FILES_OF_A_FOLDER: Final = 300
_NAMES: Final = yaml.safe_load(
    resources.files("dataset_convert").joinpath("field_names.yaml").read_text(encoding="utf-8")
)
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]")
_WRAPPERS: Final = {"data", "item", "result", "edge", "node", "record", "row", "list"}
_SEPARATORS: Final = (",", " / ", " + ", "•", "·")
_SEVERAL = re.compile(
    r"(?:brands|clients|partners|sponsors|marken|kunden|marques|marcas|clientes|marchi|merken)$",
    re.IGNORECASE,
)
_VALUE = re.compile(r"@|https?:|[\d.,]+$")
_PLATFORM_WORDS = {*PLATFORMS, "tok", "tik"}

# --- names


def is_undone(state: str) -> bool:
    """Whether a state is of a collaboration that did not take place, or not yet.

    Of several known words the last decides: 'closed lost' is lost, 'offer accepted' accepted.
    """
    return _state(state) in _UNDONE


@lru_cache(maxsize=10_000)
def _state(state: str) -> tuple[str, ...]:
    """The last, and then the longest, words of a state that are known."""
    words = _tokens(state)
    spans = ((end, -begin) for end in range(len(words) + 1) for begin in range(end))
    known = (span for span in spans if words[-span[1] : span[0]] in _STATUS | _UNDONE | _YES_OR_NO)
    end, begin = max(known, default=(0, 0))
    return words[-begin:end]


@lru_cache(maxsize=10_000)
def _tokens(name: str) -> tuple[str, ...]:
    """Words of a name without accents and plural s: `followersCount` is follower, count."""
    plain = unicodedata.normalize("NFKD", repaired(name).replace("ß", "ss"))
    words = _TOKEN.findall("".join(c for c in plain if not unicodedata.combining(c)))
    lowered = (word.lower() for word in words)
    return tuple(w[:-1] if len(w) > 3 and w.endswith("s") else w for w in lowered)


_FIELDS: Final = {
    # What is called for first is the better name: 'username' before 'input url'.
    name: {_tokens(words): 1 - 0.002 * i for i, words in reversed(list(enumerate(entries)))}
    for name, entries in _NAMES["fields"].items()
}
_SIDES: Final = {
    word: side for side, words in _NAMES["sides"].items() for words in map(_tokens, words)
    for word in words[:1]
}  # fmt: skip
_OTHERS: Final = set(_NAMES["others"])
_NO: Final = {_tokens(words) for words in _NAMES["no_words"]}
_UNDONE: Final = {_tokens(words) for words in _NAMES["undone_words"]} | _NO
_YES_OR_NO: Final = {_tokens(words) for words in _NAMES["yes_words"]} | _NO
_STATUS: Final = {_tokens(words) for words in _NAMES["status_words"]} | _UNDONE - _NO
TAGS: Final[list[str]] = _NAMES["tags"]
Named = tuple[str | None, str]
"""Side, or None, and field."""


@lru_cache(maxsize=10_000)
def named(name: str) -> dict[Named, float]:
    """What a column may be by its name, and how well the name says so."""
    plain_name = re.sub(r"\[\d+\]$", "", name)
    segments = [x for x in re.split(r"(?<=\w)[./](?=\w)", plain_name) if not x.isdigit()]
    found: dict[Named, float] = {}
    for words in {_tokens(" ".join(segments[-1:])): 1.0, _tokens(" ".join(segments[-2:])): 1.1}:
        sides = [word for word in words if word in _SIDES]
        rest = tuple(w for w in words if w not in sides) if sides else words
        side = _SIDES[sides[0]] if sides else None
        if sides and not rest:
            found[side, "handle"] = 1.0
        plain = tuple(w for w in rest if w not in _PLATFORM_WORDS) or rest
        for one, entries in _FIELDS.items():
            likely = (
                _likeness(tried, entry) * worth
                for tried in (rest, plain)
                for entry, worth in entries.items()
            )
            # 'brand category' and the like stand there as a whole.
            score = entries.get(words) or max(likely, default=0.0)
            if score:
                found[side, one] = max(score, found.get((side, one), 0))
        if sides and not found and not _OTHERS & set(rest):
            found[side, "handle"] = 0.3  # 'Associated company'
    return found


def _likeness(words: tuple[str, ...], entry: tuple[str, ...]) -> float:
    if words == entry:
        return 1.0
    n = len(entry)
    inside = any(words[i : i + n] == entry for i in range(len(words) - n + 1))
    if not inside or _OTHERS & set(words):
        return 0.0
    return 0.2 + 0.6 * n / len(words)


# --- what stands in the files


@dataclass
class Column:
    """A column as far as it was looked at."""

    name: str
    cells: list[str]

    @cached_property
    def filled(self) -> list[str]:
        """Its cells that say something."""
        return [cell for cell in self.cells if not missing(cell)]

    @cached_property
    def ids(self) -> set[str]:
        """The accounts that its cells name."""
        return {one for cell in set(self.filled) for one in _accounts(cell, self.separator)}

    @cached_property
    def separator(self) -> str:
        """The sign between the names that its cells list.

        Its other cells have most of them, too; or the column's name, as in 'past brands', is of
        several.
        """
        enough = 0 if _SEVERAL.search(self.name) else ENOUGH
        cells = {cell for cell in self.filled if not cell.startswith("[")}
        for sign in _SEPARATORS:
            parts = [{part.strip() for part in cell.split(sign)} for cell in cells]
            known = Counter(chain.from_iterable(parts))
            listed = [part for several in parts if len(several) > 1 for part in several]
            again = sum(known[part] > 1 for part in listed)
            if len(listed) > 4 and again >= enough * len(listed):
                return sign
        return ""

    @cached_property
    def names(self) -> dict[Named, float]:
        """What it may be by its name or, where that says nothing, by its values."""
        if self.name == FILE:
            return {}  # until other tables know whose they are
        found = named(self.name)
        if self.filled and self.share(_TESTS["platform"]) == 1:
            return {(None, "platform"): 1.0}
        if found or not self.filled:
            return found
        if self.name == KEY:
            return {(None, "handle"): 0.4}
        if self.share(lambda cell: _is_account(cell) and re.search(r"^@|://|www\.", cell)) > 0.8:
            return {(None, "handle"): 0.5}
        if (
            self.name.isdigit()
            and self.share(_reads(lambda cell: count(cell) >= 100 or None)) > ENOUGH
        ):
            return {(None, "followers"): 0.4}
        if self.share(lambda cell: len(cell.split()) > 4) > ENOUGH:
            return {(None, "text"): 0.4, (None, "biography"): 0.4}
        if self.share(lambda cell: not cell.isdigit() and _TESTS["timestamp"](cell)) > 0.8:
            return {(None, "timestamp"): 0.4}
        return {}

    def share(self, test: Callable[[str], Any]) -> float:
        """The share of its cells that can be read so."""
        some = self.filled[:N_CELLS]
        if test is _is_account and self.separator:
            some = [part for cell in some for part in cell.split(self.separator)]
        return sum(bool(test(cell)) for cell in some) / max(1, len(some))

    def is_a(self, field_: str) -> bool:
        """Whether its values are what a field of this name holds."""
        if not self.filled:
            return False
        if field_ == "category" and len(self.filled) > 9 and len(set(self.filled)) == 1:
            return False
        return field_ not in _TESTS or self.share(_TESTS[field_]) >= ENOUGH


@lru_cache(maxsize=100_000)
def _accounts(cell: str, separator: str = "") -> tuple[str, ...]:
    try:
        return tuple(split_handles(cell, sign=separator)) if len(cell) < 300 else ()
    except BadValue:
        return ()


def _reads(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def test(cell: str) -> bool:
        try:
            return read(cell) is not None
        except BadValue as bad:
            return isinstance(bad, AmbiguousValue)

    return test


def _is_account(cell: str) -> bool:
    return bool(_accounts(cell)) and len(cell.split()) <= 6 and cell.lower() not in PLATFORMS


_is_count: Callable[[str], bool] = _reads(count)


def _is_word(cell: str) -> bool:
    return len(cell.split()) <= 5 and not re.match(r"https?:|@", cell)


_TESTS: Final[dict[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("followers", "likes", "comments"), _is_count),
    **dict.fromkeys(("text", "biography"), lambda cell: not _is_count(cell)),
    **dict.fromkeys(("timestamp", "last_post"), _reads(lambda cell: moment(cell, "dmy"))),
    **dict.fromkeys(("engagement", "price"), _reads(lambda cell: number(cell, "."))),
    **dict.fromkeys(("handle", "id", "name", "member"), _is_account),
    **dict.fromkeys(("country", "city", "language"), _is_word),
    "category": lambda cell: _is_word(cell) and not _is_count(cell),
    "platform": lambda cell: cell.strip().lower() in PLATFORMS,
    "status": _state,
    "state": lambda cell: _state(cell) in _STATUS,
    "role": _reads(read_role),
    "part": lambda cell: cell.strip().lower() in schema.PARTS,
    "labels": lambda cell: re.search(r":\s*[01]?\.?\d", cell),
    "image": lambda cell: re.search(r"\.\w{3,4}$", cell) and "://" not in cell,
}


@dataclass
class Unit:
    """Rows of one kind: a file, a sheet, a list within JSON, or files alike."""

    files: list[str]  # names, or a pattern
    columns: dict[str, Column]  # of the header
    sheet: str = ""  # of a workbook with several
    header_row: int | None = None  # None where the first row is the header
    path: str = ""  # of the list whose elements the rows are
    n_rows: int = 0  # that were looked at
    own: frozenset[str] = frozenset()  # columns of an element; others are of what the list is in

    @property
    def title(self) -> str:
        """How it is called in a sentence."""
        where = (
            f", sheet '{self.sheet}'" if self.sheet else f", list {self.path}" if self.path else ""
        )
        return ", ".join(self.files) + where

    def hint(self, table: str) -> bool:
        """Whether its name says that it is this table."""
        stem = Path(self.files[0]).name.split(".")[0]
        parent = Path(self.files[0]).parent.name if "/" in self.files[0] else ""
        words = {*_tokens(self.sheet or stem), *_tokens(parent)}
        if self.path:
            inner = [set(_tokens(x)) for x in re.split(r"[.\[\]{}]+", self.path)]
            words = next((x for x in reversed(inner) if x - _WRAPPERS), words)
        return bool(words & {w for word in _NAMES["tables"][table] for w in _tokens(word)})


def read_units(folder: Path, problems: Problems) -> list[Unit]:
    """Looks at all files of a folder that may be tables.

    Raises:
        ConversionError: There are none.
    """
    engine = Engine(folder)
    opened = InputFiles(engine.scratch, problems)
    units = []
    for names in _groups(folder):
        found: list[Unit] = []
        words = dict(zip(names[1:], file_words(names[1:]), strict=True))
        for name in names[1:] or names:
            try:
                for text in opened.open(folder / name, name):
                    for unit in _units_of(text, engine, names[0]):
                        unit.sheet = unit.sheet or text.file[len(name) + 1 :]
                        if name in words:
                            unit.columns[FILE] = Column(FILE, [words[name]] * unit.n_rows)
                        found.append(unit)
            except ConversionError as error:
                problems.note(name, row=None, column="", value="", wanted=str(error))
        if names[0].lower().endswith(".zip") and len({tuple(unit.columns) for unit in found}) == 1:
            for unit in found:
                unit.sheet = ""
        units += joined(found)
    _relate(units)
    units = _set_apart(units)
    if not units:
        there = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        problems.refuse(
            folder.name, value=there, wanted="tables in CSV, JSON, Parquet or workbooks"
        )
    return units


def _groups(folder: Path) -> Iterator[list[str]]:
    """Files by themselves; of a folder within with files of one kind their pattern, then they."""
    alike: dict[tuple[str, str], list[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name.lower().endswith(DEFAULT_SUFFIXES) and "/." not in f"/{name}":
            inner = path.parent != folder
            key = (path.parent.as_posix(), "".join(path.suffixes[-1:])) if inner else (name, "")
            alike.setdefault(key, []).append(name)
    for (_, suffix), names in alike.items():
        if len(names) > 1:
            pattern = f"{Path(names[0]).parent.as_posix()}/*{suffix}"
            yield [pattern, *names[:_FILES_OF_A_FOLDER]]
        else:
            yield names


def _units_of(text: Text, engine: Engine, file: str) -> Iterator[Unit]:
    if text.kind == "csv":
        unit = _delimited(text, file)
        if unit:
            yield unit
            yield from _wide(unit)
        return
    rows, path = _objects(text, engine), ""
    if len(rows) == 1 and _is_keyed(rows[0]):
        path = KEY
        rows = [{KEY: key, **one} for key, one in rows[0].items()]
    yield from _nested(rows, file, path, [{} for _ in rows])


def _is_keyed(one: Mapping[str, Any]) -> bool:
    """Whether all values of an object are objects of the same kind, whose names are the keys."""
    kinds = [set(value) if isinstance(value, dict) else set() for value in one.values()]
    return len(kinds) > 2 and len(set[str].intersection(*kinds)) > 1


def _relate(units: list[Unit]) -> None:
    """Tells whose accounts two columns without sides name: of two other units, one of followers."""
    for unit in units:
        if any(side for column in unit.columns.values() for side, _ in column.names):
            continue
        found: dict[int, tuple[Unit, Column]] = {}
        for column in unit.columns.values():
            if not column.is_a("handle"):
                continue
            others = (one for one in units if one is not unit and _lists(one, column.ids))
            owner = next(others, None)
            found |= {} if owner is None else {id(owner): (owner, column)}
        with_followers = [column for owner, column in found.values() if _has(owner, "followers")]
        if len(found) == 2 and len(with_followers) == 1:
            for _, column in found.values():
                side = schema.INFLUENCER if column is with_followers[0] else schema.BRAND
                column.names = {(side, "handle"): 0.9}


def _has(unit: Unit, field: str) -> bool:
    return any((None, field) in column.names for column in unit.columns.values())


def _lists(unit: Unit, ids: set[str]) -> bool:
    """Whether most of some accounts stand in a column of a unit, each once."""
    return any(
        len(ids) > 2 and len(ids & column.ids) > ENOUGH * len(ids)
        for column in unit.columns.values()
        if column.is_a("handle") and len(column.ids) == unit.n_rows
    )


def _set_apart(units: list[Unit]) -> list[Unit]:
    """Units whose accounts stand in names of files, sheets or columns; others know most of them."""
    sides: dict[str, str] = {}
    for unit in units:
        names = {name for column in unit.columns.values() for name in column.names}
        is_brand = unit.hint("brands") or (schema.BRAND, "handle") in names
        side = schema.BRAND if is_brand else schema.INFLUENCER
        for column in filter(_names_accounts, unit.columns.values()):
            sides |= dict.fromkeys(column.ids - sides.keys(), side)
    sheets: dict[Any, list[Unit]] = {}
    for unit in units:
        of_file = unit.columns.get(FILE)
        is_said = any(map(_names_accounts, unit.columns.values()))
        if of_file and (is_said or not _tell_side(of_file, sides)):
            del unit.columns[FILE]
        alike = (*unit.files, *unit.columns) if unit.sheet else id(unit)
        sheets.setdefault(alike, []).append(_crossed(unit, sides))
    found: list[Unit] = []
    for group in sheets.values():
        called = Column(SHEET, [one.sheet for one in group for _ in range(one.n_rows)])
        if len(group) > 2 and _tell_side(called, sides):
            group = joined([replace(one, sheet="") for one in group])
            group[0].columns[SHEET] = called
        found += group
    return found


def _names_accounts(column: Column) -> bool:
    fields = {field for (_, field), likely in column.names.items() if likely > 0.5}
    return bool({"handle", "name", "id"} & fields)


def _tell_side(column: Column, sides: Mapping[str, str]) -> bool:
    """Says whose accounts a column names, if it names known ones."""
    known = [sides[one] for one in column.ids if one in sides]
    if len(known) < max(2, ENOUGH * len(column.ids)):
        return False
    column.names = {(max(set(known), key=known.count), "handle"): 0.9}
    return True


def _crossed(unit: Unit, sides: Mapping[str, str]) -> Unit:
    """A table one side of whose accounts are its columns, as rows of accounts."""
    names = [x for x in unit.columns if _accounts(x) and sides.keys() >= set(_accounts(x))]
    if len(names) < max(3, ENOUGH * len(unit.columns)):
        return unit
    rest = [column for name, column in unit.columns.items() if name not in names]
    filled = [
        (row, name, cell)
        for name in names
        for row, cell in enumerate(unit.columns[name].cells)
        if not missing(cell)
    ]
    cells = {c.name: [c.cells[row] for row, _, _ in filled] for c in rest}
    cells |= {HEADER: [name for _, name, _ in filled], CELL: [cell for _, _, cell in filled]}
    columns = {name: Column(name, found) for name, found in cells.items()}
    _tell_side(columns[HEADER], sides)
    if not _tell_side(columns[CELL], sides):
        del columns[CELL]
    for column in rest:
        _tell_side(columns[column.name], sides)
    return replace(unit, columns=columns, n_rows=len(filled))


def _delimited(text: Text, file: str) -> Unit | None:
    best: tuple[float, int, list[list[str]]] = (0.0, 0, [])
    for delimiter in DELIMITERS:
        rows = text.head(delimiter, N_ROWS)
        for place, row in enumerate(rows[:30]):
            # A header names fields, each once, and has as many cells as what follows it.
            names = sum(max(named(name).values(), default=0) for name in set(row) if name.strip())
            widths = [sum(map(bool, r)) for r in rows[place + 1 : place + 6]]
            score = names + 0.1 * min(len(row), max(widths, default=0)) - 0.01 * place
            score -= 0.2 * (sum(map(bool, row)) - len(set(filter(None, row))))
            if len(row) > 1 and widths and score > best[0]:
                best = (score, place, rows)
    _, place, rows = best
    if not rows:
        return None
    below = [[row[i] for row in rows[place + 1 :] if row[i:]] for i in range(len(rows[place]))]
    is_value = _VALUE.match
    has_header = not any(
        is_value(name.strip()) and any(map(is_value, cells))
        for name, cells in zip(rows[place], below, strict=True)
    )
    numbers = [f"{i + 1}" for i in range(len(rows[place]))]
    header = numbered(rows[place]) if has_header else numbers
    body = [row for row in rows[place + has_header :] if any(row)]
    columns = {
        name or number: Column(name or number, [row[i] if i < len(row) else "" for row in body])
        for i, (name, number) in enumerate(zip(header, numbers, strict=True))
    }
    columns = {x: c for x, c in columns.items() if x in header or c.share(_is_count) < ENOUGH}
    columns = {x: c for x, c in columns.items() if x in header or c.filled}
    number = place + 1 if has_header else 0
    return Unit([file], columns, text.sheet, None if number == 1 else number, n_rows=len(body))


def _wide(unit: Unit) -> Iterator[Unit]:
    """Lists of a CSV file whose elements stand side by side: latestPosts/0/caption."""
    lists: dict[str, dict[str, list[str]]] = {}
    n_rows = unit.n_rows
    for name, column in unit.columns.items():
        match = WIDE.fullmatch(name)
        if match:
            lists.setdefault(match[1], {}).setdefault(match[3], []).extend(column.cells)
    # Two fields of two elements make a list.
    lists = {x: y for x, y in lists.items() if sum(len(z) > n_rows for z in y.values()) > 1}
    flat = {
        name: column for name, column in unit.columns.items()
        if not re.search(r"[/.]\d+(?:[/.]|$)", name)
        and not ((match := WIDE.fullmatch(name)) and match[1] in lists)
    }  # fmt: skip
    for path, own in lists.items():
        n_rows = max(map(len, own.values()))
        # What stands beside a list holds for each of its elements.
        cells = {n: c.cells * (n_rows // max(1, len(c.cells))) for n, c in flat.items()}
        cells |= {name: found + [""] * (n_rows - len(found)) for name, found in own.items()}
        if len(own) > 1:
            columns = {name: Column(name, found) for name, found in cells.items()}
            place = f"{path.replace('/', '.')}[]"
            header = unit.header_row
            yield Unit(unit.files, columns, unit.sheet, header, place, n_rows, frozenset(own))
    if lists:
        unit.columns = flat


def _objects(text: Text, engine: Engine) -> list[Any]:
    """The first objects of JSON or Parquet."""
    found: list[Any] = []
    # A file that is none tells nothing.
    with contextlib.suppress(duckdb.Error):
        if text.kind == "parquet":
            select = f"SELECT to_json(t)::VARCHAR FROM (FROM read_parquet(?) LIMIT {N_ROWS}) AS t"
            found = [json.loads(one) for (one,) in engine.query(select, [str(text.path)])]
        else:
            found = [one for _, one in islice(text.objects(Problems()), N_ROWS)]
    return [one for one in found if isinstance(one, dict)]


def _flat(one: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in one.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _nested(
    rows: list[Any], file: str, path: str, outer: list[dict[str, Any]], depth: int = 0
) -> Iterator[Unit]:
    """The objects of a list as a unit, and those of every list within them."""
    flats = [dict(_flat(row)) for row in rows]
    lists = {
        key: None for one in flats for key, value in one.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }  # fmt: skip
    own = {
        k: None for one in flats for k, v in one.items()
        if _cell(v, k) or not isinstance(v, list)
    }  # fmt: skip
    if own:
        names = {**{k: None for one in outer for k in one}, **own}
        both = list(zip(flats, outer, strict=True))
        columns = {
            name: Column(name, [_cell(one.get(name, up.get(name)), name) for one, up in both])
            for name in names
        }
        yield Unit([file], columns, path=path, n_rows=len(rows), own=frozenset(own))
    for key in lists if depth < 3 else ():
        inner: list[Any] = []
        above: list[dict[str, Any]] = []
        for one, up in zip(flats, outer, strict=True):
            outer_path = path.replace("[]", "").replace(KEY, "")
            plain = {f"{outer_path}.{k}".lstrip("."): v for k, v in one.items()}
            kept = {k: v for k, v in {**up, **plain}.items() if not isinstance(v, list)}
            for element in one.get(key) or ():
                if isinstance(element, dict) and len(inner) < 4 * N_ROWS:
                    inner.append(element)
                    above.append(kept)
        yield from _nested(inner, file, f"{path}.{key}[]".lstrip("."), above, depth + 1)


def _cell(value: Any, name: str = "") -> str:
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], dict | list):
        (value,) = value
    if isinstance(value, list):
        # Of lists those of accounts' names, which the column's name tells, are looked at.
        is_of_accounts = value and any(side for side, _ in named(name))
        is_of_texts = all(isinstance(one, str) for one in value)
        return json.dumps(value) if is_of_accounts and is_of_texts else ""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def joined(units: list[Unit]) -> list[Unit]:
    """Units of files of one pattern as one, where their columns are alike."""
    found: dict[tuple[str, str], Unit] = {}
    for unit in units:
        known = found.setdefault((unit.path, unit.sheet), unit)
        if known is not unit:
            for name in {**known.columns, **unit.columns}:
                new = unit.columns[name].cells if name in unit.columns else [""] * unit.n_rows
                old = known.columns.get(name) or Column(name, [""] * known.n_rows)
                known.columns[name] = Column(name, old.cells + new)
            known.n_rows += unit.n_rows
            known.own |= unit.own
    return list(found.values())
