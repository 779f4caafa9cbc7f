"""Biographies and followers, which the release repeats for every brand of an influencer."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.problems import Problems
from dataset_convert.reading import values as v
from dataset_convert.reading.accounts import CUT, MAX_TEXT, ONE_CONTENT
from dataset_convert.reading.gan2019.names import Spellings
from dataset_convert.reading.gan2019.rows import (
    BIOGRAPHY,
    BRAND,
    FOLLOWERS,
    INFLUENCER,
    Layout,
    Row,
    Workbooks,
)
from dataset_convert.reading.gan2019.settings import BRAND_BIOGRAPHIES, INFLUENCER_BIOGRAPHIES
from dataset_convert.reading.gan2019.truth import Truth
from dataset_convert.reading.values import Values

LAYOUTS: Final[dict[str, tuple[schema.Side, Layout]]] = {
    BRAND_BIOGRAPHIES: (
        schema.BRAND,
        Layout((BRAND, BIOGRAPHY), frozenset({BRAND, BIOGRAPHY})),
    ),
    INFLUENCER_BIOGRAPHIES: (
        schema.INFLUENCER,
        Layout((BRAND, INFLUENCER, BIOGRAPHY, FOLLOWERS), frozenset({INFLUENCER, BIOGRAPHY})),
    ),
}

_ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([nrt\\]))", re.ASCII
)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def unescaped(text: str) -> str:
    r"""Returns text with the characters for which escapes stand in it, such as `\n` or `\u2764`.

    Two halves of a character that stand together, as in `\ud83d\ude00`, become one character; a
    half alone becomes '?'. What is no escape stays as it is.
    """
    if "\\" not in text:
        return text
    joined = _PAIR.sub(
        lambda match: match[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"),
        _ESCAPE.sub(_character, text),
    )
    return joined.encode("utf-8", "replace").decode("utf-8")


def _character(match: re.Match[str]) -> str:
    if match[4]:
        return _LETTERS[match[4]]
    number = int(match[1] or match[2] or match[3], 16)
    return chr(number) if number < 0x110000 else match[0]


@dataclass
class _Profiles:
    """Biography and followers of accounts; the first value of each stays."""

    biographies: dict[str, str] = field(default_factory=dict)
    followers: dict[str, float] = field(default_factory=dict)
    contradicted: set[str] = field(default_factory=set)

    def add(self, account: str, biography: str, followers: float | None) -> bool:
        """Returns whether this contradicts an earlier row, and no row of the account has before."""
        differs = bool(biography) and self.biographies.setdefault(account, biography) != biography
        if followers is not None:
            differs |= self.followers.setdefault(account, followers) != followers
        is_first = differs and account not in self.contradicted
        self.contradicted.update([account] if differs else [])
        return is_first


def read_accounts(
    root: Path, files: Mapping[str, Sequence[Path]], truth: Truth, problems: Problems
) -> pd.DataFrame:
    """Returns the accounts of the ground truth, with what the workbooks tell of them.

    Rows of one account are merged; of different content the first row's stays, which is told once
    an account.

    Args:
        root: The release, resolved.
        files: Kind -> workbooks.
        truth: The ground truth.
        problems: Told of rows that are left out.

    Returns:
        `RawMaterial.accounts`: brands, then influencers, in the order of the ground truth.

    Raises:
        ConversionError: A workbook that cannot be trusted, or no row of it can be used.
    """
    profiles = _Profiles()
    for kind, (role, layout) in LAYOUTS.items():
        if kind in files:
            books = Workbooks(root, files[kind], layout, problems)
            _read_profiles(profiles, books, truth, role)
    categories = truth.categories | truth.influencer_categories()
    rows = [
        (
            account,
            role,
            "",
            profiles.biographies.get(account, ""),
            categories.get(account),
            profiles.followers.get(account),
        )
        for role in schema.SIDES
        for account in truth.of_role(role)
    ]
    frame = pd.DataFrame(rows, columns=list(raw.ACCOUNT_COLUMNS), dtype=object)
    return frame.assign(**{raw.FOLLOWERS: frame[raw.FOLLOWERS].astype(np.float64)})


def _read_profiles(profiles: _Profiles, books: Workbooks, truth: Truth, role: schema.Side) -> None:
    spellings = Spellings()
    for row, (account, biography, followers) in books.parsed(_parser(truth, role)):
        spellings.watch(books, row, role)
        if len(biography) > MAX_TEXT:
            _note_length(books, row, BIOGRAPHY, len(biography))
        if profiles.add(account, biography[:MAX_TEXT], followers):
            books.note(row, role, account, ONE_CONTENT)


def _parser(truth: Truth, role: schema.Side) -> Callable[[Values], tuple[str, str, float | None]]:
    def parse(values: Values) -> tuple[str, str, float | None]:
        return (
            truth.names.known(values, role, role),
            unescaped(v.text(values, BIOGRAPHY)),
            v.number(values, FOLLOWERS, v.A_COUNT) if FOLLOWERS in values else None,
        )

    return parse


def _note_length(books: Workbooks, row: Row, column: str, length: int) -> None:
    books.note(row, column, f"{length:,} characters", CUT)
