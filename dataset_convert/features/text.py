"""Captions of social media posts turned into words that a topic model can count."""

import html
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Container
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Annotated, Final, NamedTuple, Self

import yaml
from pydantic import AfterValidator, Field, model_validator

from dataset_convert.features.base import Flag, Options, Whole

MAX_CHARACTERS: Final = 10_000
"""Of a caption that are read: several times what the platforms allow, so only junk is cut."""

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
_REMOVED = re.compile(f"{_URL}|{_EMAIL}|{_MENTION}", re.IGNORECASE)
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


class BlockCounts(NamedTuple):
    """How often each account of a block uses each word; flat, because it travels far faster so.

    Attributes:
        accounts: Those with words.
        words: Those that are used.
        account_of, word_of: Of each pair, a place in `accounts` and in `words`.
        times: Of each pair, at least 1.
        n_tokens: How many words the block has, of any kind.
    """

    accounts: list[str]
    words: list[str]
    account_of: "array[int]"
    word_of: "array[int]"
    times: "array[int]"
    n_tokens: int


def count_block(
    block: list[tuple[str, str]], *, settings: TextOptions, known: Container[str] | None
) -> BlockCounts:
    """Counts the words of each account's captions: what one process of several does.

    Args:
        block: Account and caption of posts in any order.
        settings: How captions become words.
        known: The words that count; None counts all.
    """
    counts: dict[str, Counter[str]] = {}
    n_tokens = 0
    for account, caption in block:
        tokens = tokenise(caption, settings)
        n_tokens += len(tokens)
        if known is not None:
            tokens = [token for token in tokens if token in known]
        if tokens:
            counts.setdefault(account, Counter()).update(tokens)
    numbers: dict[str, int] = {}
    account_of, word_of, times = array("i"), array("i"), array("i")
    for number, found in enumerate(counts.values()):
        account_of.extend([number] * len(found))
        word_of.extend([numbers.setdefault(word, len(numbers)) for word in found])
        times.extend(found.values())
    return BlockCounts(list(counts), list(numbers), account_of, word_of, times, n_tokens)


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
        text = _REMOVED.sub(" ", text)
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
