"""Rows of the release's workbooks, what their cells mean, and which posts among them are kept."""

import hashlib
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from dataset_convert import schema
from dataset_convert.common.commands import track
from dataset_convert.dates import moment
from dataset_convert.engine import Engine
from dataset_convert.folders import WITHIN, inside, name_in
from dataset_convert.problems import KEPT, NAME, NUMBER, OWN, TEXT, WORD, Kind, Problems
from dataset_convert.raw import CUT, MAX_TEXT
from dataset_convert.sources.tables import PostStream
from dataset_convert.values import BadValue, count, in_one_line, tidy
from dataset_convert.workbooks import Cell, Sheet, cell_text, read_sheets

ONE_CASE: Final = "one spelling of a name in a file: letter case makes no other account"
ONCE: Final = "every post once: repeated rows were merged"
AN_IMAGE: Final = "an image where path1 and path2 say; the posts stay, without image"
A_VALUE: Final = "a value in every row"
UNMERGED: Final = "no merged cells, behind which values disappear: unmerge them"

HEADERS: Final = {
    "micro-influencer": "influencer",
    "microinfluencer": "influencer",
    "micro influencer": "influencer",
    "#comments": "comments",
    "#likes": "likes",
    "competence score": "competence",
}
"""What headers say, in small letters -> our column; our own names are known as well."""

FOLDERS: Final[dict[str, tuple[str, ...]]] = {
    "brand_posts": ("brand",),
    "influencer_posts": ("brand", "influencer"),
    "audience_posts": ("account", "member"),
}
"""Kind of posts -> the columns that name the folders above `<path1>/<path2>`."""

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("brand", "influencer", "account"), NAME),
    **dict.fromkeys(("category", "label"), WORD),
    **dict.fromkeys(("followers", "likes", "comments", "competence", "timestamp"), NUMBER),
    "": OWN,
}
_OFFERED: Final = {
    **{"n": "BIGINT", "file": "VARCHAR", "sheet": "VARCHAR", "row": "BIGINT"},
    **{"account": "VARCHAR", "member": "VARCHAR", "who": "UBIGINT", "content": "UBIGINT"},
    **{"kind": "VARCHAR", "above": "VARCHAR", "below": "VARCHAR", "path": "VARCHAR"},
    **{"text": "VARCHAR", "timestamp": "DOUBLE", "likes": "DOUBLE", "comments": "DOUBLE"},
}
"""Columns of posts, in the order in which they were read: `who` and `content` are hashes, `above`
and `below` the folders of the image, and `path` its place in them, "" where there is none."""
_N_CACHED: Final = 4096
_ESCAPE: Final = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|://|\0")
"""An absolute path, a drive, a step up with slashes of either kind, or an address."""

Reader = Callable[[str], Any]
"""What a cell means; raises `BadValue`."""
Readers = Sequence[tuple[str, Reader]]
"""Columns and what their cells mean, in the order of the values."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row below the header, and how to tell of it."""

    file: str  # as a person finds it in the release
    sheet: str
    row: int  # as the spreadsheet counts
    cells: Mapping[str, Cell]  # by our columns
    problems: Problems

    def text(self, column: str) -> str:
        """Returns a cell as text; "" where there is none."""
        cell = self.cells.get(column, "")
        return cell if isinstance(cell, str) else cell_text(cell)

    def cut(self, column: str, text: str) -> str:
        """Returns the beginning of a text that is too long, which is told of."""
        if len(text) > MAX_TEXT:
            self.note(column, f"{len(text):,} characters", CUT, OWN)
        return text[:MAX_TEXT]

    def note(self, column: str, value: object, wanted: str, kind: Kind | None = None) -> None:
        """Notes what is odd about the row, which stays."""
        self.skip(column, value, wanted, kind, row_was=KEPT, is_loss=False)

    def skip(
        self, column: str, value: object, wanted: str, kind: Kind | None = None, **fate: Any
    ) -> None:
        """Notes that the row is left out."""
        kind = kind or _KINDS.get(column, TEXT)
        place: Any = {"sheet": self.sheet, "row": self.row, "column": column}
        self.problems.skip(self.file, **place, value=value, wanted=wanted, kind=kind, **fate)


@dataclass(frozen=True)
class Rows:
    """The rows of all sheets of workbooks of one kind."""

    root: Path  # the release, resolved
    paths: Sequence[Path]  # in reading order
    columns: tuple[str, ...]  # in the order of a workbook without header
    needed: frozenset[str]  # those that a header must name
    problems: Problems

    def read(self, readers: Readers) -> Iterator[tuple[Row, list[Any]]]:
        """Yields every row with what its cells mean.

        A number or time that cannot be read is None, and told of; a row of which another value
        cannot be read is left out. So is one that the caller skips before it asks for the next.

        Args:
            readers: Of the columns whose values are wanted.

        Raises:
            ConversionError: A workbook that cannot be trusted, a header without a needed column,
                or no row of any workbook is left.
        """
        n_rows, n_skipped = 0, self.problems.n_skipped
        names = [column for column, _ in readers if _KINDS.get(column) == NAME]
        spellings: dict[tuple[str, str], str] = {}
        told: set[tuple[str, str]] = set()
        for row in self._rows():
            n_rows += 1
            values = _values(row, readers)
            if values is None:
                continue
            for column in names:
                text = row.text(column)
                if (row.file, text) not in told:
                    told.add((row.file, text))
                    name = tidy(text)
                    if spellings.setdefault((row.file, name.casefold()), name) != name:
                        row.note(column, name, ONE_CASE)
            yield row, values
        if n_rows == self.problems.n_skipped - n_skipped:
            first = f"; the first problem is: {self.problems.skipped_at(n_skipped)}" * bool(n_rows)
            files = ", ".join(name_in(self.root, path) for path in self.paths)
            self.problems.refuse(files, value="none", wanted=f"rows that can be used{first}")

    def _rows(self) -> Iterator[Row]:
        for path in self.paths:
            file = name_in(self.root, path)
            for sheet in read_sheets(path, file, self.problems):
                for top, _, bottom, _ in sheet.merged:
                    value = f"merged cells in rows {top + 1} to {bottom + 1}"
                    place: Any = {"sheet": sheet.name, "row": top + 1}
                    self.problems.refuse(file, **place, value=value, wanted=UNMERGED)
                yield from self._rows_of(file, sheet)

    def _rows_of(self, file: str, sheet: Sheet) -> Iterator[Row]:
        places: Mapping[str, int] = {}
        for number, cells in enumerate(track(sheet.rows, file, unit="rows"), start=1):
            if not any(cell != "" for cell in cells):
                continue
            if not places:
                header = self._header(cells, file, sheet.name, number)
                places = header or {name: i for i, name in enumerate(self.columns)}
                if header:
                    continue
            values = {name: cells[i] for name, i in places.items() if i < len(cells)}
            yield Row(file, sheet.name, number, values, self.problems)
        if not places:
            Row(file, sheet.name, 1, {}, self.problems).note("", "no rows", "no empty sheets")

    def _header(
        self, cells: Sequence[Cell], file: str, sheet: str, row: int
    ) -> Mapping[str, int] | None:
        """Our column -> its place; None where the first row of a sheet is no header."""
        words = [cell.strip().casefold() if isinstance(cell, str) else "" for cell in cells]
        names = [HEADERS.get(word, word) for word in words]
        known = [name for name in names if name in self.columns]
        if len(known) < 2:
            return None
        wrong = {name: "every column once" for name in known if known.count(name) > 1}
        wrong |= dict.fromkeys(self.needed.difference(known), "this column")
        for column in sorted(wrong):
            value = ", ".join(cell_text(cell) for cell in cells)
            self.problems.refuse(
                file, sheet=sheet, row=row, column=column, value=value, wanted=wrong[column]
            )
        return {name: names.index(name) for name in known}


def _values(row: Row, readers: Readers) -> list[Any] | None:
    values = []
    for column, read in readers:
        text = row.text(column)
        try:
            value = read(text)
        except BadValue as bad:
            if _KINDS.get(column) != NUMBER:
                row.skip(column, bad.found, bad.wanted)
                return None
            row.note(column, text, f"{bad.wanted}: the row stays without it")
            value = None
        values.append(None if value != value else value)  # a missing number is NaN
    return values


def name_or_word(text: str) -> str:
    """Returns what stands in a cell that must not be empty, in one line.

    Raises:
        BadValue: Nothing does.
    """
    name = in_one_line(text)
    if not name:
        raise BadValue("", A_VALUE)
    return name


class Names:
    """The accounts of the ground truth, whose spelling wins."""

    def __init__(self) -> None:
        self._roles: dict[str, schema.Side] = {}
        self._spelling: dict[str, str] = {}

    def of_role(self, role: schema.Side) -> list[str]:
        """Returns the accounts of a role, in the order in which they were admitted."""
        return [account for account, its_role in self._roles.items() if its_role == role]

    def admit(self, name: str, role: schema.Side) -> str | None:
        """Returns an account's name, a new one as it is spelled here; None in the other role."""
        account = self._spelling.setdefault(name.casefold(), name)
        return account if self._roles.setdefault(account, role) == role else None

    def known(self, role: schema.Side | None = None) -> Reader:
        """Returns a reader of names of a role, of either by default, as the ground truth spells."""

        @lru_cache(_N_CACHED)
        def read(text: str) -> str:
            name = name_or_word(text)
            account = self._spelling.get(name.casefold())
            if account is None or role not in (None, self._roles[account]):
                raise BadValue(name, f"{role or 'an account'} of the ground truth")
            return account

        return read


class Images:
    """The images under one folder of a release, whose names differ in letter case from the sheets'.

    Args:
        root: The release, resolved.
        folder: Within the release.
    """

    def __init__(self, root: Path, folder: str) -> None:
        self._root, self._folder = root, folder
        self._digest = hashlib.sha256()
        # Rows of an account stand together.
        self._names = lru_cache(_N_CACHED)(self._names_in)
        self._place = lru_cache(_N_CACHED)(self._resolved)

    def find(self, above: tuple[str, ...], name: str) -> str | None:
        """Returns where an image is, within the release.

        None where it is missing, or where a link leads out of the release.

        Args:
            above: Names of the folders above it, whose letter case may differ.
            name: Of the image in the last of them.
        """
        place = self._place(above)
        if place is None or inside(self._root, f"{place}/{name}") is None:
            return None
        try:
            found = Path(f"{self._root}/{place}/{name}").stat()
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        self._digest.update(f"{place}/{name}\0{found.st_size}\0".encode(errors="surrogateescape"))
        return f"{place}/{name}"

    def fingerprint(self) -> str:
        """Returns the SHA-256 of the names and sizes of all images that were found."""
        return self._digest.hexdigest()

    def _resolved(self, above: tuple[str, ...]) -> str | None:
        place = self._folder
        for account in above:
            there = self._names(place)
            # Of several spellings the sheet's own, or the first.
            found = account if account in there else there.get(account.casefold())
            if found is None:
                return None
            place = f"{place}/{found}"
        return place

    def _names_in(self, place: str) -> dict[str, str]:
        """Names, and names in small letters -> the folder's own name."""
        try:
            paths = [*(self._root / place).iterdir()] if inside(self._root, place) else []
        except OSError:
            paths = []
        names = sorted((path.name for path in paths), reverse=True)
        return {name.casefold(): name for name in names} | {name: name for name in names}


def keyed_hash(seed: int) -> Callable[..., int]:
    """Returns a function that makes a number of texts: another draw for another seed.

    Args:
        seed: Any number of 0 or more.
    """
    key = seed.to_bytes(max(1, (seed.bit_length() + 7) // 8), "little")
    base = hashlib.blake2b(hashlib.sha256(key).digest(), digest_size=8)

    def hash_of(*texts: str) -> int:
        state = base.copy()
        contents = [text.encode("utf-8", "replace") for text in texts]
        # The lengths keep ("ab", "c") apart from ("a", "bc").
        state.update(b"".join(b"%d:%b" % (len(content), content) for content in contents))
        return int.from_bytes(state.digest(), "big")

    return hash_of


def read_posts(
    kinds: Mapping[str, tuple[Rows, Images]],
    names: Names,
    seed: int,
    limits: tuple[int, int],
    engine: Engine,
) -> PostStream:
    """Reads posts of one stream, of accounts or of audiences, and chooses where there are more.

    The choice is by hashes of members and posts: fair, whatever order the rows come in.

    Args:
        kinds: Kind of posts -> its rows and images; the last one names the table.
        names: The accounts of the ground truth.
        seed: Of the choice.
        limits: Members an account, 1 for its own posts; posts a member.
        engine: Keeps the posts.

    Raises:
        ConversionError: A workbook that cannot be trusted, no row of it can be used, or there is
            no space left for the posts.
    """
    if not kinds:
        return PostStream(engine, "", 0)
    table, hash_of = [*kinds][-1], keyed_hash(seed)
    rows = (
        row for kind, (found, _) in kinds.items() for row in _offered(kind, found, names, hash_of)
    )
    engine.store("offered", _OFFERED, ((n, *row) for n, row in enumerate(rows)))
    # Numbers alone are sorted; texts are fetched for the chosen posts.
    engine.query(
        "CREATE OR REPLACE TEMP TABLE chosen AS SELECT n, content FROM (SELECT account, who, "
        "content, min(n) AS n FROM offered GROUP BY ALL) QUALIFY row_number() OVER (PARTITION BY "
        "account, who ORDER BY content) <= ? AND dense_rank() OVER (PARTITION BY account ORDER BY "
        "who) <= ?",
        limits[::-1],
    )
    places = engine.rows(
        "SELECT n, kind, above, below, path FROM chosen JOIN offered USING (n) WHERE path != ''",
        "n",
    )
    images = (
        (n, kinds[kind][1].find((above, below)[: len(FOLDERS[kind])], path))
        for n, kind, above, below, path in places
    )
    engine.store("images", {"n": "BIGINT", "image": "VARCHAR"}, images)
    engine.query(
        f"CREATE TABLE {table}_in_order AS SELECT account, member, left(text, {MAX_TEXT}) AS text, "
        "timestamp, likes, comments, image, NULL AS labels FROM chosen JOIN offered USING (n) "
        "LEFT JOIN images USING (n) ORDER BY n"
    )
    _tell_of_posts(engine, kinds[table][0].problems)
    n_posts = engine.query(f"SELECT count(*) FROM {table}_in_order")[0][0]
    for name in ("offered", "chosen", "images"):
        engine.query(f"DROP TABLE {name}")
    return PostStream(engine, table, n_posts)


def _tell_of_posts(engine: Engine, problems: Problems) -> None:
    """Tells what is odd about posts, in one line a file."""
    first = "chosen.n = offered.n AND"
    for where, column, what, wanted in (
        ("chosen.n != offered.n", "text", "repeated rows", ONCE),
        (f"{first} path != '' AND image IS NULL", "path2", "missing images", AN_IMAGE),
        (f"{first} length(text) > {MAX_TEXT}", "text", "texts that are too long", CUT),
    ):
        for file, sheet, row, number in engine.query(
            "SELECT file, arg_min(sheet, offered.n), arg_min(row, offered.n), count(*) "
            "FROM offered JOIN chosen USING (content) LEFT JOIN images ON images.n = offered.n "
            f"WHERE {where} GROUP BY file ORDER BY min(offered.n)"
        ):
            value = f"{number} {what} from here on"
            Row(file, sheet, row, {}, problems).note(column, value, wanted, OWN)


def _offered(
    kind: str, rows: Rows, names: Names, hash_of: Callable[..., int]
) -> Iterator[tuple[Any, ...]]:
    """Yields all posts, as `_OFFERED` without `n`."""
    role = {"brand_posts": schema.BRAND, "influencer_posts": schema.INFLUENCER}.get(kind)
    folders = FOLDERS[kind]
    readers: list[tuple[str, Reader]] = [(role or "account", names.known(role))]
    readers += [] if role else [("member", name_or_word)]
    paths: Readers = [(column, _path) for column in (*folders, "path1", "path2")]
    values: Readers = [("text", str), ("timestamp", moment), ("likes", count), ("comments", count)]
    # Rows of a member stand together.
    who_of = lru_cache(_N_CACHED)(hash_of)
    for row, (account, *found) in rows.read([*readers, *paths, *values]):
        member = "" if role else found.pop(0)
        *above, path1, path2, text, seconds, likes, comments = found
        who = who_of(account, member)
        content = hash_of(account, member, text, repr(seconds), path1, path2)
        path = f"{path1}/{path2}".lstrip("/") if path2 else ""
        place = (kind, above[0], above[-1], path)
        yield (
            *(row.file, row.sheet, row.row, account, member, who, content, *place),
            *(text, seconds, likes, comments),
        )


@lru_cache(_N_CACHED)
def _path(text: str) -> str:
    name = text.strip()
    if _ESCAPE.search(name):
        raise BadValue(name, WITHIN)
    return name
