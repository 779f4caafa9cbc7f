"""Dates in all spellings."""

# ruff: noqa: E501 (tables of odd spellings are what these tests are)

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.dates import MAX_SECONDS, find_date_order, moment, odd_moment
from dataset_convert.values import AmbiguousValue, BadValue

ODD_TEXT = st.text(st.sampled_from("0123456789.-/:, tTzZ+octMay'pm")) | st.text()

SPELLINGS = {
    "2025-10-26T18:46:00": """2025-10-26T18:46:00|2025-10-26T18:46|2025-10-26 18:46|2025-10-26T18:46:00Z
        |2025-10-26T18:46:00.000Z|2025-10-26T18:46:00+00:00|2025-10-26T18:46:00+0000|2025-10-26T20:46:00+02:00
        |2025-10-26 18:46:00 UTC|2025-10-26 18:46:00+00|2025-10-26 13:46:00 -0500|2025/10/26 18:46:00
        |26.10.2025 18:46|26/10/2025 18.46|26/10/2025 alle ore 18.46|26/10/2025 às 18:46
        |26.10.2025, 18:46 Uhr|26.10.25 18:46|26/10/2025 18:46:00|26-10-2025 18:46
        |10/26/2025 6:46 PM|10/26/2025, 6:46:00 p.m.|10/26/25 06:46PM|Oct 26, 2025 6:46 PM
        |Wed Oct 26 18:46:00 +0000 2025|Sun, 26 Oct 2025 18:46:00 GMT|Sun, 26 Oct 2025 19:46:00 +0100
        |Sun Oct 26 2025 18:46:00 GMT+0000 (Coordinated Universal Time)|October 26, 2025 at 6:46 PM
        |26. Oktober 2025 um 18:46 Uhr|26 octobre 2025 à 18h46|20251026184600|202510261846|1761504360
        |1761504360000|1761504360000000|1761504360.0|26 oct. 2025 18:46|2025-10-26 19:46 CET|18:46 26.10.2025
        |26 ottobre 2025 alle 18:46|\ufeff2025-10-26 18:46|2025-10-26\u00a018:46|2025-10-26\u202f6:46\u202fPM""",
    "2025-05-31T00:00:00": """2025-05-31|2025/05/31|2025.05.31|20250531|31.05.2025|31.5.2025|31. 5. 2025
        |31/05/2025|05/31/2025|31-05-2025|31-05-25|31.05.25|5/31/25|31 mai 2025|31. Mai 2025|Mai 31, 2025
        |May 31, 2025|May 31 2025|May 31st, 2025|31st of May, 2025|31 May 2025|31-May-2025|31-May-25|2025-May-31
        |31 de mayo de 2025|31 mayo 2025|31 maggio 2025|31 mag 2025|sábado, 31 de mayo de 2025|45808|45808.0
        |45808,0|Samstag, 31. Mai 2025|Sat 31 May 2025|31MAY2025|31.Mai.2025|12:00 AM 5/31/2025|="2025-05-31" """,
    "2024-03-01T00:00:00": """1er mars 2024|1. März 2024|1 marzo 2024|1 mar 2024|March 1, 2024|1. Maerz 2024
        |1. Mrz. 2024|1º marzo 2024|ven. 1 mars 2024""",
    "2024-03-05T00:00:00": "mar. 5 mars 2024|mar 5 mar 2024|martes, 5 de marzo de 2024",
    "2024-02-29T00:00:00": "29 févr. 2024|29 fév 2024|29. Feb. 2024|29 feb 2024|29 février 2024|29 febbraio 2024",
    "2024-08-02T00:00:00": "2 août 2024|2 aout 2024|2. Aug 2024|2 ago 2024|2 agosto 2024",
    "2024-12-25T00:00:00": "25 déc. 2024|25. Dez. 2024|25 dic 2024|Dec 25 2024|25. Dezember 2024|25 dicembre 2024",
    "2024-01-07T00:00:00": "7 janv. 2024|7. Jan. 2024|7. Jänner 2024|7 ene 2024|7 gen 2024|7 enero 2024",
    "2024-07-14T00:00:00": "14 juil. 2024|14 juillet 2024|14. Juli 2024|14 jul 2024|14 lug 2024|14 luglio 2024",
    "2024-06-14T00:00:00": "14 juin 2024|14. Juni 2024|14 jun 2024|14 giu 2024|14 junio 2024",
    "2024-09-14T00:00:00": "14 sept. 2024|14. Sep. 2024|14 set 2024|14 septiembre 2024|14 settembre 2024",
    "2025-05-01T00:00:00": "2025-05|05/2025|May 2025|Mai 2025|mayo de 2025",
    "2025-10-26T18:00:00": "45956.75|10/26/2025 6 PM",
}
SPELLED = [
    (spelling.rstrip(), right)
    for right, spellings in SPELLINGS.items()
    for spelling in "".join(spellings.split("\n        ")).split("|")
]


@pytest.mark.parametrize(("spelling", "right"), SPELLED)
def test_a_date_is_read_in_every_spelling(spelling: str, right: str) -> None:
    assert moment(spelling) == datetime.fromisoformat(right + "+00:00").timestamp()


def test_the_order_of_the_column_settles_what_has_two_readings() -> None:
    may, june = (datetime(2025, *day, tzinfo=UTC).timestamp() for day in ((6, 5), (5, 6)))
    assert moment("05/06/2025", "dmy") == moment("5-6-25", "dmy") == moment("05.06.2025") == may
    assert moment("05/06/2025", "mdy") == june
    assert moment("05/05/2025") == moment("05.05.2025")
    assert moment("05/31/2025", "dmy") == moment("31/05/2025", "mdy") == moment("2025-05-31")
    with pytest.raises(AmbiguousValue, match="whether day or month comes first"):
        moment("05/06/2025")


@pytest.mark.parametrize(
    ("spelling", "word"),
    [
        ("31/02/2025", "no calendar"),
        ("2025-02-30", "no calendar"),
        ("30 février 2024", "no calendar"),
        ("29.02.2025", "no calendar"),
        ("20250231", "no calendar"),
        ("31.13.2025", "no calendar"),
        ("13/13/2025", "no calendar"),
        ("2025-13-01", "no calendar"),
        ("2025-10-26T25:00:00", ""),
        ("0000-00-00", "no calendar"),
        ("Q2 2025", ""),
        ("2025", "not a year alone"),
        ("May", ""),
        ("26 May", "with its year"),
        ("26.10.2025 25:00", ""),
        ("26.10.2025 13:00 PM", ""),
        ("26.10.2025 18:46 XYZ", "zones"),
        ("26 May June 2025", ""),
        ("26 jui 2025", ""),
        ("1 2 3", ""),
        ("yesterday", ""),
        ("-5", ""),
        ("1899-12-31", "from 1970"),
        ("9" * 30, "from 1970"),
        ("12/2025/1", ""),
    ],
)
def test_what_is_no_date_says_what_is_wanted(spelling: str, word: str) -> None:
    with pytest.raises(BadValue, match=r"found .* wanted a date such as .*" + word) as error:
        moment(spelling)
    assert error.value.found == spelling


def test_bare_numbers_are_told_apart_by_their_size() -> None:
    assert moment("0") == 0
    assert moment("100") == 100
    assert moment("25568") == 25_568
    assert moment("25570") == 86_400
    assert moment("80000") == datetime(2119, 1, 11, tzinfo=UTC).timestamp()
    assert moment("80001") == 80_001
    assert moment("45956.78") == datetime(2025, 10, 26, 18, 43, 12, tzinfo=UTC).timestamp()
    assert moment(str(10**11)) == MAX_SECONDS
    assert moment(str(10**11 + 1)) == pytest.approx(10**8)
    assert moment("1761504360123") == 1761504360.123
    assert moment("1761504360123456") == 1761504360.123456


def test_missing_dates_are_nan() -> None:
    assert all(math.isnan(moment(cell)) for cell in ("", "N/A", "-", "#REF!", "\u00a0"))


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["26/10/2025"], "dmy"),
        (["10/26/2025", "01/02/2025"], "mdy"),
        (["01-31-25 12:00"], "mdy"),
        (["01/02/2025", "03/04/2025"], None),
        (["26/10/2025", "10/26/2025"], None),
        (["26.10.2025", "2025-10-26", "nonsense"], None),
        ([], None),
    ],
)
def test_the_order_is_found_by_the_column(cells: list[str], order: str | None) -> None:
    assert find_date_order(cells) == order


def test_dates_out_of_their_time_are_told() -> None:
    now = datetime(2025, 10, 26, tzinfo=UTC).timestamp()
    assert odd_moment(now, now) is None
    assert odd_moment(now + 86_400, now) is None
    assert "tomorrow" in (odd_moment(now + 86_401, now) or "")
    assert "2004" in (odd_moment(moment("2003-12-31"), now) or "")
    assert odd_moment(moment("2004-01-01"), now) is None


@given(ODD_TEXT, st.sampled_from(["dmy", "mdy", None]))
def test_any_text_gives_a_moment_or_words(text: str, order: object) -> None:
    try:
        seconds = moment(text, order)  # type: ignore[arg-type]
    except BadValue as error:
        assert error.found == text
    else:
        assert math.isnan(seconds) or 0 <= seconds <= MAX_SECONDS
    find_date_order([text])


@given(st.datetimes(datetime(2004, 1, 1), datetime(2069, 12, 31)))
def test_a_moment_is_the_same_in_every_form(when: datetime) -> None:
    when = when.replace(microsecond=0, tzinfo=UTC)
    forms = ["%Y-%m-%dT%H:%M:%SZ", "%d.%m.%y %H:%M:%S", "%B %d, %Y %I:%M:%S %p", "%Y%m%d%H%M%S",
             "%a, %d %b %Y %H:%M:%S +0000", "%a %b %d %H:%M:%S +0000 %Y", "%c"]  # fmt: skip
    assert {moment(when.strftime(form)) for form in forms} == {when.timestamp()}
    assert moment(when.strftime("%d/%m/%Y %H:%M:%S"), "dmy") == when.timestamp()
    assert moment(when.strftime("%m/%d/%Y %H:%M:%S"), "mdy") == when.timestamp()
