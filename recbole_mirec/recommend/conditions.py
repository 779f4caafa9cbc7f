"""Whom a list may hold: conditions such as `followers>=5000`, and ids of files and decisions."""

import csv
import io
import operator
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, shown

if TYPE_CHECKING:
    from recbole_mirec.recommend.bundle import Bundle

_FORM = re.compile(r"\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(.+?)\s*", re.DOTALL)
_COMPARE = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_KNOWN, _MISSING = "known", "missing"
YES, MAYBE, NO = DECISIONS = ("yes", "maybe", "no")
DECISION: Final = "decision"
"""The column that a page writes decisions to."""


def fulfils(condition: str, bundle: "Bundle") -> NDArray[np.bool_]:
    """Which influencers fulfil a condition; one of whom it is not known does not.

    A fact is compared by <, >, <= and >= as a number, and by = and != with one or several values.
    A modality, such as `attributes` or `content_text`, is `known` or `missing`; where its
    dimensions have names, = and != also ask for some of them, but for none that is sensitive.

    Raises:
        UsageError: it cannot be read, or asks for what the bundle does not know.
    """
    table = bundle.sides[schema.INFLUENCER].table
    form, facts = _FORM.fullmatch(condition), bundle.facts()
    if not form or form[1] not in (*facts, *table):
        told = ", ".join([*facts, *table])
        raise UsageError(
            f"Condition {shown(condition, 100)} must read like followers>=5000 or country=DE,AT. "
            f"The bundle knows {told}."
        )
    name, sign, value = form.groups()
    wanted = [word.strip().casefold() for word in value.split(",")]
    if name in facts:
        return _by_fact(bundle.sides[schema.INFLUENCER].known[name], sign, wanted, condition)
    rows, mask = table[name]
    if sign == "=" and wanted in ([_KNOWN], [_MISSING]):
        return mask if wanted == [_KNOWN] else ~mask
    names = [str(x).casefold() for x in bundle.about["vocabulary"].get(name, ())]
    unsaid = {word.casefold() for word in bundle.about["sensitive"]}
    places = [place for place, word in enumerate(names) if word in wanted and word not in unsaid]
    if sign not in ("=", "!=") or not places:
        named = f", or {name}= and names that the data set knows" if names else ""
        raise UsageError(
            f"Condition {shown(condition, 100)} must read {name}={_KNOWN} or "
            f"{name}={_MISSING}{named}."
        )
    has = (rows[:, places] > 0).any(axis=1)
    found: NDArray[np.bool_] = mask & (has if sign == "=" else ~has)
    return found


def _by_fact(
    column: "pd.Series[Any]", sign: str, wanted: list[str], condition: str
) -> NDArray[np.bool_]:
    known = column.notna().to_numpy()
    is_number = pd.api.types.is_numeric_dtype(column)
    try:
        values = [float(word) for word in wanted] if is_number or sign in _COMPARE else wanted
    except ValueError:
        raise UsageError(
            f"Condition {shown(condition, 100)} needs a number behind {sign}."
        ) from None
    if sign in _COMPARE:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
        compared: NDArray[np.bool_] = _COMPARE[sign](numbers, values[0])
        return compared
    there = column.isin(values) if is_number else column.astype(str).str.casefold().isin(values)
    same = there.to_numpy(dtype=bool)
    return known & (same if sign == "=" else ~same)


def read_ids(
    given: Sequence[str] | None,
    decisions: Collection[str] = DECISIONS,
    others: Collection[str] = (),
) -> list[str] | None:
    """Ids as they stand, or those of a file, one a line, of a table in its first column.

    Of a table with a column `decision`, as pages save it, those with one of some decisions, but for
    decisions on lists of other brands; None: all that was given is such decisions, or nothing.

    Raises:
        UsageError: a file is no such table, or has a decision that there is not.
    """
    found, concerns = list[str](), False
    for entry in given or ():
        ids = _of_file(Path(entry), decisions, others) if Path(entry).is_file() else [entry]
        found += ids or ()
        concerns = concerns or ids is not None
    return found if concerns else None


def _of_file(path: Path, decisions: Collection[str], others: Collection[str]) -> list[str] | None:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    first = text.partition("\n")[0]
    sign = ";" if ";" in first and "," not in first else ","
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=sign) if row]
    except csv.Error as error:
        raise UsageError(f"'{path}' is no table of ids: {error}.") from None
    if not rows or DECISION not in rows[0]:
        ids = [_cell(row, 0) for row in rows]
        return [cell for cell in ids if cell and cell not in schema.ACCOUNT_ID.values()]
    places = {name: place for place, name in enumerate(rows[0])}
    brand = places.get(schema.BRAND_ID)
    own = [row for row in rows[1:] if brand is None or _cell(row, brand) not in others]
    found = []
    for row in own:
        decision, cell = _cell(row, places[DECISION]).casefold(), _cell(row, 0)
        if decision not in ("", *DECISIONS):
            raise UsageError(
                f"'{path}': the decision on {shown(cell)} must be {', '.join(DECISIONS)} or "
                f"empty. Received: {shown(decision)}."
            )
        found += [cell] if cell and decision in decisions else []
    return found if own or len(rows) == 1 else None


def _cell(row: Sequence[str], place: int) -> str:
    return row[place].strip().removeprefix("'") if place < len(row) else ""
