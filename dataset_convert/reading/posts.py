"""Posts of accounts or of their audiences, as streams that can be read again and again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataset_convert.problems import Problems
from dataset_convert.progress import track
from dataset_convert.raw import Post
from dataset_convert.reading import values as v
from dataset_convert.reading.accounts import MAX_TEXT, known_account, note_cut
from dataset_convert.reading.files import WITHIN, inside
from dataset_convert.reading.records import Silence, Table
from dataset_convert.reading.values import BadValue, Values


@dataclass(frozen=True)
class PostStream:
    """Reads posts from files at every call, one at a time; can be handed to other processes.

    Attributes:
        table: Posts, with a column `member` where they are an audience's; None where the source
            has none.
        known: The accounts whose posts count.
    """

    table: Table | None
    known: frozenset[str]

    def check(self, problems: Problems) -> int:
        """Reads everything once; skips and counts what `__call__` will leave out silently.

        Args:
            problems: Told of rows that are left out and of captions that are cut off.

        Returns:
            How many posts `__call__` will yield.

        Raises:
            ConversionError: A file that cannot be trusted, or no post in it that can be used.
        """
        if self.table is None:
            return 0
        n_posts = 0
        files = ", ".join(path.name for path in self.table.files)
        rows = self.table.parsed(self._parse, problems)
        for record, _ in track(rows, f"reading {files}", unit="rows"):
            note_cut(self.table, record, "text", problems)
            n_posts += 1
        return n_posts

    def __call__(self) -> Iterator[Post]:
        """Yields the posts in the order of the rows."""
        if self.table is not None:
            for _, post in self.table.parsed(self._parse, Silence()):
                yield post

    def _parse(self, values: Values) -> Post:
        return Post(
            account=known_account(values, "account", self.known),
            text=v.text(values, "text")[:MAX_TEXT],
            member=v.token(values, "member") if "member" in values else "",
            timestamp=v.timestamp(values, "timestamp"),
            n_likes=v.number(values, "likes", v.A_COUNT) if "likes" in values else None,
            n_comments=v.number(values, "comments", v.A_COUNT) if "comments" in values else None,
            labels=v.labels(values, "labels"),
            image=self._image(values),
        )

    def _image(self, values: Values) -> Path | None:
        name = v.text(values, "image").strip()
        if not name or self.table is None:
            return None
        path = inside(self.table.root, name)
        if path is None or "://" in name:
            raise BadValue("image", name, WITHIN)
        return path
