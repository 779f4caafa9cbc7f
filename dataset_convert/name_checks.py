"""Whether the name of an account is left in the files of a data set."""

import html
import json
import re
import unicodedata
from collections.abc import Collection, Container, Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

import pandas as pd
import yaml

from dataset_convert import raw, schema
from dataset_convert.common.errors import shown
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

MIN_LENGTH: Final = 4
"""Shorter names are looked for as a whole value only."""
MIN_NUMBER_LENGTH: Final = 10
"""Shorter numbers outside of tables and JSON could be counts or dates."""

_WORD = re.compile(r"[^\W_]+")
_ARRAY_FILES = (".npy", ".npz")
WORD_LISTS = ("lexicon.json",)
"""Came with the conversion or from its user, not from the accounts."""
_MARKUP = re.compile(r"<style>.*?</style>|<[^>]*>", re.DOTALL)
"""Of pages, ours alone: what data say stands between tags."""
_TABLES = (".inter", ".user", ".item", ".influencer_category", ".brand_facts", ".influencer_facts")

Words = tuple[str, ...]


class AccountNames:
    """Ids and display names of a material's accounts, a table with `raw.ACCOUNT_COLUMNS`.

    A text that holds one of them says which accounts belong together, not what they are about: a
    caption that thanks a brand by its name gives a collaboration away. Those of test accounts are
    here too: this is the one thing that a fit knows of them, and all that it does is to leave
    words out.
    """

    def __init__(self, accounts: pd.DataFrame) -> None:
        self._wanted = _Wanted.of([*accounts[raw.ACCOUNT], *accounts[raw.NAME].dropna()])

    def __contains__(self, text: object) -> bool:
        """Returns whether a name stands in a word or label, as `find_names` says of a cell."""
        return isinstance(text, str) and self._wanted.first(words_of(text), whole=True) is not None


class MemberNames:
    """Which of some words are names of the members of audiences, whose posts are a stream.

    Memory does not grow with the number of members.

    Args:
        words: Compared with each member's name as a whole, run together.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._keys = {_key(words_of(word)) for word in words} - {""}
        self._found: set[str] = set()

    def watch(self, posts: Iterable[Post]) -> Iterator[Post]:
        """Yields the posts as they are, and remembers the words that are their members' names."""
        before = ""
        for post in posts:
            # Those of one member often stand together.
            if post.member != before:
                before = post.member
                key = _key(words_of(before))
                if key in self._keys:
                    self._found.add(key)
            yield post

    def __contains__(self, word: object) -> bool:
        """Returns whether a word was the name of a member that has passed by."""
        return isinstance(word, str) and _key(words_of(word)) in self._found


def phrases(text: str, *, n_words: int = 1) -> Iterator[str]:
    """Yields every run of at least so many words of a text, words that a name may be, too."""
    words = words_of(text)
    for start in range(len(words)):
        for stop in range(start + n_words, len(words) + 1):
            yield " ".join(words[start:stop])


def assert_no_names(folder: Path, names: Collection[str], *, allowed: Collection[str] = ()) -> None:
    """Checks that no name stands in any text file of a folder, subfolders included.

    Names are compared word by word, whatever the letter case, signs between words or escapes, and
    with their words run together, as hashtags are: a name of two words is found as one word, but
    no name is found within a longer word. In JSON and in columns of words a whole value is
    compared without its signs as well. Columns of numbers are not looked at, nor arrays or the
    saved lexicon; nor names that are a word of `our_words`, such as 'audience', which our files
    write whatever the accounts are called.

    Names of fewer than `MIN_LENGTH` characters are looked for only as a whole value of JSON or of
    a column of words: in a text, or beside other words, they are words of their own too often.
    Numbers of so few digits are not looked for: they stand in versions and names of topics, and
    nobody is known by them.

    Args:
        folder: Of a data set.
        names: Original ids and display names; those without a letter or digit are passed over.
        allowed: Names that stand in the files for another reason, e.g. as a category or a label.

    Raises:
        ConversionError: The first file with a name, its path within the folder, and the name.
    """
    found = find_names(folder, names, allowed=allowed)
    for path, name in found:
        raise ConversionError(
            f"{path.relative_to(folder)}: found {shown(name)}, the name of an account; wanted "
            f"pseudonyms only. Take the name out of the labels and the lexicon."
        )


def find_names(
    folder: Path, names: Collection[str], *, allowed: Collection[str] = ()
) -> Iterator[tuple[Path, str]]:
    """Yields the files that hold a name, each with the first one; see `assert_no_names`."""
    allowed_keys = {_key(words_of(name)) for name in allowed}
    kept = [name for name in names if _key(words_of(name)) not in allowed_keys]
    wanted = _Wanted.of(kept, passed_over=our_words())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _ARRAY_FILES and path.name not in WORD_LISTS:
            is_text, parts = readable(path)
            shortest = MIN_NUMBER_LENGTH if is_text else 0
            found = (
                wanted.first(words_of(part), whole=not is_text, shortest_number=shortest)
                for part in parts
            )
            first = next((name for name in found if name is not None), None)
            if first is not None:
                yield path, first


class _Wanted(NamedTuple):
    """Names as a look-up for each word of a text.

    Thousands of names may begin alike ("influencer 1", "influencer 2"): none is compared that
    does not stand there.
    """

    names: dict[Words, str]  # by their words, and by their words run together
    lengths: dict[str, set[int]]  # of each first word, how many words its names have
    whole: dict[str, str]  # names of any length, by their words run together; no numbers

    @classmethod
    def of(cls, names: Iterable[str], *, passed_over: Container[str] = ()) -> "_Wanted":
        """Returns the look-up of some names.

        Args:
            names: In any order.
            passed_over: Words that are no name by themselves.
        """
        wanted = cls({}, {}, {})
        for name in names:
            words = words_of(name)
            key = _key(words)
            if len(words) > 1 and len(name) >= MIN_LENGTH:
                wanted._add(words, name)
            # Digits run together stand in versions and dates: a number is looked for as it is.
            if key in passed_over or (key.isdecimal() and len(words) > 1):
                continue
            if len(key) >= MIN_LENGTH:
                wanted._add((key,), name)
            if key and not key.isdecimal():
                wanted.whole[key] = name
        return wanted

    def _add(self, words: Words, name: str) -> None:
        self.names[words] = name
        self.lengths.setdefault(words[0], set()).add(len(words))

    def first(self, words: Words, *, whole: bool, shortest_number: int = 0) -> str | None:
        """Returns the first name in a text.

        Args:
            words: Of the text.
            whole: Whether the text may be a name as a whole.
            shortest_number: Numbers of fewer digits are no names.
        """
        if whole and (name := self.whole.get(_key(words))) is not None:
            return name
        for i, word in enumerate(words):
            for length in self.lengths.get(word, ()):
                name = self.names.get(words[i : i + length])
                if name is not None and not (name.isdecimal() and len(name) < shortest_number):
                    return name
        return None


def _key(words: Words) -> str:
    return "".join(words)


def words_of(text: str) -> Words:
    """Returns the words of a text as they are compared: without capitals and signs."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


@cache
def our_words() -> frozenset[str]:
    """Returns the words that our own files write; a name among them is passed over."""
    text = resources.files("dataset_convert").joinpath("own_words.yaml").read_text("utf-8")
    return frozenset(yaml.safe_load(text)["own_words"].split())


def readable(path: Path) -> tuple[bool, Iterable[str]]:
    """Returns whether a file is text without cells, and its parts without escapes.

    No name lies in two parts: words that stand beside each other in a list are no name of two.
    """
    if path.suffix in _TABLES:
        return False, map(unquote_plus, dict.fromkeys(_tokens(path)))
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".json":
        try:
            return False, map(unquote_plus, dict.fromkeys(_strings(json.loads(text))))
        except ValueError:
            return True, [text]
    if path.suffix == ".html":
        text = html.unescape(_MARKUP.sub(" ", text))
    return True, [text]


def _tokens(path: Path) -> Iterator[str]:
    # Row by row: a table may be as large as the memory.
    with path.open(encoding="utf-8", errors="replace") as rows:
        table = (row.rstrip("\n").split(schema.FIELD_SEPARATOR) for row in rows)
        kinds = [header.rpartition(":")[2] for header in next(table, [])]
        for row in table:
            for kind, cell in zip(kinds, row, strict=False):
                if kind == "token":
                    yield cell
                elif kind == "token_seq":
                    yield from cell.split(schema.SEQUENCE_SEPARATOR)


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
