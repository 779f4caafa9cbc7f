"""Single cells as people, tools and spreadsheets write them: missing words, numbers, text.

A function takes any text and returns a value or raises `BadValue`; a missing number is NaN. Which
spelling means what is told in docs/convert_tables.md, "What a cell may say"; see also `dates` and
`handles`.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from dataset_convert.common.errors import shown

DecimalSign = Literal[".", ","]

A_COUNT = "a count such as 12400, 12,400 or 12.4K"
A_NUMBER = "a number such as 0.034, 3.4 % or 1,200.50 €"
MAX_COUNT = 10**13  # more than anybody has watched of anything
# No number and no date is longer; what is would only cost time.
MAX_LENGTH = 100


class BadValue(ValueError):  # noqa: N818 (what it says of a cell is no error of the program)
    """A cell cannot be read.

    Attributes:
        found: What stands in the cell.
        wanted: What should stand there, in words.
    """

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"found {shown(found)}, wanted {wanted}")
        self.found, self.wanted = found, wanted


class AmbiguousValue(BadValue):
    """A cell has two readings, and nothing in its column says which."""


# Control and format characters, fillers and variation selectors: nobody sees them in a cell.
_INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)
_KEPT_AS_TEXT = re.compile(r"""=\s*"([^"]*)"|'(?=[\d=+@-])(.*)""", re.DOTALL)


def tidy(text: str) -> str:
    """Returns text without invisible characters, space around it and marks of "this is text".

    Spreadsheets are kept from counting with a cell by `="007"` or `'007`. Halves of characters,
    which JSON can express and no file can hold, become '?'.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub("", text)
    text = text.strip()
    marked = _KEPT_AS_TEXT.fullmatch(text)
    return (marked[1] or marked[2] or "").strip() if marked else text


def in_one_line(text: str) -> str:
    """Returns text as `tidy` does, single spaces in place of line breaks and tabs."""
    return " ".join(tidy(text).split())


_MISSING = set(
    re.split(
        r"\s*\|\s*",
        """n/a|na|n.a.|n.a|n. a.|n/d|n.d.|k.a.|k.a|k. a.|k/a|keine angabe|s/o|s.o.|nan|none|null|nil
        |undefined|unknown|unbekannt|inconnu|inconnue|desconocido|sconosciuto|blank|empty|leer|vide
        |vuoto|en blanco|missing|not available|not applicable|not specified|not set|not provided
        |no data|tbd|tba|<na>|\\n|#getting_data""",
    )
)
# The error words of spreadsheets end in ! or ? in every language: #REF!, #BEZUG!, #¡VALOR!, #NAME?
_ERROR_WORD = re.compile(
    r"#[¡¿]?[^\W\d][\w/]*[!?]|#n/?[avd]|[-\u2010-\u2015\u2212_.…?/\\*]+", re.IGNORECASE
)


def missing(text: str) -> bool:
    """Returns whether a cell says that it says nothing. Not for ids: an account may be 'none'."""
    text = tidy(text).casefold()
    if not text or text in _MISSING or _ERROR_WORD.fullmatch(text):
        return True
    return text[0] in "(<[" and text[-1] in ")>]" and text[1:-1].strip() in _MISSING


# Apostrophes and minus signs of all kinds, Arabic separators, the wide percent sign.
SAME_SIGN = str.maketrans(
    {
        **dict.fromkeys("\u2019\u2018\u02bc\u00b4\u0060\u2032\u066c", "'"),
        **dict.fromkeys("\u2212\u2013\u2014\u2010\u2011\u2012", "-"),
        "\u066b": ".",
        "\uff05": "%",
    }
)
_SCALES = {
    word: Decimal(10) ** power
    for power, words in {
        3: "k tsd tausend thousand mil mille mila тыс",
        4: "万 萬",
        5: "lakh lakhs",
        6: "m mm mn mio mln mill million millions millionen millón millones milione milioni млн",
        7: "crore crores",
        8: "億 亿",
        9: "b bn mrd mia milliarde milliarden milliard milliards miliardi billion billions",
    }.items()
    for word in words.split()
}
_COUNTED = """
    follower followers subscriber subscribers subs fans abonnenten abonnés abonnes seguidores
    seguidor seguaci like likes view views comment comments post posts"""
_SHARES = {"%": Decimal("0.01"), "‰": Decimal("0.001")}
_ABOUT = re.compile(
    r"(?:~|≈|>=?|≥|ca\b\.?|circa\b|about\b|approx\b\.?|rund\b|environ\b|über\b|over\b)\s*"
)
_CURRENCY = re.compile(
    r"(?<![^\W\d_])(?:us|a|c|r|hk|nz)?\$|[€£¥₣₤₦₩₪₫₭₱₲₴₵₸₹₺₽₿]"
    r"|(?<![^\W\d_])(?:eur|euros?|usd|dollars?|gbp|chf|fr|sfr|jpy|cad|aud|sek|nok|dkk|kr|pln|zł|czk"
    r"|huf|ron|try|inr|rs|brl|mxn)(?![^\W\d_])\.?"
)
_PARTS = re.compile(r"([-+]?)\s*(\d(?:[\d.,' ]*\d)?|[.,]\d+)(?:e([-+]?\d{1,3}))?(?!\d)(.*)")
_GROUPS = re.compile(r"\d*|[1-9]\d{0,2}([., '])\d{3}(?:\1\d{3})*|[1-9]\d?(?:(,)\d{2})+,\d{3}")
_RANGE = re.compile(r"\d[^\d]*(?:-|\bto\b|\bbis\b|\bà\b)\D*\d")


def _readings(body: str) -> dict[str, Decimal]:
    """Decimal sign -> value, for each sign under which digits and separators are a number."""
    found = {}
    for sign in ".,":
        whole, mark, part = body.partition(sign)
        groups = _GROUPS.fullmatch(whole)
        is_whole = groups and sign not in (groups[1], groups[2]) and (part.isdigit() or not mark)
        if is_whole and (whole or part):
            found[sign] = Decimal(re.sub(r"\D", "", whole) + ("." + part if part else ""))
    return found


def _number_parts(
    text: str, units: Iterable[str], wanted: str
) -> tuple[dict[str, Decimal], Decimal, bool]:
    """The readings of a number, what to multiply them by, and whether a word or % said so."""
    plain = tidy(text).translate(SAME_SIGN).casefold()
    plain = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in plain)
    plain = " ".join(plain.split())
    if len(plain) > MAX_LENGTH:
        raise BadValue(text, wanted)
    factor = Decimal(1)
    if plain[:1] == "(" and plain[-1:] == ")":  # as accountants write what is negative
        plain, factor = plain[1:-1].strip(), Decimal(-1)
    if wanted is A_NUMBER:
        plain = _CURRENCY.sub(" ", plain).strip()
    parts = _PARTS.fullmatch(_ABOUT.sub("", plain, count=1) if _ABOUT.match(plain) else plain)
    readings = _readings(parts[2]) if parts else {}
    if not parts or not readings:
        raise BadValue(text, f"{wanted}, not a range" if _RANGE.search(plain) else wanted)
    sign, _, exponent, rest = parts.groups()
    # 1,200.- is whole, and says what its comma is.
    closing = re.match(r"([.,])-*(?=\s|$)", rest)
    if closing:
        rest = rest[closing.end() :]
        readings = {k: v for k, v in readings.items() if k == closing[1]} or readings
    elif rest.strip() == "-":
        sign, rest = "-", ""
    factor *= (-1 if sign == "-" else 1) * Decimal(10) ** int(exponent or 0)
    is_scaled = False
    for word in rest.replace("+", " ").replace("%", " % ").split():
        scale = _SCALES.get(word.rstrip(".")) or (_SHARES.get(word) if wanted is A_NUMBER else None)
        if scale and not is_scaled:
            factor, is_scaled = factor * scale, True
        elif word not in units:
            raise BadValue(text, f"{wanted}, not a range" if _RANGE.search(plain) else wanted)
    return readings, factor, is_scaled


def count(text: str) -> float:
    """Returns followers, likes and the like; NaN where missing or negative (hidden likes are -1).

    A count has no decimals, so that 15.004 is fifteen thousand and four. 12.5 is no count: it is
    a mean, or thousands whose K is lost, and only its owner knows which.

    Raises:
        AmbiguousValue: 1,234K, which is a thousand or a million.
        BadValue: Anything else, a range included.
    """
    if text.isascii() and text.isdigit() and len(text) < 14:
        return float(text)
    return _count(text)


@lru_cache(maxsize=10_000)
def _count(text: str) -> float:
    if missing(text):
        return math.nan
    readings, factor, is_scaled = _number_parts(text, _COUNTED.split(), A_COUNT)
    if factor < 0:
        return math.nan
    values = set(readings.values())
    if is_scaled and len(values) > 1:
        raise AmbiguousValue(text, "a count written out: 1234000 or 1234")
    value = max(values) * factor
    if is_scaled:
        value = value.to_integral_value()
    if value != value.to_integral_value():
        raise BadValue(text, f"{A_COUNT}; a count has no decimals")
    if value >= MAX_COUNT:
        raise BadValue(text, f"{A_COUNT}; this is too large, perhaps an id")
    return float(value)


@lru_cache(maxsize=10_000)
def number(text: str, decimal: DecimalSign | None = None) -> float:
    """Returns a rate or a price; NaN where missing. 6,8 % is 0.068, and 1.2k € is 1200.

    Args:
        text: The cell.
        decimal: The column's decimal sign, for cells such as 1,234; others say it themselves.

    Raises:
        AmbiguousValue: A cell such as 1,234, and no `decimal`.
        BadValue: No finite number, or a range.
    """
    if missing(text):
        return math.nan
    readings, factor, _ = _number_parts(text, (), A_NUMBER)
    if decimal is None and len(set(readings.values())) > 1:
        raise AmbiguousValue(text, "to be told whether '.' or ',' is the column's decimal sign")
    value = float(readings.get(decimal or ".", max(readings.values())) * factor)
    if not math.isfinite(value):
        raise BadValue(text, A_NUMBER)
    return value


def find_decimal_sign(texts: Iterable[str]) -> DecimalSign | None:
    """Returns the decimal sign of a column's rates or prices, by its cells that have one reading.

    None where no cell tells (all are like 12 or 1,234), or where they contradict each other.
    """
    signs: set[str] = set()
    for text in texts:
        try:
            readings, _, _ = _number_parts(text, (), A_NUMBER)
        except BadValue:
            continue
        if len(readings) == 1:
            signs |= readings.keys()
    if len(signs) != 1:
        return None
    return "." if "." in signs else ","


# What each byte was taken for: cp1252, and Latin-1 where that has nothing.
_BYTE_OF = {chr(byte): byte for byte in range(256)}
_BYTE_OF |= {bytes([b]).decode("cp1252", "ignore"): b for b in range(128, 160)}
_NEXT = "[" + "".join(re.escape(c) for c, byte in _BYTE_OF.items() if 128 <= byte < 192 and c) + "]"
# Two characters can stand beside each other by chance, "CAFÉ”": which pairs count is limited.
_MOJIBAKE = re.compile(
    f"(?:[ð-ô]{_NEXT}{{3}}|[à-ï]{_NEXT}{{2}}|[ÂÃ]{_NEXT}|(?<=[a-z])[ÄÅ]{_NEXT}"
    f"|(?:[Ä-ß]{_NEXT}){{2,}})+"
)


def repaired(text: str) -> str:
    """Returns text whose UTF-8 was once read as cp1252 or Latin-1 as it was: schÃ¶n is schön."""
    if text.isascii():
        return text
    return _MOJIBAKE.sub(_decoded, text)


def _decoded(found: re.Match[str]) -> str:
    try:
        return bytes(_BYTE_OF[c] for c in found[0]).decode("utf-8")
    except UnicodeDecodeError:
        return found[0]


def mojibake(text: str) -> bool:
    """Returns whether text was read in a wrong encoding, or lost characters (U+FFFD) in one."""
    return "\ufffd" in text or repaired(text) != text
