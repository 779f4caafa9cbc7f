"""Dates as people, tools and spreadsheets write them."""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from dataset_convert.values import MAX_LENGTH, SAME_SIGN, AmbiguousValue, BadValue, missing, tidy

DateOrder = Literal["dmy", "mdy"]

A_DATE = "a date such as 2025-10-26, 26.10.2025 18:46 or Oct 26, 2025"
MAX_SECONDS = 1e11  # the year 5138

_MONTH_NAMES = """
    january januar jänner janvier enero gennaio|february februar février febrero febbraio
    |march märz maerz mrz mars marzo|april avril abril aprile|may mai mayo maggio
    |june juni juin junio giugno|july juli juillet julio luglio|august août agosto
    |september septembre septiembre setiembre settembre|october oktober octobre octubre ottobre
    |november novembre noviembre|december dezember décembre diciembre dicembre"""
_WEEKDAY_NAMES = """monday tuesday wednesday thursday friday saturday sunday montag dienstag
    mittwoch donnerstag freitag samstag sonnabend sonntag lundi mardi mercredi jeudi vendredi
    samedi dimanche lunes martes miércoles jueves viernes sábado domingo lunedì martedì mercoledì
    giovedì venerdì sabato domenica"""
_FILLERS = frozenset(
    "de del of the den der le el il um uhr at a alle ore as om op".split()  # noqa: SIM905
)
_HOURS_FROM_UTC = {
    "": 0, "z": 0, "utc": 0, "gmt": 0, "cet": 1, "mez": 1, "bst": 1, "cest": 2, "mesz": 2,
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
}  # fmt: skip
_TIME = re.compile(
    r"(?:^|(?<=[\st,]))(\d{1,2})(?:[:h](\d{2})(?::(\d{2})([.,]\d{1,9})?)?|(?=\s*[ap]\.?m\b))"
    r"\s*([ap])?(?:(?<=[ap])\.?m\b\.?)?\s*((?:utc|gmt|z)?[+-]\d{2}(?::?\d{2})?\b|[a-z]{1,4}\b(?=$|\s))?"
)
_TRIPLE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{4}|\d{2}|\d{1,2}(?=$))")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Day 0 of spreadsheets, which count the 29 February 1900 that never was.
_DAYS_TO_EPOCH = (_EPOCH - datetime(1899, 12, 30, tzinfo=UTC)).days


def _folded(text: str) -> str:
    """Lower case without accents: Décembre is decembre."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c))


def _months() -> dict[str, int]:
    """Month by name and by every beginning of a name that is one month in all languages."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for month, names in enumerate(_MONTH_NAMES.split("|"), start=1):
        for name in _folded(names).split():
            for end in range(3, len(name) + 1):
                found[name[:end]].add(month)
    return {word: month for word, (month, *others) in found.items() if not others}


_MONTHS = _months()
_WEEKDAYS = {n[:end] for n in _folded(_WEEKDAY_NAMES).split() for end in range(2, len(n) + 1)}


def moment(text: str, order: DateOrder | None = None) -> float:
    """Returns seconds since 1970 in UTC, which is also the zone of what names none; NaN if missing.

    Bare numbers: of 8, 12 or 14 digits yyyymmdd[hhmm[ss]] where that is a date; from 25,569 to
    80,000 a spreadsheet's days; up to 1e11 seconds; up to 1e14 milliseconds; up to 1e17
    microseconds.

    Args:
        text: The cell.
        order: The column's order of day and month, for cells such as 05/06/2025.

    Raises:
        AmbiguousValue: A cell such as 05/06/2025, and no `order`.
        BadValue: No date, one that no calendar has, or one outside 1970 to 5138.
    """
    try:
        if text.isascii() and text.isdigit() and len(text) == 10:
            return float(text)
        seconds = _iso(text)
        return seconds if 0 <= seconds <= MAX_SECONDS else _moment(text, order)
    except (OverflowError, OSError):
        raise BadValue(text, A_DATE) from None
    except BadValue:
        raise
    except ValueError:
        raise BadValue(text, f"{A_DATE}; no calendar has this one") from None


@lru_cache(maxsize=10_000)
def _moment(text: str, order: DateOrder | None) -> float:
    plain = " ".join(_folded(tidy(text)[:MAX_LENGTH]).translate(SAME_SIGN).split())
    if missing(text):
        return math.nan
    seconds = _iso(plain)
    if not math.isnan(seconds):
        pass
    elif re.fullmatch(r"\d+(?:[.,]\d+)?", plain):
        seconds = _bare_number(text, plain.replace(",", "."))
    else:
        seconds = _written_date(text, re.sub(r"\(.*\)$", "", plain).strip(), order)
    if not 0 <= seconds <= MAX_SECONDS:
        raise BadValue(text, f"{A_DATE}, from 1970 on")
    return seconds


def _iso(text: str) -> float:
    """Seconds of an ISO date; NaN where it is none that Python reads."""
    if text[4:5] == "-" == text[7:8]:
        try:
            found = datetime.fromisoformat(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            pass
    return math.nan


def _bare_number(text: str, plain: str) -> float:
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(plain))
    if form and re.match(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])", plain) and plain.isdigit():
        return datetime.strptime(plain, form).replace(tzinfo=UTC).timestamp()
    value = float(plain)
    if re.fullmatch("(?:19|20)[0-9]{2}", plain):
        raise BadValue(text, f"{A_DATE}, not a year alone")
    if _DAYS_TO_EPOCH <= value <= 80_000:
        return round((value - _DAYS_TO_EPOCH) * 86_400)
    return value / (1 if value <= MAX_SECONDS else 1e3 if value < 1e14 else 1e6)


def _written_date(text: str, plain: str, order: DateOrder | None) -> float:
    # In 2025-10-26t18:46 the t is no space; in "oct" it is part of a word.
    plain = re.sub(r"(?<=\d)t(?=\d)", " ", plain)
    plain = re.sub(r"(?<=[12]\d{3} )((?:alle )?(?:ore )?\d{1,2})\.(\d\d)$", r"\1:\2", plain)
    time = _TIME.search(plain)
    clock = 0.0
    if time:
        hour, minute, second, part, half, zone = time.groups()
        plain = f"{plain[: time.start()]} {plain[time.end() :]}".strip(" ,")
        if half and not 1 <= int(hour) <= 12:
            raise BadValue(text, A_DATE)
        hours = int(hour) % 12 + 12 * (half == "p") if half else int(hour)
        if hours > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
            raise BadValue(text, A_DATE)
        clock = hours * 3600 + int(minute or 0) * 60 + int(second or 0)
        clock += float("0." + part[1:]) if part else 0
        clock -= _offset(text, zone or "")
    day, month, year = _calendar_day(text, plain, order)
    if year < 100:
        year += 2000 if year < 70 else 1900
    date = datetime(year, month, day, tzinfo=UTC)
    return (date - _EPOCH) / timedelta(seconds=1) + clock


def _offset(text: str, zone: str) -> float:
    """Seconds that a zone is ahead of UTC."""
    numeric = re.search(r"([+-])(\d\d):?(\d\d)?", zone)
    if numeric:
        minutes = int(numeric[2]) * 60 + int(numeric[3] or 0)
        return (-60 if numeric[1] == "-" else 60) * minutes
    if zone in _FILLERS:
        zone = ""
    if zone not in _HOURS_FROM_UTC:
        raise BadValue(text, f"{A_DATE}; zones are written as +02:00")
    return _HOURS_FROM_UTC[zone] * 3600


def _calendar_day(text: str, plain: str, order: DateOrder | None) -> tuple[int, int, int]:
    """Day, month and year of a date without its time."""
    plain = re.sub(r"(?<=\d)\.\s+(?=\d)", ".", plain)
    words = re.findall(r"[^\W\d_]+|\d+", plain)
    months = [word for word in words if word in _MONTHS]
    if not months:
        triple = _TRIPLE.search(plain)
        rest = (plain[: triple.start()] + plain[triple.end() :]) if triple else ""
        if triple and all(w in _WEEKDAYS | _FILLERS for w in re.findall(r"[^\W_]+", rest)):
            return _numeric_day(text, triple, order)
        month_only = re.fullmatch(r"(\d{4})[-/.](\d\d?)|(\d\d?)[-/.](\d{4})", plain)
        if month_only:
            return 1, int(month_only[2] or month_only[3]), int(month_only[1] or month_only[4])
        raise BadValue(text, A_DATE)
    # In Romance languages "mar" is Tuesday before it is March.
    if len(months) == 2 and months[0] in _WEEKDAYS:
        words.remove(months.pop(0))
    numbers = [int(w) for w in words if w.isdigit() and len(w) < 5]
    others = {w for w in words if not w.isdigit()} - {months[0]} - _WEEKDAYS - _FILLERS
    if len(months) > 1 or others - {"st", "nd", "rd", "th", "er", "o"} or not 1 <= len(numbers) < 3:
        raise BadValue(text, A_DATE)
    if len(numbers) == 1:
        numbers = [1, *numbers] if numbers[0] > 31 else []
    elif numbers[0] > 31:
        numbers.reverse()
    if not numbers:
        raise BadValue(text, f"{A_DATE}, with its year")
    return numbers[0], _MONTHS[months[0]], numbers[1]


def _numeric_day(text: str, triple: re.Match[str], order: DateOrder | None) -> tuple[int, int, int]:
    first, sign, second, last = triple.groups()
    a, b, c = int(first), int(second), int(last)
    if len(first) == 4:
        return c, b, a
    if len(first) > 2 or len(last) == 1:
        raise BadValue(text, A_DATE)
    # Nobody writes month-first with dots.
    if sign == "." or a > 12 or a == b:
        return a, b, c
    if b > 12:
        return b, a, c
    if order is None:
        raise AmbiguousValue(text, "to be told whether day or month comes first in the column")
    return (a, b, c) if order == "dmy" else (b, a, c)


def find_date_order(texts: Iterable[str]) -> DateOrder | None:
    """Returns whether day or month stands first in a column's dates such as 26/10/2025.

    None where no cell tells (no number is above 12), or where they contradict each other.
    """
    orders: set[DateOrder] = set()
    for text in texts:
        triple = _TRIPLE.search(tidy(text[:MAX_LENGTH]).translate(SAME_SIGN))
        if triple and triple[2] != "." and len(triple[1]) < 3:
            if int(triple[1]) > 12 >= int(triple[3]):
                orders.add("dmy")
            elif int(triple[3]) > 12 >= int(triple[1]):
                orders.add("mdy")
    return orders.pop() if len(orders) == 1 else None


def odd_moment(seconds: float, now: float) -> str | None:
    """Returns what is odd, in words: before 2004, after tomorrow; None if nothing is."""
    if seconds < datetime(2004, 1, 1, tzinfo=UTC).timestamp():
        return "before 2004, when there were no such accounts"
    return "later than tomorrow" if seconds > now + 86_400 else None
