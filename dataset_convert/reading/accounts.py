"""Accounts, the pairs that worked together and the parts of brands, checked against one another."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.problems import OWN, Problems
from dataset_convert.reading import values as v
from dataset_convert.reading.records import Record, Table
from dataset_convert.reading.values import BadValue, Values

MAX_TEXT = 10_000
"""Characters of a caption or biography that are kept: several times what platforms allow."""

CUT = f"at most {MAX_TEXT:,} characters: the rest was cut off, the row stays"
MERGED = "every row once: an identical row was merged"
ONE_CONTENT = "the same content in every row of an account: the first row stays"
ONE_ROLE = "one role an account, brand or influencer: the first row stays"
ONE_PAIR = "every pair once: the first row stays"

Account = tuple[str, str, str, str, str | None, float | None]


def read_accounts(tables: Sequence[tuple[Table, str | None]], problems: Problems) -> pd.DataFrame:
    """Reads all accounts.

    A repeated account is merged where the rows are identical; where they differ, the first row
    stays and the others are skipped. Both are counted.

    Args:
        tables: Tables, each with the role of all its rows, or None where a column tells it.
        problems: Told of rows that are left out.

    Returns:
        `RawMaterial.accounts`, in the order of the rows.

    Raises:
        ConversionError: A file that cannot be trusted, or no brand or no influencer in it.
    """
    accounts: dict[str, Account] = {}
    for table, role in tables:
        for record, account in table.parsed(partial(_account, role), problems):
            known = accounts.setdefault(account[0], account)
            if known is not account:
                wanted = ONE_ROLE if known[1] != account[1] else ONE_CONTENT
                bad = BadValue("id", account[0], MERGED if known == account else wanted)
                table.skip(record, bad, problems)
            else:
                note_cut(table, record, "biography", problems)
                _note_followers(table, record, problems)
    frame = pd.DataFrame(list(accounts.values()), columns=list(raw.ACCOUNT_COLUMNS), dtype=object)
    for side in schema.SIDES:
        if side not in set(frame[raw.ROLE]):
            files = ", ".join(path.name for table, _ in tables for path in table.files)
            problems.refuse(files, value=f"no {side}", wanted="brands and influencers")
    return frame.assign(**{raw.FOLLOWERS: frame[raw.FOLLOWERS].astype(np.float64)})


def _account(role: str | None, values: Values) -> Account:
    if role is None:
        role = v.token(values, "role").lower()
        if role not in schema.SIDES:
            raise BadValue("role", values["role"], " or ".join(schema.SIDES))
    return (
        v.token(values, "id"),
        role,
        v.text(values, "name").strip(),
        v.text(values, "biography")[:MAX_TEXT],
        v.text(values, "category").strip() or None,
        _followers(values),
    )


def _followers(values: Values) -> float | None:
    """A count that cannot be read is missing: an account is worth more than its number."""
    try:
        return v.number(values, "followers", v.A_COUNT)
    except BadValue:
        return None


def _note_followers(table: Table, record: Record, problems: Problems) -> None:
    try:
        v.number(record.values, "followers", v.A_COUNT)
    except BadValue as bad:
        wanted = f"{bad.wanted}, e.g. 12400: the row stays without it"
        table.note(record, BadValue(bad.column, bad.value, wanted), problems)


def note_cut(table: Table, record: Record, column: str, problems: Problems) -> None:
    """Counts a text that was cut off."""
    value = record.values[column]
    if isinstance(value, str) and len(value) > MAX_TEXT:
        bad = BadValue(column, f"{len(value):,} characters", CUT)
        table.note(record, bad, problems, kind=OWN)


def read_collaborations(table: Table, roles: Mapping[str, str], problems: Problems) -> pd.DataFrame:
    """Reads the pairs; of a repeated pair the first row stays, the others are counted.

    Args:
        table: Pairs.
        roles: Account -> brand or influencer.
        problems: Told of rows that are left out.

    Returns:
        `RawMaterial.collaborations`, in the order of the rows.

    Raises:
        ConversionError: A file that cannot be trusted, or no pair in it that can be used.
    """
    brands, influencers = _of_role(roles, schema.BRAND), _of_role(roles, schema.INFLUENCER)

    def parse(values: Values) -> tuple[str, str, float | None, float | None]:
        return (
            known_account(values, "brand", brands),
            known_account(values, "influencer", influencers),
            v.number(values, "competence"),
            v.timestamp(values, "timestamp"),
        )

    pairs: dict[tuple[str, str], tuple[Any, ...]] = {}
    for record, pair in table.parsed(parse, problems):
        known = pairs.setdefault(pair[:2], pair)
        if known is not pair:
            bad = BadValue("influencer", pair[1], MERGED if known == pair else ONE_PAIR)
            table.skip(record, bad, problems)
    frame = pd.DataFrame(list(pairs.values()), columns=list(schema.INTERACTION_TYPES), dtype=object)
    numbers = (schema.COMPETENCE, schema.TIMESTAMP)
    return frame.assign(**{name: frame[name].astype(np.float64) for name in numbers})


def known_account(values: Values, column: str, known: Collection[str]) -> str:
    """Returns an account's id.

    Raises:
        BadValue: It is missing, or none of the known accounts.
    """
    account = v.token(values, column)
    if account not in known:
        raise BadValue(column, account, f"the id of a known {column}")
    return account


def read_parts(table: Table, roles: Mapping[str, str], problems: Problems) -> dict[str, str]:
    """Reads which brands are for training, validation and test.

    A part is never guessed: a brand in two parts, or of an unknown part, stops the conversion.
    An unknown brand is skipped and counted.

    Raises:
        ConversionError: As above, or a file that cannot be trusted.
    """
    brands = _of_role(roles, schema.BRAND)
    parts: dict[str, str] = {}
    for record, brand in table.parsed(lambda row: known_account(row, "brand", brands), problems):
        part = str(record.values["part"]).strip()
        wanted = None
        if part not in schema.PARTS:
            wanted = f"one of {', '.join(schema.PARTS)}"
        elif parts.setdefault(brand, part) != part:
            wanted = "one part a brand"
        if wanted:
            column = table.columns["part"]
            problems.refuse(record.file, row=record.row, column=column, value=part, wanted=wanted)
    return parts


def _of_role(roles: Mapping[str, str], role: str) -> frozenset[str]:
    return frozenset(account for account, its_role in roles.items() if its_role == role)
