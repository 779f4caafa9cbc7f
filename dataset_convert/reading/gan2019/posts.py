"""Posts of accounts and of their audiences: read once, checked, chosen and spooled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataset_convert import schema
from dataset_convert.problems import OWN, Problems
from dataset_convert.reading import values as v
from dataset_convert.reading.accounts import CUT, MAX_TEXT
from dataset_convert.reading.gan2019.choice import Choice, Hash
from dataset_convert.reading.gan2019.images import Images, check_names
from dataset_convert.reading.gan2019.names import Names, Spellings
from dataset_convert.reading.gan2019.rows import (
    ACCOUNT,
    BRAND,
    COMMENTS,
    INFLUENCER,
    LIKES,
    MEMBER,
    PATH1,
    PATH2,
    TEXT,
    TIMESTAMP,
    Layout,
    Row,
    Workbooks,
)
from dataset_convert.reading.gan2019.settings import (
    AUDIENCE_POSTS,
    BRAND_POSTS,
    INFLUENCER_POSTS,
)
from dataset_convert.reading.gan2019.spool import Spool, SpooledPosts
from dataset_convert.reading.values import Values

ONCE: Final = "every post once: repeated rows were merged"
AN_IMAGE: Final = "an image where path1 and path2 say; the posts stay, without image"

_POST = (PATH1, PATH2, TEXT, TIMESTAMP)
LAYOUTS: Final[dict[str, Layout]] = {
    BRAND_POSTS: Layout((BRAND, *_POST, COMMENTS, LIKES), frozenset({BRAND, TEXT})),
    INFLUENCER_POSTS: Layout(
        (BRAND, INFLUENCER, *_POST, COMMENTS, LIKES), frozenset({INFLUENCER, TEXT})
    ),
    AUDIENCE_POSTS: Layout((ACCOUNT, MEMBER, *_POST), frozenset({ACCOUNT, MEMBER, TEXT})),
}
FOLDERS: Final[dict[str, tuple[str, ...]]] = {
    BRAND_POSTS: (BRAND,),
    INFLUENCER_POSTS: (BRAND, INFLUENCER),
    AUDIENCE_POSTS: (ACCOUNT, MEMBER),
}
"""Kind -> the columns that name the folders above `<path1>/<path2>`."""

Numbers = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class _Found:
    """A row's post: `place` are the folders and the name of its image, where it has one."""

    account: str
    member: str
    text: str
    length: int
    numbers: Numbers
    place: tuple[list[str], str] | None
    content: int


@dataclass
class _Tally:
    """How many posts of a file are odd in one way, and the first of their rows."""

    row: Row
    number: int = 0


class PostReader:
    """Reads posts of one stream: of accounts or of audiences.

    Args:
        names: The accounts of the ground truth.
        images: Kind of posts -> where their images are.
        choice: Which of the posts are kept.
        hash_of: Of the choice.
    """

    def __init__(
        self, names: Names, images: Mapping[str, Images], choice: Choice, hash_of: Hash
    ) -> None:
        self._names, self._images = names, images
        self._choice, self._hash_of = choice, hash_of
        self._spool = Spool()

    def read(self, kind: str, books: Workbooks) -> None:
        """Reads workbooks of one kind; what cannot be chosen any more is forgotten at once.

        Raises:
            ConversionError: A workbook that cannot be trusted, or no row of it can be used.
        """
        spellings = Spellings()
        columns = [name for name in FOLDERS[kind] if name != MEMBER]
        repeated: dict[str, _Tally] = {}
        for row, found in books.parsed(lambda values: self._parse(kind, values)):
            spellings.watch(books, row, *columns)
            if found.length > MAX_TEXT:
                books.note(row, TEXT, f"{found.length:,} characters", CUT)
            member = self._hash_of(found.account, found.member)
            is_chosen = self._choice.offer(found.account, member, found.content)
            if is_chosen is None:
                repeated.setdefault(row.file, _Tally(row)).number += 1
            if is_chosen:
                self._keep(kind, row, found, member)
        for tally in repeated.values():
            books.note(tally.row, TEXT, f"{tally.number} repeated rows from here on", ONCE)

    def posts(self, root: Path, problems: Problems) -> SpooledPosts:
        """Returns the chosen posts, with the images that are there.

        Args:
            root: The release, resolved.
            problems: Told of missing images, in one line a file.

        Raises:
            ConversionError: There is no space left for them.
        """
        posts = SpooledPosts(root)
        missing: dict[str, _Tally] = {}
        for kind, where, account, member, text, numbers, place, member_hash, content in self._spool:
            if not self._choice.holds(account, member_hash, content):
                continue
            image = None
            if place is not None:
                image = self._images[kind].find(*place)
                if image is None:
                    file, sheet, number = where
                    missing.setdefault(file, _Tally(Row(file, sheet, number, {}))).number += 1
            posts.add(account, member, text, numbers, image)
        for file, tally in missing.items():
            problems.note(
                file,
                sheet=tally.row.sheet,
                row=tally.row.row,
                column=PATH2,
                value=f"{tally.number} missing images from here on",
                wanted=AN_IMAGE,
                kind=OWN,
            )
        return posts

    def _keep(self, kind: str, row: Row, found: _Found, member: int) -> None:
        where = (row.file, row.sheet, row.row)
        self._spool.add(
            (
                *(kind, where, found.account, found.member, found.text, found.numbers),
                *(found.place, member, found.content),
            )
        )

    def _parse(self, kind: str, values: Values) -> _Found:
        account, member = self._who(kind, values)
        text = v.text(values, TEXT)
        seconds = v.timestamp(values, TIMESTAMP)
        *folders, path1, path2 = check_names(values, (*FOLDERS[kind], PATH1, PATH2))
        return _Found(
            account=account,
            member=member,
            text=text[:MAX_TEXT],
            length=len(text),
            numbers=(seconds, _count(values, LIKES), _count(values, COMMENTS)),
            place=(folders, f"{path1}/{path2}".lstrip("/")) if path2 else None,
            content=self._hash_of(account, member, text, repr(seconds), path1, path2),
        )

    def _who(self, kind: str, values: Values) -> tuple[str, str]:
        if kind == AUDIENCE_POSTS:
            return self._names.known(values, ACCOUNT), v.token(values, MEMBER)
        if kind == BRAND_POSTS:
            return self._names.known(values, BRAND, schema.BRAND), ""
        return self._names.known(values, INFLUENCER, schema.INFLUENCER), ""


def _count(values: Values, column: str) -> float | None:
    return v.number(values, column, v.A_COUNT) if column in values else None


def read_posts(
    kinds: Sequence[str],
    reader: PostReader,
    root: Path,
    files: Mapping[str, Sequence[Path]],
    problems: Problems,
) -> SpooledPosts:
    """Returns the posts of the workbooks of some kinds.

    Args:
        kinds: In reading order.
        reader: Of the stream.
        root: The release, resolved.
        files: Kind -> workbooks.
        problems: Told of rows that are left out.

    Raises:
        ConversionError: A workbook that cannot be trusted, or no row of it can be used.
    """
    for kind in kinds:
        if kind in files:
            reader.read(kind, Workbooks(root, files[kind], LAYOUTS[kind], problems))
    return reader.posts(root, problems)
