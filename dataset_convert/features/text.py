"""Captions of social media posts turned into words that a topic model can count."""

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from dataset_convert.features.stop_words import STOP_WORDS

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


@dataclass(frozen=True)
class TextSettings:
    """How captions become words.

    Attributes:
        split_camel_case: Whether #NewYork gives two words, new and york, and not newyork.
        keep_emoji: Whether an emoji is a word of its own; otherwise emoji are dropped.
        languages: Whose stop words are dropped; names of `stop_words.STOP_WORDS`.
        min_length: Of a word, in characters; emoji and characters of scripts without spaces are
            exempt, because one of them can be a word.
        max_length: Of a word, in characters.
    """

    split_camel_case: bool = False
    keep_emoji: bool = True
    languages: tuple[str, ...] = tuple(STOP_WORDS)
    min_length: int = 2
    max_length: int = 30

    def __post_init__(self) -> None:
        """Raises where a setting is out of its range.

        Raises:
            ValueError: An unknown language, or lengths that admit no word.
        """
        unknown = [language for language in self.languages if language not in STOP_WORDS]
        if unknown:
            raise ValueError(
                f"The 'languages' parameter of TextSettings must be among {', '.join(STOP_WORDS)}. "
                f"Received: {', '.join(unknown)}"
            )
        if not 1 <= self.min_length <= self.max_length:
            raise ValueError(
                "The 'min_length' and 'max_length' parameters of TextSettings must be at least 1, "
                f"the maximum no smaller. Received: {self.min_length} and {self.max_length}"
            )


def tokenise(text: str, settings: TextSettings) -> list[str]:
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
    dropped = _stop_words(settings.languages)
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


def _without_addresses(text: str, settings: TextSettings) -> str:
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


def _special(piece: str, settings: TextSettings) -> list[str]:
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
def _stop_words(languages: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for name in languages for word in fold(STOP_WORDS[name]).split())


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
