"""Cells that are missing, numbers in all spellings, and text that was read in a wrong encoding."""

# ruff: noqa: E501, RUF001 (tables of odd spellings are what these tests are)

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.values import (
    AmbiguousValue,
    BadValue,
    count,
    find_decimal_sign,
    missing,
    mojibake,
    number,
    repaired,
    tidy,
)

ODD_TEXT = (
    st.text(st.sampled_from("0123456789.,' -+()%kKMmioe€$~\u00a0\u202f\u0661\u200b½²x")) | st.text()
)

COUNTS = {
    12_400: """12400|12.4K|12.4k|12,4K|12,4 Tsd.|12,4 Tsd|12.400|12,400|12 400|12\u00a0400|12\u202f400
        |12\u2009400|12'400|12’400|12400.0|12,400.00|12.400,00|1.24E+04|1.24e4|12400+|~12400|ca. 12.400
        |≈12,4k|>12.4K|>12400|12.4K followers|12,400 Follower|12.4k+|١٢٤٠٠|١٢٬٤٠٠|１２４００
        |\ufeff12400|\u200e12400|12400\u200b|="12400"|'12400|12.4 thousand|12,4 mil|12,4 mila
        |12.4K Abonnenten|circa 12400|12400.|0012400|1.24万|0.124 lakh""",
    1_200_000: """1.2M|1,2M|1.2 m|1,2 Mio|1,2 Mio.|1.2 million|1.2 Millionen|1,2 millones|1.2mn|1.200.000
        |1,200,000|1 200 000|1'200'000|12,00,000|1.2E6|1200K|1.2M subscribers|12 lakh|120万|0,0012 Mrd""",
    15_004: "15.004|15,004|15 004",
    84_644: "84,644|84.644",
    1_234_567: "1.234.567|1,234,567|12,34,567|1 234 567",
    123_456: "1,23,456",
    1_089: "1089.0|1,089|1.089",
    105_400_000: "105.4M|105,4 Mio.|10.54 crore",
    2_000_000_000: "2 Mrd|2B|2 bn|2 Milliarden|2 milliards",
    2_000: "2 Tsd.|2k|2 mille|2.000|2,000",
    1_000: "1.000|1,000|1K|>1k",
    900: "0.9K|900|0,9 k",
    0: "0|0.0|0K",
    7: "7|007",
}
SPELLED = [
    (spelling, value)
    for value, spellings in COUNTS.items()
    for spelling in "".join(spellings.split("\n        ")).split("|")
]


@pytest.mark.parametrize(("spelling", "value"), SPELLED)
def test_a_count_is_read_in_every_spelling(spelling: str, value: int) -> None:
    assert count(spelling) == value


@pytest.mark.parametrize("spelling", ["-1", "-12", "−1", "(12)", "-1.0", "N/A", "", "-", "\u00a0"])
def test_negative_and_missing_counts_are_missing(spelling: str) -> None:
    assert math.isnan(count(spelling))


@pytest.mark.parametrize(
    ("spelling", "word"),
    [
        ("10k-20k", "not a range"),
        ("10K–50K", "not a range"),
        ("10k to 20k", "not a range"),
        ("10 bis 20", "not a range"),
        ("10,4 k+2k", "12.4K"),
        ("12.5", "no decimals"),
        ("12.4000", "no decimals"),
        ("1.5e-1", "no decimals"),
        ("0.500", "no decimals"),
        ("1,234K", "written out"),
        ("<1000", "such as"),
        ("12 apples", "such as"),
        ("hidden", "such as"),
        ("12%", "such as"),
        ("12 €", "such as"),
        ("1.78414E+400", "an id"),
        ("17841400000000000", "an id"),
        ("12_400", "such as"),
        ("12²", "such as"),
        ("1,2345,678", "such as"),
        ("K", "such as"),
        ("infinity", "such as"),
        ("9" * 50, "an id"),
        ("9" * 200, "such as"),
    ],
)
def test_what_is_no_count_says_what_is_wanted(spelling: str, word: str) -> None:
    with pytest.raises(BadValue, match="found .* wanted .*" + word) as error:
        count(spelling)
    assert error.value.found == spelling


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("0.034", 0.034),
        ("0,034", 0.034),
        ("3.4", 3.4),
        ("3,4", 3.4),
        ("3.4%", 0.034),
        ("3,4 %", 0.034),
        ("6,8 %", 0.068),
        ("6,8\u00a0%", 0.068),
        ("25 ‰", 0.025),
        ("141 €", 141),
        ("€ 250", 250),
        ("250€", 250),
        ("EUR 250", 250),
        ("$1,200.50", 1200.5),
        ("US$ 1,200.50", 1200.5),
        ("1.200,50 EUR", 1200.5),
        ("1.2k €", 1200),
        ("1,2k€", 1200),
        ("1,2 Mio. EUR", 1_200_000),
        ("CHF 1'200.–", 1200),
        ("CHF 1'200.50", 1200.5),
        ("1.200,- €", 1200),
        ("£1,234,567", 1_234_567),
        ("99,- €", 99),
        ("1 234,5 zł", 1234.5),
        ("R$ 1.234,50", 1234.5),
        ("(12)", -12),
        ("($1,200.50)", -1200.5),
        ("−5", -5),
        ("-0.5", -0.5),
        ("5-", -5),
        ("+5", 5),
        ("-5 %", -0.05),
        ("1e-3", 0.001),
        ("1.5E+2", 150),
        (".5", 0.5),
        (",5", 0.5),
        ("~ 3.5", 3.5),
        ("٣٫٥", 3.5),
        ("12'345.6", 12345.6),
        ("1.234.567", 1_234_567),
        ("0", 0),
    ],
)
def test_a_number_tells_its_own_sign(spelling: str, value: float) -> None:
    assert number(spelling) == pytest.approx(value, rel=1e-15)


def test_the_sign_of_the_column_settles_what_has_two_readings() -> None:
    assert number("1,234", ".") == number("1.234", ",") == 1234
    assert number("1,234", ",") == number("1.234", ".") == 1.234
    assert number("3,45", ".") == 3.45
    with pytest.raises(AmbiguousValue, match="decimal sign"):
        number("1,234")


@pytest.mark.parametrize("spelling", ["abc", "1-2", "1.2.3", "12 %%", "1,2,3", "1e999", "1/2", "%"])
def test_what_is_no_number_is_refused(spelling: str) -> None:
    with pytest.raises(BadValue, match="wanted a number such as"):
        number(spelling)


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["3,45"], ","),
        (["1,234", "3.5"], "."),
        (["1.234", "1.234,5", "12"], ","),
        (["12,345.6"], "."),
        (["1.234.567"], ","),
        (["1,234,567 €"], "."),
        (["0,034", "N/A", "nonsense"], ","),
        (["1,234", "5,678", "12", "7"], None),
        (["3,4", "3.4"], None),
        ([], None),
    ],
)
def test_the_decimal_sign_is_found_by_the_column(cells: list[str], sign: str | None) -> None:
    assert find_decimal_sign(cells) == sign


@pytest.mark.parametrize(
    "cell",
    """|N/A|n/a|NA|n.a.|N.A|k. A.|k.A.|-|--|---|–|—|?|...|(blank)|(leer)|[none]|<NA>|<null>|Unknown|UNKNOWN
    |unbekannt|null|NULL|None|nan|NaN|undefined|#N/A|#REF!|#BEZUG!|#DIV/0!|#VALUE!|#¡VALOR!|#NAME?|#NV
    |#N/D|#NUM!|Keine Angabe|not available|(not set)|\\N|\u00a0|\u200b|\ufeff| - |\t|=""|s/o|#NULL!
    """.replace("\n    ", "").split("|"),
)  # fmt: skip
def test_words_for_nothing_are_missing(cell: str) -> None:
    assert missing(cell)


@pytest.mark.parametrize(
    "cell", ["0", "no", "nana", "#ad", "#1!", "❤️", "Nanna", "a", "#love", "unknown_x"]
)
def test_what_says_something_is_not_missing(cell: str) -> None:
    assert not missing(cell)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("schÃ¶n", "schön"),
        ("donâ€™t", "don’t"),
        ("cafÃ©", "café"),
        ("MÃ\x9cNCHEN", "MÜNCHEN"),
        ("MÃœNCHEN", "MÜNCHEN"),
        ("zÅ‚oty", "złoty"),
        ("ðŸ˜€ ok ❤️", "😀 ok ❤️"),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
        ("ï»¿id", "\ufeffid"),
        ("10Â\u00a0€", "10\u00a0€"),
    ],
)
def test_text_of_a_wrong_encoding_is_found_and_repaired(text: str, right: str) -> None:
    assert mojibake(text)
    assert repaired(text) == right


@pytest.mark.parametrize(
    "text", ["schön", "CAFÉ”", "SÃO PAULO", "É…", "Spaß…", "MENÜ“", "naïve", "❤️"]
)
def test_right_text_is_left_alone(text: str) -> None:
    assert repaired(text) == text
    assert not mojibake(text)


def test_lost_characters_are_no_right_text() -> None:
    assert mojibake("sch\ufffdn")


@given(ODD_TEXT)
def test_any_text_gives_a_value_or_words(text: str) -> None:
    for read in (count, number, lambda cell: number(cell, ",")):
        try:
            assert not math.isinf(read(text))
        except BadValue as error:
            assert error.found == text
    assert missing(tidy(text)) == missing(text)
    assert tidy(text) == tidy(text).strip()
    repaired(text)


@given(st.integers(0, 10**12))
def test_a_count_is_the_same_with_any_separator(n: int) -> None:
    spellings = [f"{n:,}".replace(",", sign) for sign in ",.' \u202f"]
    assert {count(text) for text in [str(n), f"{n}.0", *spellings]} == {n}


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from(".,"))
def test_a_price_is_the_same_with_either_sign(value: object, sign: str) -> None:
    text = f"{value:,.2f}"
    text = text if sign == "." else text.translate({44: ".", 46: ","})
    assert number(f"{text} €") == number(text) == float(str(value))
