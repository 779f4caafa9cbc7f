"""Posts that were read and checked, kept on disk so that they can be streamed again quickly."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dataset_convert.raw import Post
from dataset_convert.reading.scratch import Scratch

_BLOCK: Final = 2**20


class Spool:
    """Lists of values, in the order in which they were added; memory holds none of them."""

    def __init__(self) -> None:
        self._scratch = Scratch()
        self._n_records = 0

    def __len__(self) -> int:
        return self._n_records

    def add(self, record: Sequence[Any]) -> None:
        """Adds texts, numbers, None and lists of them.

        Raises:
            ConversionError: There is no space left.
        """
        self._scratch.append(json.dumps(record).encode() + b"\n")
        self._n_records += 1

    def __iter__(self) -> Iterator[Any]:
        """Yields the records from the first on; every iterator has its own place."""
        begin, rest = 0, b""
        while block := self._scratch.read(begin, _BLOCK):
            begin += len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from map(json.loads, lines)


class SpooledPosts:
    """Posts as a stream that can be read again and again, also by several readers in turns.

    Args:
        root: The release, resolved.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._spool = Spool()

    def __len__(self) -> int:
        return len(self._spool)

    def add(
        self,
        account: str,
        member: str,
        text: str,
        numbers: Sequence[float | None],
        image: str | None,
    ) -> None:
        """Adds a post.

        Args:
            account: As in `Post`.
            member: As in `Post`.
            text: As in `Post`.
            numbers: Its timestamp, likes and comments.
            image: Within the release.
        """
        self._spool.add((account, member, text, *numbers, image))

    def __call__(self) -> Iterator[Post]:
        """Yields the posts in the order in which they were added."""
        for account, member, text, timestamp, n_likes, n_comments, image in self._spool:
            yield Post(
                account=account,
                text=text,
                member=member,
                timestamp=timestamp,
                n_likes=n_likes,
                n_comments=n_comments,
                image=None if image is None else self._root / image,
            )
