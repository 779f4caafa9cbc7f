"""The texts of an .xlsx file that its cells share, kept on disk."""

from array import array
from functools import lru_cache

from dataset_convert.reading.scratch import Scratch
from dataset_convert.reading.workbooks.cells import UntrustedError, is_small_number, unescaped
from dataset_convert.reading.workbooks.xml_stream import Attributes, Chunks, Text, new_parser, parse

_N_CACHED = 1024


class SharedStrings:
    """Texts by number; memory holds eight bytes of each.

    Args:
        chunks: The bytes of `sharedStrings.xml`.

    Raises:
        UntrustedError: The XML is broken.
    """

    def __init__(self, chunks: Chunks) -> None:
        self._scratch = Scratch()
        self._begins = array("Q")
        self._size = 0
        # Names of accounts come again and again.
        self.get = lru_cache(_N_CACHED)(self._get)
        n_phonetic = 0

        def start(name: str, _: Attributes) -> None:
            nonlocal n_phonetic
            if name == "t" and not n_phonetic:
                text.begin()
            elif name == "rPh":
                n_phonetic += 1

        def end(name: str) -> None:
            nonlocal n_phonetic
            if name == "t":
                text.end()
            elif name == "rPh":
                n_phonetic -= 1
            elif name == "si":
                self._add(text.take())

        parser = new_parser(start, end)
        text = Text(parser)
        for _ in parse(parser, chunks):
            pass

    def _add(self, text: str) -> None:
        content = unescaped(text).encode("utf-8", "surrogatepass")
        self._begins.append(self._scratch.append(content))
        self._size += len(content)

    def _get(self, number: str) -> str:
        if not is_small_number(number) or int(number) >= len(self._begins):
            raise UntrustedError(
                f"text number {number!r}", f"one of the {len(self._begins)} texts of the workbook"
            )
        i = int(number)
        begin = self._begins[i]
        end = self._begins[i + 1] if i + 1 < len(self._begins) else self._size
        return self._scratch.read(begin, end - begin).decode("utf-8", "surrogatepass")
