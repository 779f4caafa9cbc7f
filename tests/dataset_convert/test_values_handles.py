"""Accounts in all spellings, and several in one cell."""

# ruff: noqa: E501, RUF001 (tables of odd spellings are what these tests are)

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataset_convert.handles import damaged_id, handle, platform, split_handles
from dataset_convert.values import BadValue, count

ODD_TEXT = (
    st.lists(
        st.sampled_from(
            [
                "@",
                "x.com/",
                "instagram.com/",
                "/",
                "https://",
                "www.",
                "a",
                "B",
                ".",
                " ",
                "IG: ",
                "(ig)",
                "%2F",
            ]
        )
    ).map("".join)
    | st.text()
)

SPELLINGS = """lena.moves|@lena.moves|Lena.Moves|LENA.MOVES| lena.moves |@ lena.moves|@@lena.moves|lena.moves/
|\u200blena.moves|lena.moves\u200b|\ufefflena.moves|\u202alena.moves\u202c|\u2066@lena.moves\u2069|lena.moves\u00a0
|＠lena.moves|﹫lena.moves|ｌｅｎａ.moves|"lena.moves"|'@lena.moves|="lena.moves"|lena.moves,|lena.moves (IG)
|lena.moves [TikTok]|IG: lena.moves|Instagram: @lena.moves|insta @lena.moves|Lena Moves @lena.moves
|Lena (@lena.moves)|instagram.com/lena.moves|https://www.instagram.com/lena.moves/
|http://instagram.com/lena.moves?igsh=abc|HTTPS://WWW.INSTAGRAM.COM/Lena.Moves|https://m.instagram.com/lena.moves
|https://instagram.com/lena.moves#top|https://www.instagram.com/lena.moves/reel/Cabc/|instagr.am/lena.moves
|https://www.instagram.com/stories/lena.moves/123/|instagram.com/_u/lena.moves|instagram.com//lena.moves
|<https://instagram.com/lena.moves>|[Lena](https://instagram.com/lena.moves)|IG: https://instagram.com/lena.moves
|=HYPERLINK("https://instagram.com/lena.moves";"Lena")|instagram.com/@lena.moves|instagram.com/lena%2Emoves
|tiktok.com/@lena.moves|www.tiktok.com/@Lena.Moves?lang=de|https://m.tiktok.com/@lena.moves/
|https://www.tiktok.com/@lena.moves/video/7300000000000000000|youtube.com/@lena.moves
|https://www.youtube.com/@lena.moves/videos|youtube.com/c/lena.moves|https://m.youtube.com/user/lena.moves/about
|youtube.com/lena.moves|facebook.com/lena.moves|https://de-de.facebook.com/lena.moves/posts/1|fb.com/lena.moves
|facebook.com/pg/lena.moves|x.com/lena.moves|https://twitter.com/lena.moves/status/12?s=20|mobile.twitter.com/lena.moves
|threads.net/@lena.moves|twitch.tv/lena.moves|snapchat.com/add/lena.moves|linkedin.com/in/lena.moves/
|pinterest.de/lena.moves""".replace("\n", "").split("|")  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_account_is_the_same_in_every_spelling(spelling: str) -> None:
    assert handle(spelling) == "lena.moves"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("none", "none"),
        ("N/A", "n/a"),
        ("Acme Fitness", "acme fitness"),
        ("Acme  Fitness", "acme fitness"),
        ("H&M", "h&m"),
        ("Acme Inc.", "acme inc."),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("Ｌｅｎａ", "lena"),
        ("Cafe\u0301", "café"),
        ("МАША", "маша"),
        ("ＵＣ_x", "uc_x"),
        ("x", "x"),
        ("instagram", "instagram"),
        ("netflix.com/lena", "netflix.com/lena"),
        ("https://www.acme.com/", "acme.com"),
        ("www.acme.com", "acme.com"),
        ("https://shop.acme.com/about?id=3", "shop.acme.com/about?id=3"),
        ("anna@mail.com", "anna@mail.com"),
        ("17841400000000001", "17841400000000001"),
        ("12345678.0", "12345678"),
        ("4711.0", "4711.0"),
        ("1.5e7", "1.5e7"),
        ("facebook.com/profile.php?id=1000&ref=x", "1000"),
        ("facebook.com/people/Lena-Moves/1000/", "1000"),
        ("facebook.com/p/Lena-Moves-1000/", "1000"),
        ("youtube.com/channel/UCabcDEF-_1", "ucabcdef-_1"),
        ("linkedin.com/company/acme", "acme"),
    ],
)
def test_other_names_are_what_they_are(spelling: str, name: str) -> None:
    assert handle(spelling) == name


def test_exact_keeps_letters() -> None:
    assert handle("@Lena.Moves", exact=True) == "Lena.Moves"
    assert handle("https://instagram.com/Lena.Moves/?x=1", exact=True) == "Lena.Moves"
    assert handle("Ⅸ ß", exact=True) == "Ⅸ ß"
    assert handle("Cafe\u0301", exact=True) == "Café"


@pytest.mark.parametrize(
    "spelling",
    """https://www.instagram.com/p/Cabc/|instagram.com/reel/Cabc|instagram.com/explore/tags/ad
    |https://www.instagram.com/|https://instagram.com|instagram.com/stories/highlights/12/|tiktok.com/tag/ad
    |https://vm.tiktok.com/ZMabc/|youtube.com/watch?v=abc|youtube.com/shorts/abc|https://youtu.be/
    |facebook.com/groups/12|facebook.com/profile.php|facebook.com/watch?v=1|x.com/i/lists/1|x.com/home
    |twitch.tv/videos/1|pinterest.com/pin/1|linkedin.com/posts/x|threads.net/t/abc""".replace(
        "\n    ", ""
    ).split("|"),
)
def test_addresses_of_posts_and_places_are_no_accounts(spelling: str) -> None:
    with pytest.raises(BadValue, match="this address is a post's, or that of no account"):
        handle(spelling)


@pytest.mark.parametrize("spelling", ["", " ", "@", "\u200b", "https://", "www.", "@/", "a" * 3000])
def test_nothing_is_no_account(spelling: str) -> None:
    with pytest.raises(BadValue, match="wanted an account"):
        handle(spelling)


@pytest.mark.parametrize("spelling", ["1.78414E+16", "1,78414e+16", " 2E+15 "])
def test_ids_that_a_spreadsheet_has_damaged_are_named(spelling: str) -> None:
    assert damaged_id(spelling)
    with pytest.raises(BadValue, match="an id that a spreadsheet has damaged"):
        handle(spelling)
    assert not damaged_id("17841400000000000")


@pytest.mark.parametrize(
    ("cell", "accounts"),
    [
        ("@lena", "lena"),
        ("@a, @b & @c", "a|b|c"),
        ("@a, b", "a|b"),
        ("@a,@b,@a", "a|b"),
        ("a.b, c.d", "a.b|c.d"),
        ("a.b / c.d", "a.b|c.d"),
        ("@a/@b", "a|b"),
        ("@a @b", "a|b"),
        ("@a; b", "a|b"),
        ("A\nB C", "a|b c"),
        ("@a | @b", "a|b"),
        ("@a und @b", "a|b"),
        ("@a x @b", "a|b"),
        ("['Glow Bar', \"Oats\"]", "glow bar|oats"),
        ("[a, 1", "[a, 1"),
        ("@Lena Moves & @tom", "lena moves|tom"),
        ("https://instagram.com/a/, tiktok.com/@b", "a|b"),
        ("https://instagram.com/a/ https://instagram.com/b/", "a|b"),
        ('=HYPERLINK("https://instagram.com/a";"A")', "a"),
        ("https://www.instagram.com/lena/", "lena"),
    ]
    + [
        (name, name.lower())
        for name in ("H&M", "a&b", "Ben and Co", "Acme, Inc.", "Rock / Pop Club", "mix x master")
    ],
)
def test_a_cell_of_several_accounts_is_split_and_one_name_is_not(cell: str, accounts: str) -> None:
    assert split_handles(cell) == accounts.split("|")


def test_a_sign_that_is_given_parts_names() -> None:
    assert split_handles("Glow Bar, H&M ,, Glow bar", sign=",") == ["glow bar", "h&m"]
    assert split_handles("Rock / Pop", sign=",") == ["rock / pop"]
    with pytest.raises(BadValue):
        split_handles(" , ", sign=",")


def test_several_accounts_are_not_one() -> None:
    with pytest.raises(BadValue, match="here are several"):
        handle("@a, @b")


def test_a_platform_cell_has_one_word() -> None:
    assert {platform(word) for word in ("IG", " Instagram ", "insta", "INSTAGRAM")} == {"instagram"}
    assert platform("Mastodon") == "mastodon"


@given(ODD_TEXT, st.booleans())
@example("@a, @b", False)
def test_an_account_is_itself_or_words(text: str, exact: bool) -> None:
    try:
        found = handle(text, exact=exact)
    except BadValue:
        pass
    else:
        assert found
        assert handle(found, exact=exact) == found
        found.encode()
    try:
        accounts = split_handles(text, exact=exact)
        assert accounts
        assert len(set(accounts)) == len(accounts)
    except BadValue:
        pass


@given(st.from_regex(r"[a-z0-9_][a-z0-9_.]{0,28}[a-z_]", fullmatch=True), st.data())
def test_any_plain_name_is_the_same_in_every_spelling(name: str, data: st.DataObject) -> None:
    spelling = data.draw(st.sampled_from([text for text in SPELLINGS if "lena.moves" in text]))
    if not name.startswith("www."):
        assert handle(spelling.replace("lena.moves", name)) == name


@pytest.mark.slow
def test_plain_cells_cost_about_a_microsecond() -> None:
    began = time.perf_counter()
    for i in range(200_000):
        count(str(i))
        handle(f"name{i}")
    assert time.perf_counter() - began < 2
