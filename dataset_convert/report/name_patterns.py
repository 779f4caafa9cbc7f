"""Whether a list of names looks cut in alphabetical order; told without any name."""

from collections.abc import Collection
from string import ascii_lowercase
from typing import Final

from dataset_convert.report.findings import Finding
from dataset_convert.report.words import counted

MIN_MISSING: Final = 8
"""Names to be expected before or behind the letters found; a whole list lacks so many by chance
once in 3,000 times."""
MIN_LETTERS: Final = 5
"""Fewer different first letters are the pattern of ids rather than of names."""
MAX_NUMBERED: Final = 0.1
"""A larger share that begins with a digit is the pattern of ids too."""

# Rough shares of first letters in names of accounts, in percent.
_SHARES = (7, 6, 7, 5, 4, 4, 4, 4, 3, 5, 5, 5, 9, 3, 2, 4, 0.3, 3, 8, 5, 1, 2, 2, 0.3, 0.7, 0.7)
_EXPECTED: Final = {
    letter: share / 100 for letter, share in zip(ascii_lowercase, _SHARES, strict=True)
}


def name_warnings(names: Collection[str], side: str) -> list[Finding]:
    """Returns a warning where all names of a side begin with a part of the alphabet only.

    Exports and file listings are sorted by name; one that was cut holds the first letters, or the
    last. To be called before pseudonyms take the names' place; the warning holds none of them.

    Args:
        names: Of one side's accounts.
        side: brand or influencer.
    """
    signs = [name.strip().lstrip("@_.")[:1].casefold() for name in names]
    initials = [sign for sign in signs if sign in _EXPECTED]
    n_names, n_numbered = len(initials), sum(sign.isdecimal() for sign in signs)
    # Numbered ids (b1, b2, ...) and hexadecimal ones are no names.
    if len(set(initials)) < MIN_LETTERS or n_numbered > MAX_NUMBERED * len(signs):
        return []
    first, last = min(initials), max(initials)
    n_before = n_names * sum(share for letter, share in _EXPECTED.items() if letter < first)
    n_behind = n_names * sum(share for letter, share in _EXPECTED.items() if letter > last)
    if max(n_before, n_behind) < MIN_MISSING:
        return []
    return [
        Finding(
            f"The names of {counted(n_names, side)} all begin with letters from {first} to "
            f"{last}: the list seems to be cut in alphabetical order.",
            "Look whether an export stopped at a number of rows or pages, and get the rest: "
            "collaborations with the missing ones count as none.",
        )
    ]
