"""XML as a stream, without anything that XML can do to a reader."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any, Final
from xml.parsers import expat

from dataset_convert.reading.workbooks.cells import UntrustedError

Attributes = dict[str, str]
Chunks = Generator[bytes, None, None]
OnStart = Callable[[str, Attributes], None]
OnEnd = Callable[[str], None]

MAX_TEXT: Final = 2**26
"""Characters of a cell; a longer one would fill the memory."""
_BUFFER: Final = 2**16


class Text:
    """Collects the text of an element while it is switched on."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._parts: list[str] = []
        self._length = 0

    def begin(self) -> None:
        """Collects from here."""
        self._parser.CharacterDataHandler = self._take

    def end(self) -> None:
        """Collects no more."""
        self._parser.CharacterDataHandler = None

    def take(self) -> str:
        """Returns what was collected, and forgets it."""
        text = "".join(self._parts)
        self._parts.clear()
        self._length = 0
        return text

    def _take(self, part: str) -> None:
        self._length += len(part)
        if self._length > MAX_TEXT:
            raise UntrustedError(
                f"more than {MAX_TEXT:,} characters", "cells of a length that fits into memory"
            )
        self._parts.append(part)


def new_parser(start: OnStart, end: OnEnd | None = None) -> Any:
    """Returns a parser that calls the functions with names without prefix.

    A document type, with which entities could grow without bounds or name other files, is refused.

    Args:
        start: Called at the beginning of an element.
        end: Called at its end.
    """
    local: dict[str, str] = {}

    def started(name: str, attributes: Attributes) -> None:
        start(local.get(name) or local.setdefault(name, name.rpartition(":")[2]), attributes)

    def ended(name: str) -> None:
        if end is not None:
            end(local[name])

    def refuse(*_: Any) -> None:
        raise UntrustedError("a DOCTYPE", "XML without a document type, as spreadsheets write it")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = _BUFFER
    parser.StartElementHandler = started
    parser.EndElementHandler = ended
    parser.StartDoctypeDeclHandler = refuse
    return parser


def parse(parser: Any, chunks: Chunks) -> Iterator[None]:
    """Hands chunks to a parser, and yields after each; closes the chunks' file at the end.

    Raises:
        UntrustedError: The XML is broken.
    """
    try:
        with closing(chunks):
            for chunk in chunks:
                parser.Parse(chunk, False)
                yield
        parser.Parse(b"", True)
        yield
    except expat.ExpatError as error:
        raise UntrustedError(f"broken XML: {error}", "a workbook that is whole") from None
