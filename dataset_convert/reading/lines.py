"""Lines of a text file in a known encoding, one at a time."""

import re
from collections.abc import Iterator
from pathlib import Path

from dataset_convert.problems import Problems

MAX_LINE = 2**26
"""Characters; a longer line is no text, and would fill the memory."""

_UNDECODABLE = re.compile("[\udc80-\udcff]")


def read_lines(path: Path, file: str, encoding: str, problems: Problems) -> Iterator[str]:
    """Yields the lines with their ends; a byte order mark is left out.

    Args:
        path: The file.
        file: Its name for messages.
        encoding: Of the text; `utf-8` accepts a byte order mark.
        problems: Of the conversion.

    Raises:
        ConversionError: The file cannot be opened, holds bytes that are not of the encoding, or a
            line of more than `MAX_LINE` characters.
    """
    codec = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    wanted = f"{encoding} text; option 'encoding' is there for CSV files of another encoding"
    number = 0
    try:
        # surrogateescape, so that the place of a wrong byte is known.
        with path.open(encoding=codec, errors="surrogateescape", newline="") as stream:
            while line := stream.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    problems.refuse(
                        file,
                        value=f"line {number}",
                        wanted=f"lines of up to {MAX_LINE:,} characters",
                    )
                wrong = None if line.isascii() else _UNDECODABLE.search(line)
                if wrong:
                    near = line[max(0, wrong.start() - 10) : wrong.end() + 5]
                    problems.refuse(file, value=f"line {number}: {near}", wanted=wanted)
                yield line
    except OSError as error:
        problems.refuse(file, value=error.strerror, wanted="a readable file")
    except UnicodeError as error:
        problems.refuse(file, value=f"after line {number}: {error}", wanted=wanted)
