"""Captions of social media posts turned into words, and how often each account uses each."""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Annotated, Any, Final, Self

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import AfterValidator, Field, model_validator
from scipy import sparse

from dataset_convert.features.base import Flag, Options, Share, Sums, Whole

MAX_CHARACTERS: Final = 10_000
"""Of a caption that are read: several times what the platforms allow, so only junk is cut."""
MIN_ACCOUNTS: Final = 2
"""Of any word: what one account alone says names it rather than its topics."""
LEAST_WAITING: Final = 500_000
"""Pairs of account and word that wait before they are stored."""

# Thai, Lao, Burmese, Khmer, hiragana and Han are written without spaces; katakana is not here
# because a run of it is one loan word.
_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"
    "\u0e81-\u0ebd\u0ec0-\u0ecd"
    "\u1000-\u103f\u1050-\u108f"
    "\u1780-\u17d3\u17dc\u17dd"
    "\u3005\u3007\u3041-\u3096\u309d\u309e"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
_PICTURE = (
    "[\u231a\u231b\u23e9-\u23fa\u2600-\u2775\u2794-\u27bf\u2b1b\u2b1c\u2b50\u2b55"
    "\U0001f000-\U0001f0ff\U0001f170-\U0001f19a\U0001f300-\U0001faff]"
)
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_JOINER = "\u200d"
_EMOJI = f"{_FLAG}|{_PICTURE}[\U000e0020-\U000e007f]{{0,7}}(?:{_JOINER}{_PICTURE}){{0,7}}"
_FIRST_SPECIAL = "\u0e01"
"""No emoji and no letter of a script without spaces stands before this character."""

# Soft hyphens, word joiners and Persian's non-joiner split no word; tatweel, Arabic vowel signs,
# emoji's variation selectors, key caps and skin tones are ways to write the same thing (and a
# skin tone would say something about a person).
_IGNORED = re.compile(
    "[\u00ad\u200c\u2060\u0640\u064b-\u0652\u20e3\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]",
)
# A look-behind lets a match begin only where a run begins and ++ never gives back, so the time is
# linear in the caption's length.
_URL = (
    r"(?:https?://|(?<![\w.-])www\.)[!-~]*"
    r"|(?<![\w.@-])(?:[a-z0-9-]++\.)+"
    r"(?:(?:com|net|org|info|shop|store|app|edu|gov|biz)(?![\w-])(?:/[!-~]*)?|[a-z]{2,}/[!-~]*)"
)
_EMAIL = r"(?<![\w.+%-])[\w.+%-]++@[\w-]+(?:\.[\w-]+)+"
_MENTION = r"@[\w.]+"
ADDRESSES = re.compile(f"{_URL}|{_EMAIL}|{_MENTION}", re.IGNORECASE)
# Short ones only: a number of thousands of digits is no character, and int() refuses it.
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_HASHTAG = re.compile(r"#\w+")
# Of folded text: what `_pieces` finds in it where there is nothing but ASCII.
_ASCII_PIECE = re.compile("[a-z0-9]+")


@cache
def stop_words() -> dict[str, frozenset[str]]:
    """Returns language -> its stop words, folded like captions."""
    text = resources.files("dataset_convert").joinpath("stop_words.yaml").read_text("utf-8")
    lists: dict[str, str] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {language: frozenset(fold(words).split()) for language, words in lists.items()}


def _are_languages(languages: tuple[str, ...]) -> tuple[str, ...]:
    if not stop_words().keys() >= set(languages):
        raise ValueError(f"be a list of {', '.join(stop_words())}")
    return languages


class VocabularyOptions(Options):
    """Which words are counted; shares are of the training accounts that have words.

    Attributes:
        min_share: Of the accounts that must use a word; never fewer than `MIN_ACCOUNTS` accounts.
        max_share: Of the accounts that may use a word.
        max_words: The words of the most accounts are kept.
    """

    min_share: Share = 0.01
    max_share: Annotated[Share, Field(gt=0)] = 0.5
    max_words: Whole = 10_000

    @model_validator(mode="after")
    def _admits_a_word(self) -> Self:
        if self.min_share >= self.max_share:
            raise ValueError("have a max_share that is larger than its min_share")
        return self


class TextOptions(Options):
    """How captions become words.

    Attributes:
        split_camel_case: Whether #NewYork gives two words, new and york, and not newyork.
        keep_emoji: Whether an emoji is a word of its own; otherwise emoji are dropped.
        languages: Whose stop words are dropped; of `stop_words`.
        min_length: Of a word, in characters; emoji and characters of scripts without spaces are
            exempt, because one of them can be a word.
        max_length: Of a word, in characters.
    """

    split_camel_case: Flag = False
    keep_emoji: Flag = True
    languages: Annotated[tuple[str, ...], AfterValidator(_are_languages)] = Field(
        default_factory=lambda: tuple(stop_words())
    )
    min_length: Whole = 2
    max_length: Whole = 30

    @model_validator(mode="after")
    def _admits_a_word(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError("have a max_length that is no smaller than its min_length")
        return self


def tokenise(text: str, settings: TextOptions) -> list[str]:
    """Cuts a caption into words.

    URLs, e-mail addresses and mentions are removed; a hashtag is a word like any other; `_`, `-`
    and apostrophes separate words. Scripts without spaces give overlapping pairs of characters
    (a letter with its marks counting as one), the usual stand-in for a dictionary; katakana, a
    script of loan words, gives its runs. Stop words and words of digits alone are dropped.

    Args:
        text: The caption; what follows `MAX_CHARACTERS` is not read.
        settings: What is kept.

    Returns:
        The words in order, in NFKC and case folded; never with white space in them.
    """
    text = fold(_without_addresses(text[:MAX_CHARACTERS], settings))
    dropped = _dropped(settings.languages)
    shortest, longest = settings.min_length, settings.max_length
    tokens: list[str] = []
    # Hardly any function is called for a word: there are millions of them.
    for piece in (_ASCII_PIECE if text.isascii() else _pieces()).findall(text):
        if piece[0] >= _FIRST_SPECIAL:
            tokens += [token for token in _special(piece, settings) if token not in dropped]
        elif shortest <= len(piece) <= longest and piece not in dropped and not piece.isnumeric():
            tokens.append(piece)
    return tokens


def fold(text: str) -> str:
    """Returns a text with case and ways of writing the same character removed."""
    if text.isascii():
        return text.lower()
    # Folding the Turkish capital i leaves a dot above that no other spelling of the word has.
    return unicodedata.normalize("NFKC", text.casefold()).replace("i\u0307", "i")


def _without_addresses(text: str, settings: TextOptions) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if not text.isascii():
        # NFKC would glue the letters TM to the name that carries the sign.
        text = unicodedata.normalize("NFKC", text.replace("™", " ").replace("℠", " "))
        text = _IGNORED.sub("", text)
    if "@" in text or "." in text or "://" in text:
        text = ADDRESSES.sub(" ", text)
    if settings.split_camel_case and "#" in text:
        text = _HASHTAG.sub(lambda tag: _split_camel_case(tag[0]), text)
    return text


def _split_camel_case(tag: str) -> str:
    parts = [tag[0]]
    for before, letter, after in zip(tag, tag[1:], [*tag[2:], ""], strict=False):
        begins = letter.isupper() and (not before.isupper() or after.islower())
        parts.append(f" {letter}" if begins else letter)
    return "".join(parts)


def _special(piece: str, settings: TextOptions) -> list[str]:
    """Returns the words of a piece that may be an emoji, or of a script without spaces."""
    if _emoji().fullmatch(piece):
        return [piece] if settings.keep_emoji else []
    clusters = _clusters().findall(piece)
    if clusters:
        return list(map("".join, pairwise(clusters))) if len(clusters) > 1 else clusters
    piece = piece.replace(_JOINER, "")
    fits = settings.min_length <= len(piece) <= settings.max_length
    return [piece] if fits and not piece.isnumeric() else []


@cache
def _dropped(languages: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(stop_words()[language] for language in languages))


@cache
def _pieces() -> re.Pattern[str]:
    letter, mark = rf"[^\W_{_UNSPACED}]", f"[{_mark_ranges()}{_JOINER}]"
    return re.compile(f"{letter}+(?:{mark}+{letter}*)*|[{_UNSPACED}]+|{_EMOJI}")


@cache
def _emoji() -> re.Pattern[str]:
    return re.compile(_EMOJI)


@cache
def _clusters() -> re.Pattern[str]:
    marks = _mark_ranges()
    return re.compile(rf"(?![{marks}])[{_UNSPACED}][{marks}]{{0,4}}")


@cache
def _mark_ranges() -> str:
    r"""Returns the combining marks as ranges for a character class: `\w` leaves them out."""
    codes = [
        code
        for code in range(0x300, 0x20000)
        if unicodedata.category(chr(code)).startswith("M") and not 0xFE00 <= code <= 0xFE0F
    ]
    starts = [code for before, code in pairwise([-1, *codes]) if code != before + 1]
    ends = [code for code, after in pairwise([*codes, -1]) if after != code + 1]
    return "".join(f"{chr(s)}-{chr(e)}" for s, e in zip(starts, ends, strict=True))


class WordCounts(Sums):
    """How often each account uses each word; rows and columns in the order of their first use.

    What is added waits until it is as much as is stored, so that adding is cheap.
    """

    def __init__(self, min_members: int = 1) -> None:
        super().__init__(min_members)
        self.rows: dict[str, int] = {}
        self.columns: dict[str, int] = {}
        self._stored: sparse.csr_matrix | None = None
        self._waiting: list[npt.NDArray[np.int32]] = []

    def put(self, account: str, words: Counter[str]) -> None:
        """Adds how often an account uses some words."""
        row = _numbers(self.rows, [account])[0]
        columns = _numbers(self.columns, words)
        rows, times = np.full(len(words), row), np.array([*words.values()], np.int32)
        self._waiting.append(np.array([rows, columns, times], np.int32))

    def add(self, other: Any) -> None:
        """Adds counts of other posts."""
        super().add(other)
        rows, columns = _numbers(self.rows, other.rows), _numbers(self.columns, other.columns)
        found = other.matrix().tocoo()
        triples = rows[found.row], columns[found.col], found.data
        self._waiting.append(np.array(triples, np.int32))
        n_stored = 0 if self._stored is None else self._stored.nnz
        if sum(one.shape[1] for one in self._waiting) > max(LEAST_WAITING, n_stored):
            self.matrix()

    def matrix(self) -> sparse.csr_matrix:
        """Returns account x word, int32."""
        shape = len(self.rows), len(self.columns)
        if self._stored is not None:
            self._stored.resize(*shape)
        if self._waiting or self._stored is None:
            empty = np.empty((3, 0), np.int32)
            rows, columns, times = np.concatenate([empty, *self._waiting], axis=1)
            self._waiting = []
            found = sparse.csr_matrix((times, (rows, columns)), shape, dtype=np.int32)
            self._stored = found if self._stored is None else self._stored + found
        return self._stored

    def of(self, words: Sequence[str]) -> tuple[list[str], sparse.csr_matrix]:
        """Returns the accounts with enough members and a word of some, sorted, and their counts."""
        columns = _numbers(self.columns, words)
        counts = self.matrix()[:, columns]
        used = np.diff(counts.indptr) > 0
        names = sorted(name for name in self.enough() if name in self.rows)
        accounts = [name for name in names if used[self.rows[name]]]
        found = counts[np.array([self.rows[name] for name in accounts], np.int64)]
        found.sort_indices()
        return accounts, found


def _numbers(known: dict[str, int], names: Collection[str]) -> npt.NDArray[np.int64]:
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)
