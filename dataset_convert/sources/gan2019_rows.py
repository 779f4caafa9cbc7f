"""Rows of the release's workbooks, and which posts among them are kept."""

import hashlib
import heapq
import math
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from dataset_convert import schema
from dataset_convert.common.commands import track
from dataset_convert.dates import moment
from dataset_convert.engine import Engine
from dataset_convert.folders import WITHIN, inside, name_in
from dataset_convert.problems import NAME, NUMBER, OWN, TEXT, WORD, Kind, Problems
from dataset_convert.raw import CUT, MAX_TEXT
from dataset_convert.sources.tables import PostStream
from dataset_convert.values import BadValue, count, tidy
from dataset_convert.workbooks import Cell, cell_text, read_sheets

ONE_ROLE: Final = "one role an account, brand or influencer: the first row stays"
ONE_CASE: Final = "one spelling of a name in a file: letter case makes no other account"
ONCE: Final = "every post once: repeated rows were merged"
AN_IMAGE: Final = "an image where path1 and path2 say; the posts stay, without image"
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

_POST: Final = ("path1", "path2", "text", "timestamp")
POST_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "brand_posts": ("brand", *_POST, "comments", "likes"),
    "influencer_posts": ("brand", "influencer", *_POST, "comments", "likes"),
    "audience_posts": ("account", "member", *_POST),
}
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
OFFERED: Final = {
    "place": "BIGINT",
    "file": "VARCHAR",
    "sheet": "VARCHAR",
    "row": "BIGINT",
    **dict.fromkeys(("account", "member", "text"), "VARCHAR"),
    **dict.fromkeys(("timestamp", "likes", "comments"), "DOUBLE"),
    "image": "VARCHAR",
}
"""Columns of posts that may be chosen, in the order in which they were read."""
_N_CACHED: Final = 256
_ESCAPE: Final = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|://|\0")
"""An absolute path, a drive, a step up with slashes of either kind, or an address."""

Parsed = TypeVar("Parsed")
Hash = Callable[..., int]


class LeftOut(Exception):  # noqa: N818 (what it says of a row is no error of the program)
    """A row cannot be used.

    Attributes:
        column: Which value is wrong.
        found: What stands there.
        wanted: What should.
    """

    def __init__(self, column: str, found: object, wanted: str) -> None:
        super().__init__(wanted)
        self.column, self.found, self.wanted = column, found, wanted


@dataclass(frozen=True, slots=True)
class Row:
    """A row below the header; an optional value that cannot be read is missing, and told of.

    Attributes:
        file: As a person finds it in the release.
        sheet: Of the file.
        row: As the spreadsheet counts.
        cells: Our column -> cell.
        problems: Told of what is wrong with it.
    """

    file: str
    sheet: str
    row: int
    cells: Mapping[str, Cell]
    problems: Problems

    def text(self, column: str) -> str:
        """Returns a cell as text; "" where there is none."""
        cell = self.cells.get(column, "")
        return cell if isinstance(cell, str) else cell_text(cell)

    def name(self, column: str) -> str:
        """Returns a name or a word.

        Raises:
            LeftOut: It is missing.
        """
        name = tidy(self.text(column))
        if not name:
            raise LeftOut(column, "", "a value in every row")
        return name

    def value(self, column: str, read: Callable[[str], float]) -> float | None:
        """Returns a number or a time; None where it is missing or cannot be read.

        Args:
            column: Ours.
            read: Of `values` or `dates`: what a text means.
        """
        text = self.text(column)
        try:
            found = read(text) if text else math.nan
        except BadValue as bad:
            self.note(column, text, f"{bad.wanted}: the row stays without it")
            return None
        return None if math.isnan(found) else found

    def cut(self, column: str, text: str) -> str:
        """Returns the beginning of a text that is too long, which is told of."""
        if len(text) > MAX_TEXT:
            self.note(column, f"{len(text):,} characters", CUT, OWN)
        return text[:MAX_TEXT]

    def note(self, column: str, value: object, wanted: str, kind: Kind | None = None) -> None:
        """Notes what is odd about the row, which stays."""
        self.tell(self.problems.note, column, value, wanted, kind)

    def skip(self, column: str, value: object, wanted: str) -> None:
        """Notes that the row is left out."""
        self.tell(self.problems.skip, column, value, wanted)

    def tell(
        self,
        tell: Callable[..., None],
        column: str,
        value: object,
        wanted: str,
        kind: Kind | None = None,
    ) -> None:
        """Tells of the row by a method of `Problems`."""
        kind = kind or _KINDS.get(column, TEXT)
        place = {"sheet": self.sheet, "row": self.row, "column": column}
        tell(self.file, **place, value=value, wanted=wanted, kind=kind)


@dataclass(frozen=True)
class Rows:
    """The rows of all sheets of workbooks of one kind.

    Attributes:
        root: The release, resolved.
        paths: In reading order.
        columns: In the order of a workbook without header.
        needed: Those that a header must name.
        problems: Told of rows that are left out.
    """

    root: Path
    paths: Sequence[Path]
    columns: tuple[str, ...]
    needed: frozenset[str]
    problems: Problems

    def parsed(
        self, parse: Callable[[Row], Parsed], *, spellings: Sequence[str] = ()
    ) -> Iterator[tuple[Row, Parsed]]:
        """Yields all rows with what a function makes of them; rows that it refuses are skipped.

        Args:
            parse: Raises LeftOut for a row that cannot be used.
            spellings: Columns of names: what one file spells in two ways is told of.

        Raises:
            ConversionError: A workbook that cannot be trusted, a header without a needed column,
                or no row of any workbook can be used.
        """
        n_used, n_skipped = 0, self.problems.n_skipped
        seen: dict[tuple[str, str], set[str]] = {}
        for row in self._rows():
            try:
                found = parse(row)
            except LeftOut as why:
                row.skip(why.column, why.found, why.wanted)
                continue
            for column in spellings:
                name = tidy(row.text(column))
                known = seen.setdefault((row.file, name.casefold()), {name})
                if name not in known:
                    known.add(name)
                    row.note(column, name, ONE_CASE)
            n_used += 1
            yield row, found
        if not n_used:
            hint = ""
            if self.problems.n_skipped > n_skipped:
                hint = f"; the first problem is: {self.problems.skipped_at(n_skipped)}"
            files = ", ".join(name_in(self.root, path) for path in self.paths)
            self.problems.refuse(files, value="none", wanted=f"rows that can be used{hint}")

    def _rows(self) -> Iterator[Row]:
        for path in self.paths:
            file = name_in(self.root, path)
            for sheet in read_sheets(path, file, self.problems):
                for top, left, bottom, right in sheet.merged:
                    value = f"the merged cells {_place(top, left)}:{_place(bottom, right)}"
                    self.problems.refuse(
                        file, sheet=sheet.name, row=top + 1, value=value, wanted=UNMERGED
                    )
                yield from self._rows_of(file, sheet.name, sheet.rows)

    def _rows_of(self, file: str, sheet: str, rows: Iterator[list[Cell]]) -> Iterator[Row]:
        places: Mapping[str, int] = {}
        for number, cells in enumerate(track(rows, file, unit="rows"), start=1):
            if not any(cell != "" for cell in cells):
                continue
            if not places:
                header = self._header(cells, file, sheet, number)
                places = header or {name: i for i, name in enumerate(self.columns)}
                if header:
                    continue
            n_cells = len(cells)
            values = {name: cells[i] for name, i in places.items() if i < n_cells}
            yield Row(file, sheet, number, values, self.problems)
        if not places:
            wanted = "no empty sheets"
            self.problems.note(
                file, sheet=sheet, row=None, column="", value="no rows", wanted=wanted, kind=OWN
            )

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


def _place(row: int, column: int) -> str:
    """A cell as spreadsheets call it, e.g. AB12."""
    letters = ""
    while column >= 0:
        letters = chr(ord("A") + column % 26) + letters
        column = column // 26 - 1
    return f"{letters}{row + 1}"


class Names:
    """The accounts of the ground truth, whose spelling wins."""

    def __init__(self) -> None:
        self._roles: dict[str, schema.Side] = {}
        self._spelling: dict[str, str] = {}

    def of_role(self, role: schema.Side) -> list[str]:
        """Returns the accounts of a role, in the order in which they were admitted."""
        return [account for account, its_role in self._roles.items() if its_role == role]

    def admit(self, name: str, role: schema.Side) -> str:
        """Returns an account's name, a new one as it is spelled here.

        Raises:
            LeftOut: It is known in the other role.
        """
        account = self._spelling.setdefault(name.casefold(), name)
        if self._roles.setdefault(account, role) != role:
            raise LeftOut(role, name, ONE_ROLE)
        return account

    def known(self, row: Row, column: str, role: schema.Side | None = None) -> str:
        """Returns an account's name as the ground truth spells it.

        Args:
            row: The row.
            column: Our name of the column.
            role: That the account must have; None for either.

        Raises:
            LeftOut: It is missing, or none of the ground truth's accounts of that role.
        """
        name = row.name(column)
        account = self._spelling.get(name.casefold())
        if account is None or role not in (None, self._roles[account]):
            raise LeftOut(column, name, f"{role or 'an account'} of the ground truth")
        return account


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

    def find(self, accounts: tuple[str, ...], name: str) -> str | None:
        """Returns where an image is, within the release.

        None where it is missing, or where a link leads out of the release.

        Args:
            accounts: Names of the folders above it, whose letter case may differ.
            name: Of the image in the last of them.
        """
        place = self._place(accounts)
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

    def _resolved(self, accounts: tuple[str, ...]) -> str | None:
        place = self._folder
        for account in accounts:
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


def keyed_hash(seed: int) -> Hash:
    """Returns a function that makes a number of texts: another draw for another seed.

    Args:
        seed: Any number of 0 or more.
    """
    key = seed.to_bytes(max(1, (seed.bit_length() + 7) // 8), "little")
    base = hashlib.blake2b(hashlib.sha256(key).digest(), digest_size=8)

    def hash_of(*texts: str) -> int:
        state = base.copy()
        for text in texts:
            content = text.encode("utf-8", "replace")
            # The lengths keep ("ab", "c") apart from ("a", "bc").
            state.update(b"%d:" % len(content) + content)
        return int.from_bytes(state.digest(), "big")

    return hash_of


class Smallest:
    """The smallest numbers of those that were offered, each once, with what belongs to it.

    A choice by hashes is fair, whatever order the posts come in.
    """

    __slots__ = ("_heap", "_limit", "kept")

    def __init__(self, limit: int) -> None:
        """Takes how many there may be."""
        self.kept: dict[int, Any] = {}
        self._heap: list[int] = []
        self._limit = limit

    def offer(self, number: int, item: Any) -> bool:
        """Returns whether a new number is taken; what is larger than all others leaves for it."""
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, -number)
        elif number > -self._heap[0]:
            return False
        else:
            del self.kept[-heapq.heapreplace(self._heap, -number)]
        self.kept[number] = item
        return True


class PostReader:
    """Reads posts of one stream, of accounts or of audiences, and chooses where there are more.

    What cannot be chosen any more is forgotten at once: memory holds a number a chosen post.

    Args:
        names: The accounts of the ground truth.
        hash_of: Of the choice.
        max_members: Members an account; 1 for an account's own posts.
        max_posts: Posts a member.
    """

    def __init__(self, names: Names, hash_of: Hash, max_members: int, max_posts: int) -> None:
        self._names, self._hash_of = names, hash_of
        self._max_members, self._max_posts = max_members, max_posts
        self._members: dict[str, Smallest] = {}
        self._n_offered = 0

    def read(
        self,
        kinds: Mapping[str, tuple[Rows, Images]],
        engine: Engine,
        table: str,
        problems: Problems,
    ) -> PostStream:
        """Returns the chosen posts.

        Args:
            kinds: Kind of posts -> its rows and images.
            engine: Keeps the posts.
            table: Where they are to stand in it.
            problems: Told of missing images, in one line a file.

        Raises:
            ConversionError: A workbook that cannot be trusted, no row of it can be used, or there
                is no space left for the posts.
        """
        rows = (
            row
            for kind, (rows, images) in kinds.items()
            for row in self._offered(kind, rows, images)
        )
        numbered = ((place, *row) for place, row in enumerate(rows))
        engine.store("offered", OFFERED, numbered)
        chosen = sorted(
            place
            for members in self._members.values()
            for posts in members.kept.values()
            for place in posts.kept.values()
        )
        engine.store("chosen", {"n": "BIGINT", "place": "BIGINT"}, enumerate(chosen, start=1))
        engine.query(
            f"CREATE TABLE {table}_in_order AS SELECT * REPLACE (nullif(image, '') AS image), "
            "NULL AS labels FROM chosen JOIN offered USING (place) ORDER BY n"
        )
        for file, sheet, number, n_missing in engine.query(
            "SELECT file, arg_min(sheet, n), arg_min(row, n), count(*) FROM chosen JOIN offered "
            "USING (place) WHERE image = '' GROUP BY file ORDER BY min(n)"
        ):
            first = Row(file, sheet, number, {}, problems)
            first.note("path2", f"{n_missing} missing images from here on", AN_IMAGE, OWN)
        engine.query("DROP TABLE offered")
        return PostStream(engine, table, len(chosen))

    def _offered(self, kind: str, rows: Rows, images: Images) -> Iterator[tuple[Any, ...]]:
        """Yields what may be chosen, as `OFFERED` without `place`."""
        repeated: dict[str, tuple[Row, int]] = {}
        spellings = [name for name in FOLDERS[kind] if name != "member"]
        for row, post in rows.parsed(lambda row: self._parse(kind, row), spellings=spellings):
            account, member, content, place, (text, *values) = post
            members = self._members.setdefault(account, Smallest(self._max_members))
            who = self._hash_of(account, member)
            if who not in members.kept and not members.offer(who, Smallest(self._max_posts)):
                continue
            posts = members.kept[who]
            if content in posts.kept:
                first, number = repeated.get(row.file, (row, 0))
                repeated[row.file] = first, number + 1
            elif posts.offer(content, self._n_offered):
                self._n_offered += 1
                image = (images.find(*place) or "") if place else None
                text = row.cut("text", text)
                yield row.file, row.sheet, row.row, account, member, text, *values, image
        for row, number in repeated.values():
            row.note("text", f"{number} repeated rows from here on", ONCE, OWN)

    def _parse(self, kind: str, row: Row) -> tuple[str, str, int, Any, tuple[Any, ...]]:
        """Account, member, hash of the content, folders and name of the image, other values."""
        member = ""
        if kind == "audience_posts":
            account, member = self._names.known(row, "account"), row.name("member")
        else:
            side = schema.BRAND if kind == "brand_posts" else schema.INFLUENCER
            account = self._names.known(row, side, side)
        *folders, path1, path2 = (_path(row, name) for name in (*FOLDERS[kind], "path1", "path2"))
        text, seconds = row.text("text"), row.value("timestamp", moment)
        content = self._hash_of(account, member, text, repr(seconds), path1, path2)
        place = (tuple(folders), f"{path1}/{path2}".lstrip("/")) if path2 else None
        values = (text, seconds, row.value("likes", count), row.value("comments", count))
        return account, member, content, place, values


def _path(row: Row, column: str) -> str:
    name = row.text(column).strip()
    if _ESCAPE.search(name):
        raise LeftOut(column, name, WITHIN)
    return name
