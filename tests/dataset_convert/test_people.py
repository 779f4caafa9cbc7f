"""What tables say of people: platforms, facts, captions that tell of collaborations, losses."""

import csv
from pathlib import Path
from typing import Any

import pytest

from dataset_convert import schema
from dataset_convert.__main__ import main
from dataset_convert.atomic import AtomicFileError, read_atomic
from dataset_convert.problems import Concealment, ConversionError, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.sources import tables

BRANDS = [(f"haus{n}", "food") for n in range(10)]
CREATORS = [(f"ada{n}", 1000 + n) for n in range(20)]
PAIRS = [(f"haus{n % 10}", f"ada{n}") for n in range(20)]
POSTS = [(f"ada{n}", "soup bake butter", f"2025-01-0{1 + n % 9}") for n in range(20)]


def write(folder: Path, table: str, *rows: Any) -> None:
    with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "given"
    found.mkdir()
    write(found, "brands", ("id", "category"), *BRANDS)
    write(found, "influencers", ("id", "followers"), *CREATORS)
    write(found, "collaborations", ("brand", "influencer"), *PAIRS)
    write(found, "posts", ("account", "text", "timestamp"), *POSTS)
    return found


def read(folder: Path, **options: Any) -> tuple[RawMaterial, Problems]:
    problems = Problems()
    return tables.read(folder, options, problems), problems


def pairs(material: RawMaterial) -> set[tuple[str, str]]:
    frame = material.collaborations
    return set(zip(frame["brand_id"], frame["influencer_id"], strict=True))


def convert(folder: Path, *more: str, yaml: str = "pseudonyms: False") -> int:
    settings = folder.parent / "convert.yaml"
    settings.write_text(yaml + "\nfeatures: {content_topics: ~, attributes: ~}\n")
    command = ["--source", "tables", "--input", str(folder), "--name", "own"]
    return main([*command, "--config", str(settings), "--output", str(folder.parent), *more])


# --- losses


def test_losses_are_told_by_kind_with_shares_and_what_would_mend_them(folder: Path) -> None:
    write(folder, "influencers", ("id", "name"), *((f"x{n}", f"Ada {n // 2}") for n in range(20)))
    write(folder, "collaborations", ("brand", "influencer"), ("haus1", "x1"), ("haus2", "Q"))
    write(
        folder, "posts", ("account", "text"), *((f"Ada {n}", "soup") for n in range(9)), ("x1", "s")
    )
    material, problems = read(folder)
    assert material.n_posts == 1
    first, second = problems.groups()
    assert (first.table, first.n, first.of, first.is_loss) == ("posts", 9, 10, True)
    assert first.remedy.startswith("9 of 9 would match by the accounts' names")
    assert str(first).startswith(
        "posts: 9 of 10 rows (90 %) left out, e.g. posts.csv, row 2, column"
    )
    assert (second.table, second.n, second.of) == ("collaborations", 1, 2)
    assert second.remedy.startswith("Add these accounts")
    with pytest.raises(
        ConversionError, match=r"9 of 10 rows of posts \(90 %\) and 1 of 2 rows of "
    ):
        problems.check_losses()


def test_accounts_are_called_by_a_name_that_they_alone_have(folder: Path) -> None:
    (folder / "posts.csv").unlink()
    names = ("Ada Moves", "Bo Bakes", "Bo Bakes", "x1")
    write(folder, "influencers", ("id", "name"), *((f"x{n}", name) for n, name in enumerate(names)))
    rows = [("haus1", "ADA  moves"), ("haus1", "x1"), ("haus2", "bo.bakes")]
    write(folder, "collaborations", ("brand", "influencer"), *rows)
    material, problems = read(folder)
    # What is an id is one, whoever else is called so; of two of a name nobody is meant.
    assert pairs(material) == {("haus1", "x0"), ("haus1", "x1")}
    assert problems.n_skipped == 1
    assert problems.said == [
        ("1 row of collaborations calls accounts by name.", "e.g. ADA  moves is x0")
    ]


@pytest.mark.parametrize(
    ("ids", "theirs", "options", "remedy"),
    [
        ("Ada.", "ADA.", {"handles": "exact"}, "in small letters: leave out 'handles: exact'"),
        ("ada_", "ada", {}, "without dots, lines and spaces"),
        ("ada", "1784140000", {}, "Here are numbers, there names"),
    ],
)
def test_remedies(
    ids: str, theirs: str, options: dict[str, Any], remedy: str, folder: Path
) -> None:
    write(folder, "influencers", ("id",), *((f"{ids}{n}",) for n in range(20)))
    write(folder, "collaborations", ("brand", "influencer"), ("haus1", f"{ids}1"))
    write(folder, "posts", ("account", "text"), (f"{ids}1", "s"), (f"{theirs}2", "soup"))
    _, problems = read(folder, **options)
    assert remedy in problems.groups()[0].remedy


def test_swapped_columns_are_named(folder: Path) -> None:
    swapped = [(i, b) for b, i in PAIRS[1:]]
    write(folder, "collaborations", ("brand", "influencer"), PAIRS[0], *swapped)
    _, problems = read(folder)
    assert "columns of brands and influencers swapped" in problems.groups()[0].remedy


def test_repeated_rows_are_no_loss(folder: Path) -> None:
    write(folder, "collaborations", ("brand", "influencer"), *PAIRS, *PAIRS, *PAIRS)
    _, problems = read(folder)
    assert problems.n_skipped == 40
    problems.check_losses()


def test_rows_that_cannot_be_read_count_as_lost(folder: Path) -> None:
    lines = [*("ada1,soup" for _ in range(5)), *("ada1,soup,more" for _ in range(5))]
    (folder / "posts.csv").write_text("account,text\n" + "\n".join(lines) + "\n")
    material, problems = read(folder)
    assert material.n_posts == 5
    with pytest.raises(ConversionError, match=r"5 of 10 rows of posts \(50 %\)"):
        problems.check_losses()


def test_the_command_stops_above_a_third_unless_it_is_accepted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("nobody", "soup")] * 9 + [post[:2] for post in POSTS[:10]]
    write(folder, "posts", ("account", "text"), *rows)
    for more in ([], ["--dry-run"]):
        assert convert(folder, *more) == 2
        told = capsys.readouterr().err
        assert "posts: 9 of 19 rows (47 %) left out, e.g. posts.csv, row 2" in told
        assert told.splitlines()[-1].startswith("error: Lost: 9 of 19 rows of posts (47 %)")
        assert not (folder.parent / "own").exists()
    assert convert(folder, "--accept-losses") == 0
    rows = (folder.parent / "own" / "problems.csv").read_text().splitlines()
    assert len(rows) == 1 + 9
    (group,) = read_atomic(folder.parent / "own", "own").manifest["problems"]
    assert (group["file"], group["n_rows"], group["of"], group["kept"]) == ("posts", 9, 19, False)
    assert convert(folder, "--accept-losses", "--dry-run") == 0


def test_groups_that_are_written_down_hide_what_rows_hide() -> None:
    problems = Problems()
    problems.skip("a.csv", row=2, column="text", value="a caption", wanted="less", table="posts")
    (group,) = problems.groups(Concealment())
    assert "caption" in str(problems.groups()[0])
    assert "(hidden)" in str(group)
    assert "a caption" not in str(group)


# --- collaborations from captions


@pytest.mark.parametrize(
    ("caption", "brands"),
    [
        ("new @haus1 soup #ad", ["haus1"]),
        ("#Werbung @Haus1, @haus2.", ["haus1", "haus2"]),
        ("Anzeige | lovely @haus1", ["haus1"]),
        ("(Werbung) lovely @haus1", ["haus1"]),
        ("#publicité pour @haus1", ["haus1"]),
        ("#adventure with @haus1", []),
        ("an ad for @haus1", []),
        ("lovely @haus1", []),
        ("#ad for @nobody", []),
        ("#ad haus1", []),
    ],
)
def test_tagged_captions_that_name_a_brand_are_collaborations(
    caption: str, brands: list[str], folder: Path
) -> None:
    write(
        folder, "posts", ("account", "text", "timestamp"), *POSTS, ("ada19", caption, "2025-03-01")
    )
    captions = {"tags": ["ad", "#werbung", "anzeige", "Publicite"], "mentions": "brands"}
    material, problems = read(folder, from_captions=captions)
    assert pairs(material) == {*PAIRS, *((brand, "ada19") for brand in brands)}
    # What tells of a collaboration makes no features.
    texts = [post.text for post in material.posts()]
    assert (caption in texts) == (not brands)
    assert material.n_posts == len(texts) == 20 + (not brands)
    assert problems.said[0][0].startswith(f"{len(brands)} collaborations are taken from ")
    assert problems.said[0][1] == (f"e.g. ada19 with {brands[0]}" if brands else "")


def test_captions_stand_in_for_a_table_of_collaborations(folder: Path) -> None:
    (folder / "collaborations.csv").unlink()
    rows = [("ada1", "@haus1 #ad", "2025-03-02"), ("ada1", "again @haus1 #ad", "2025-03-01")]
    write(folder, "posts", ("account", "text", "timestamp"), *rows, ("haus2", "@haus1 #ad", ""))
    material, _ = read(folder, from_captions={"tags": ["ad"]})
    assert pairs(material) == {("haus1", "ada1")}
    assert material.collaborations["timestamp"].tolist() == [1740787200.0]
    assert [post.account for post in material.posts()] == ["haus2"]
    with pytest.raises(ConversionError, match="0 tagged captions, no known brand"):
        read(folder, from_captions={"tags": ["sponsored"]})
    with pytest.raises(ConversionError, match=r"must be a list of words"):
        read(folder, from_captions={"tags": []})


# --- facts


def facts(folder: Path) -> dict[str, Any]:
    heads = ("id", "Country", "Price per post", "Engagement rate")
    rows = [(i, "DE" if n else "n/a", "1.250 €", "3,4 %") for n, (i, _) in enumerate(CREATORS)]
    write(folder, "influencers", heads, *rows, ("ada77", "", "", ""))
    named = {"country": "Country", "price": "Price per post", "engagement": "Engagement rate"}
    return {"decimal": ",", "facts": {"influencers": named}}


def test_facts_stand_in_a_file_of_their_own(folder: Path) -> None:
    material, _ = read(folder, **facts(folder))
    found = material.facts["influencer"].set_index("account_id")
    assert list(material.facts) == ["influencer"]
    assert list(found) == ["country", "price", "engagement", "last_post"]
    assert found.loc["ada1"].tolist() == ["DE", 1250.0, 0.034, 1735776000.0]
    assert found.loc["ada0", "country"] is None
    assert "ada77" not in found.index


def test_facts_are_written_read_and_forgotten(folder: Path) -> None:
    yaml = f"source: {facts(folder)}\npseudonyms: False"
    assert convert(folder, yaml=yaml) == 0
    own = folder.parent / "own"
    lines = (own / "own.influencer_facts").read_text().splitlines()
    heads = "influencer_id:token country:token price:float engagement:float last_post:float"
    assert lines[0] == heads.replace(" ", "\t")
    assert "ada1\tDE\t1250\t0.034\t1735776000" in lines
    data = read_atomic(own, "own")
    assert data.manifest["rows"]["influencer_facts"] == 20
    assert "country" not in "".join((own / f"own.{end}").read_text() for end in ("user", "item"))
    assert main(["--name", "own", "--output", str(folder.parent), "--forget", "ada1"]) == 0
    assert "ada1\t" not in (own / "own.influencer_facts").read_text()
    assert "ada2\t" in (own / "own.influencer_facts").read_text()


def test_facts_get_pseudonyms_and_coarser_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    given = facts(folder)
    write(
        folder,
        "influencers",
        ("id", "Price"),
        *((i, f"12{n}5") for n, (i, _) in enumerate(CREATORS)),
    )
    given = {"facts": {"influencers": {"price": "Price"}}}
    assert convert(folder, yaml=f"source: {given}") == 0
    frame = read_atomic(folder.parent / "own", "own").facts[schema.INFLUENCER]
    assert all(name.startswith("influencer-") for name in frame["influencer_id"])
    assert frame["influencer_id"].is_monotonic_increasing
    assert set(frame["price"]) <= {1200.0, 1300.0, 12000.0}


def test_facts_of_nobody_are_refused(folder: Path) -> None:
    assert convert(folder, yaml=f"source: {facts(folder)}\npseudonyms: False") == 0
    own = folder.parent / "own"
    path = own / "own.influencer_facts"
    path.write_text(path.read_text().replace("ada1\t", "ghost\t"))
    with pytest.raises(AtomicFileError, match=r"own.influencer_facts.*unknown account 'ghost'"):
        read_atomic(own, "own")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"facts": {"influencers": {"shoe_size": "x"}}}, "shoe_size"),
        ({"facts": {"posts": {"price": "x"}}}, "facts"),
        ({"facts": {"influencers": {"price": "Costs"}}}, "Costs"),
    ],
)
def test_wrong_facts_are_refused(options: dict[str, Any], match: str, folder: Path) -> None:
    with pytest.raises(ConversionError, match=match):
        read(folder, **options)


# --- platforms


def two_platforms(folder: Path, person: str = "") -> None:
    heads = ("id", "platform", "followers", *(["person"] if person else []))
    rows = [
        (f"ada{n}", where, followers, *([f"p{n}"] if person else []))
        for n in range(20)
        for where, followers in (("IG", 5), ("TikTok", 9))
    ]
    write(folder, "influencers", heads, *rows)
    places = ("TikTok", "Instagram")
    rows = [(b, i, places[n % 2]) for n, (b, i) in enumerate(PAIRS)]
    write(folder, "collaborations", ("brand", "influencer", "platform"), *rows)


def test_a_name_on_several_platforms_is_several_accounts(folder: Path) -> None:
    two_platforms(folder)
    material, problems = read(folder)
    accounts = material.accounts.set_index("account_id")["followers"]
    assert accounts["ada1@instagram"] == 5
    assert accounts["ada1@tiktok"] == 9
    assert {("haus0", "ada0@tiktok"), ("haus1", "ada1@instagram")} <= pairs(material)
    assert len(pairs(material)) == 20
    # Posts do not say the platform: the larger account is meant, and that is told.
    assert {post.account for post in material.posts()} == {f"ada{n}@tiktok" for n in range(20)}
    told = [text for text, _ in problems.said]
    assert any("kept apart as name@platform" in text for text in told)
    assert any("20 rows of posts" in text for text in told)
    assert problems.n_skipped == 0


def test_a_table_that_names_the_person_joins_them(folder: Path) -> None:
    two_platforms(folder, person="yes")
    material, problems = read(folder)
    accounts = material.accounts.set_index("account_id")["followers"]
    assert accounts["ada1"] == 9
    assert len(accounts) == 30
    assert pairs(material) == set(PAIRS)
    assert material.n_posts == 20
    problems.check_losses()


def test_other_names_of_one_person_are_joined(folder: Path) -> None:
    rows = [(f"ada{n}", 5, f"p{n}") for n in range(20)] + [("ada.tt", 900, "p3")]
    write(folder, "influencers", ("id", "followers", "person"), *rows)
    write(folder, "collaborations", ("brand", "influencer"), *PAIRS, ("haus1", "ada.tt"))
    material, _ = read(folder)
    assert "ada3" not in set(material.accounts["account_id"])
    assert {("haus3", "ada.tt"), ("haus1", "ada.tt")} <= pairs(material)
    assert sum(post.account == "ada.tt" for post in material.posts()) == 1


# --- accounts from other tables


@pytest.mark.parametrize(("source", "n_influencers"), [("collaborations", 20), ("posts", 20)])
def test_accounts_can_come_from_other_tables(source: str, n_influencers: int, folder: Path) -> None:
    (folder / "influencers.csv").unlink()
    material, problems = read(folder, tables={"influencers": {"from": source}})
    roles = material.accounts["role"].value_counts()
    assert roles["influencer"] == n_influencers
    assert problems.n_skipped == 0
    with pytest.raises(ConversionError, match="from"):
        read(folder, tables={"posts": {"from": "collaborations"}})
