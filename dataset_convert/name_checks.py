"""Whether the name of an account is left in the files of a data set."""

import html
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.errors import shown
from dataset_convert.problems import ConversionError

MIN_LENGTH: Final = 4
"""Shorter names are not looked for: they stand in other words' places too often."""
MIN_NUMBER_LENGTH: Final = 10
"""Shorter numbers outside of tables and JSON could be counts or dates."""

_WORD = re.compile(r"[^\W_]+")
_ARRAY_FILES = (".npy", ".npz")
_WORD_LISTS = ("lexicon.json",)
"""Came with the conversion or from its user, not from the accounts."""
_EMBEDDED = re.compile(r"base64,[A-Za-z0-9+/=]+")

Words = tuple[str, ...]


class AccountNames:
    """Ids and display names of a material's accounts.

    A word that is one of them says which accounts belong together, not what they are about: "our
    day with acme" gives a collaboration away. Names that `assert_no_names` passes over are not
    here.
    """

    def __init__(self, accounts: pd.DataFrame) -> None:
        """Takes the names of a table with the columns of `raw.ACCOUNT_COLUMNS`."""
        names = [*accounts[raw.ACCOUNT], *accounts[raw.NAME].dropna()]
        self._names = {_words(name) for name in names if len(name) >= MIN_LENGTH} - {()}

    def __contains__(self, word: object) -> bool:
        """Returns whether a word is a name, whatever its letter case and signs."""
        return isinstance(word, str) and _words(word) in self._names


def assert_no_names(folder: Path, names: Collection[str], *, allowed: Collection[str] = ()) -> None:
    """Checks that no name stands in any text file of a folder, subfolders included.

    Names are compared word by word, whatever the letter case, signs between words or escapes, so
    'Anna.Maria' is found in 'anna_maria' but 'anna' not in 'savanna'. Columns of numbers are not
    looked at, nor arrays or the saved lexicon; nor names that are a word of our own code, such as
    'audience': a file that held names would show it by others.

    Args:
        folder: Of a data set.
        names: Original ids and display names; those of fewer than 4 characters, and those without
            a letter or digit, are passed over.
        allowed: Names that stand in the files for another reason, e.g. as a category or a label.

    Raises:
        ConversionError: The first file with a name, and the name.
    """
    found = find_names(folder, names, allowed=allowed)
    for path, name in found:
        raise ConversionError(
            f"{path}: found {shown(name)}, the name of an account; wanted pseudonyms only. "
            f"Take the name out of the labels and the lexicon."
        )


def find_names(
    folder: Path, names: Collection[str], *, allowed: Collection[str] = ()
) -> Iterator[tuple[Path, str]]:
    """Yields the files that hold a name, each with the first one; see `assert_no_names`."""
    passed_over = {_words(name) for name in allowed} | _our_words()
    wanted = _Wanted({}, {})
    for name in names:
        words = _words(name)
        if len(name) >= MIN_LENGTH and words and words not in passed_over:
            wanted.add(words, name)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _ARRAY_FILES and path.name not in _WORD_LISTS:
            found = _first_name(path, wanted)
            if found is not None:
                yield path, found


class _Wanted(NamedTuple):
    """Names by their words, and of each first word how many words its names have.

    Thousands of names may begin alike ("influencer 1", "influencer 2"): none is compared that
    does not stand there.
    """

    names: dict[Words, str]
    lengths: dict[str, set[int]]

    def add(self, words: Words, name: str) -> None:
        """Takes a name."""
        self.names[words] = name
        self.lengths.setdefault(words[0], set()).add(len(words))


def _first_name(path: Path, wanted: _Wanted) -> str | None:
    has_numbers, parts = _readable(path)
    for part in parts:
        words = _words(part)
        for i, word in enumerate(words):
            for length in wanted.lengths.get(word, ()):
                name = wanted.names.get(words[i : i + length])
                if name is None:
                    continue
                if has_numbers and name.isdecimal() and len(name) < MIN_NUMBER_LENGTH:
                    continue
                return name
    return None


def _words(text: str) -> Words:
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


@cache
def _our_words() -> frozenset[Words]:
    """Every single word of our own code: keys of JSON files, headers, names of sources."""
    code = Path(__file__).parent.rglob("*.py")
    texts = (path.read_text(encoding="utf-8") for path in code)
    return frozenset((word,) for text in texts for word in _words(text))


def _readable(path: Path) -> tuple[bool, Iterable[str]]:
    """Returns whether numbers are left in a file's text, and its parts without escapes.

    No name lies in two parts: words that stand beside each other in a list are no name of two.
    """
    if path.suffix in (".inter", ".user", ".item", ".influencer_category"):
        return False, map(unquote_plus, _distinct(_tokens(path)))
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".json":
        try:
            return False, map(unquote_plus, _distinct(_strings(json.loads(text))))
        except ValueError:
            return True, [text]
    return True, [html.unescape(_EMBEDDED.sub("", text))]


def _distinct(parts: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for part in parts:
        if part not in seen:
            seen.add(part)
            yield part


def _tokens(path: Path) -> Iterator[str]:
    # Row by row: a table may be as large as the memory.
    with path.open(encoding="utf-8", errors="replace") as rows:
        kinds = [column.rpartition(":")[2] for column in _cells(next(rows, ""))]
        for row in rows:
            for kind, cell in zip(kinds, _cells(row), strict=False):
                if kind == "token":
                    yield cell
                elif kind == "token_seq":
                    yield from cell.split(schema.SEQUENCE_SEPARATOR)


def _cells(row: str) -> list[str]:
    return row.rstrip("\n").split(schema.FIELD_SEPARATOR)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _strings(one)
