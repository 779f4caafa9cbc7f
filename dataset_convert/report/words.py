"""Numbers and words as a person reads them."""

from xml.etree.ElementTree import Element

from dataset_convert import schema
from dataset_convert.page.markup import element

NOTHING = "none"
PART_TITLES = {schema.TRAIN: "training", schema.VALID: "validation", schema.TEST: "test"}
_LONGEST = 80
_PERCENT = "\u00a0%"
_PLURALS = {"category": "categories", "has": "have", "is": "are"}


def plural(word: str, n: int) -> str:
    """Returns a word as it stands after a number."""
    return word if n == 1 else _PLURALS.get(word, f"{word}s")


def counted(n: int, word: str) -> str:
    """Returns a number with its word: 1 brand, 3,075 brands."""
    return f"{n:,} {plural(word, n)}"


def percent(part: float, whole: float) -> str:
    """Returns a share: whole percents, one decimal below 10 % and above 99 %.

    What is not quite nothing, or not quite all, is not written as 0 % or 100 %.
    """
    if whole <= 0:
        return f"0{_PERCENT}"
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f}{_PERCENT}"
    if share < 10 or share > 99:
        bound = "< 0.1" if share < 0.05 else "> 99.9" if share >= 99.95 else f"{share:.1f}"
        return f"{bound}{_PERCENT}"
    return f"{share:.0f}{_PERCENT}"


def part_of(part: int, whole: int) -> str:
    """Returns a number with its share of a whole: 5 (10 %)."""
    return f"{part:,} ({percent(part, whole)})" if whole else f"{part:,}"


def modality_title(modality: str) -> str:
    """Returns a modality's name without underscores: content topics."""
    return modality.replace("_", " ")


def side_title(side: schema.Side) -> str:
    """Returns a side in the plural with a capital: Brands."""
    return f"{side.capitalize()}s"


def given(word: str) -> Element:
    """Returns a word of the data, kept apart from the words around it and cut where it is long.

    Words of other directions of writing would otherwise turn their neighbours around.
    """
    return element("bdi", word if len(word) <= _LONGEST else word[: _LONGEST - 1] + "…")
