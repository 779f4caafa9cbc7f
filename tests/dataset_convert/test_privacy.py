"""Pseudonyms and their key, scrubbed biographies, names that are left, forgotten accounts."""

import hashlib
import hmac
import json
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert import name_checks, privacy, schema, synthetic
from dataset_convert.atomic import AtomicData, fingerprint, read_atomic, write_atomic
from dataset_convert.common import files
from dataset_convert.features.lexicon import load_lexicon
from dataset_convert.name_checks import MIN_LENGTH, assert_no_names, find_names, our_words
from dataset_convert.privacy import Pseudonyms, apply, forget, read_key, scrub
from dataset_convert.problems import ConversionError

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
RENAMED = {
    "b1": "Zara.Nova",
    "b2": "acme_foods",
    "b3": "Midway & Co",
    "m1": "quentin",
    "m2": "anna-maria",
    "m3": "ÉLODIE",
    "m4": "rosa 24",
}


def nothing(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture
def named(toy: Path) -> AtomicData:
    """The toy data set, its accounts under names."""
    data = read_atomic(toy, "toy")

    def rename(table: pd.DataFrame) -> pd.DataFrame:
        ids = [field for field in schema.ACCOUNT_ID.values() if field in table.columns]
        return table.assign(**{field: table[field].map(RENAMED) for field in ids})

    assert data.influencer_category is not None
    return replace(
        data,
        brands=rename(data.brands),
        influencers=rename(data.influencers),
        interactions=rename(data.interactions),
        influencer_category=data.influencer_category.rename(RENAMED),
        splits={
            protocol: {part: rename(pairs) for part, pairs in parts.items()}
            for protocol, parts in data.splits.items()
        },
    )


# --- the key ---------------------------------------------------------------------------------


def test_a_key_is_made_on_first_use_and_kept(tmp_path: Path) -> None:
    path, lines = tmp_path / "deep" / "er" / "secret.key", list[str]()
    mask = os.umask(0)
    try:
        key = read_key(path, outside=tmp_path / "data", tell=lines.append)
    finally:
        os.umask(mask)
    assert len(key) == 32
    assert len(lines) == 1
    assert str(path) in lines[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]
    assert read_key(path, outside=tmp_path / "data", tell=nothing) == key
    other = read_key(tmp_path / "other.key", outside=tmp_path / "data", tell=lines.append)
    assert other != key


def test_the_default_key_lies_in_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    first = read_key(None, outside=tmp_path / "data", tell=str)
    assert (tmp_path / ".config" / "recbole_mirec" / "pseudonym.key").is_file()
    assert read_key(None, outside=tmp_path / "data", tell=nothing) == first


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o610])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "k"
    read_key(path, outside=tmp_path / "data", tell=str)
    path.chmod(mode)
    with pytest.raises(ConversionError, match=rf"mode {mode:04o} .* chmod 600"):
        read_key(path, outside=tmp_path / "data", tell=nothing)


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k"
    read_key(path, outside=tmp_path / "data", tell=str)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConversionError, match=r"its owner, user .* alone can read"):
        read_key(path, outside=tmp_path / "data", tell=nothing)


@pytest.mark.parametrize("place", ["data/k", "data/deeper/k", "other/../data/k", "link/k"])
def test_a_key_inside_the_data_set_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(ConversionError, match="must lie outside the data set"):
        read_key(tmp_path / place, outside=tmp_path / "data", tell=nothing)
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"ab" * 31, b"ab" * 33, b"xy" * 32, b"\xff" * 64, b"ab" * 5000]
)
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "k"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConversionError, match="found no key; wanted 64 hexadecimal digits"):
        read_key(path, outside=tmp_path / "data", tell=nothing)
    assert path.read_bytes() == content


def test_a_place_where_no_key_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "k", tmp_path):
        with pytest.raises(ConversionError, match="cannot be read or made"):
            read_key(place, outside=tmp_path / "data", tell=nothing)


def test_runs_that_start_together_end_with_one_key(tmp_path: Path) -> None:
    keys, lines = list[bytes](), list[str]()
    barrier = threading.Barrier(7)

    def run() -> None:
        barrier.wait()
        keys.append(read_key(tmp_path / "k", outside=tmp_path / "data", tell=lines.append))

    threads = [threading.Thread(target=run) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 7
    assert len(set(keys)) == 1
    assert len(lines) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["k"]


def test_a_key_made_by_a_faster_run_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "k"
    first = read_key(path, outside=tmp_path / "data", tell=str)
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert read_key(path, outside=tmp_path / "data", tell=nothing) == first


# --- pseudonyms ------------------------------------------------------------------------------


def test_an_id_is_the_beginning_of_a_keyed_hash() -> None:
    digest = hmac.new(KEY, "influencer:ÉLODIE".encode(), hashlib.sha256).hexdigest()
    assert Pseudonyms(KEY).of("influencer", "ÉLODIE") == f"influencer-{digest[:16]}"


def test_ids_depend_on_key_side_and_name() -> None:
    ids = {
        Pseudonyms(key).of(side, name).partition("-")[2]
        for key in (KEY, OTHER_KEY)
        for side in schema.SIDES
        for name in ("anna", "Anna", "ann", "\ud800")
    }
    assert len(ids) == 16


def test_the_manifest_tells_of_keys_without_telling_them() -> None:
    settings = Pseudonyms(KEY).settings()
    assert settings == Pseudonyms(KEY).settings() != Pseudonyms(OTHER_KEY).settings()
    assert settings["method"] == "HMAC-SHA256"
    assert KEY.hex()[:8] not in json.dumps(settings)


# --- a data set under pseudonyms -------------------------------------------------------------


def test_exact_numbers_are_rounded_and_times_are_those_of_a_day(named: AtomicData) -> None:
    accounts = named.influencers.assign(influencer_followers=[12345.0, 999.0, np.nan, 7.0])
    pairs = named.interactions.assign(competence=0.0123456, timestamp=1.5e9)
    facts = pd.DataFrame({"influencer_id": ["quentin"], "price": [1234.0], "last_post": [1.5e9]})
    data = replace(named, influencers=accounts, interactions=pairs, facts={"influencer": facts})
    hidden = apply(data, Pseudonyms(KEY))
    known = hidden.influencers["influencer_followers"].dropna()
    assert sorted(known) == [7, 1000, 12000]
    assert set(hidden.interactions["competence"]) == {0.0123}
    day = 1.5e9 // 86_400 * 86_400
    assert set(hidden.interactions["timestamp"]) == {day}
    assert hidden.facts["influencer"].iloc[0, 1:].tolist() == [1200, day]


def test_every_id_is_replaced_and_everything_else_is_kept(named: AtomicData) -> None:
    data = apply(named, Pseudonyms(KEY))
    back = {
        Pseudonyms(KEY).of(side, name): name
        for side, table in (("brand", named.brands), ("influencer", named.influencers))
        for name in table[f"{side}_id"]
    }
    assert len(back) == 7

    def unchanged(new: pd.DataFrame, old: pd.DataFrame) -> None:
        ids = [field for field in schema.ACCOUNT_ID.values() if field in old.columns]
        restored = new.assign(**{field: new[field].map(back) for field in ids})
        pd.testing.assert_frame_equal(
            restored.sort_values(ids, ignore_index=True), old.sort_values(ids, ignore_index=True)
        )
        assert new[ids].apply(tuple, axis=1).is_monotonic_increasing

    unchanged(data.brands, named.brands)
    unchanged(data.influencers, named.influencers)
    unchanged(data.interactions, named.interactions)
    for protocol, parts in named.splits.items():
        for part, pairs in parts.items():
            unchanged(data.splits[protocol][part], pairs)
    assert data.influencer_category is not None
    assert named.influencer_category is not None
    assert data.influencer_category.index.is_monotonic_increasing
    assert data.influencer_category.rename(back).to_dict() == named.influencer_category.to_dict()


def test_no_name_is_left_in_what_is_written(named: AtomicData, tmp_path: Path) -> None:
    write_atomic(apply(named, Pseudonyms(KEY)), tmp_path / "toy")
    names = list(RENAMED.values())
    assert_no_names(tmp_path / "toy", names)
    for path in (tmp_path / "toy").iterdir():
        text = path.read_text().casefold()
        assert not any(name.casefold() in text for name in names)
    write_atomic(named, tmp_path / "open" / "toy")
    found = {path.name for path, _ in find_names(tmp_path / "open" / "toy", names)}
    assert found == {path.name for path in (tmp_path / "toy").iterdir()} - {"manifest.json"}


def test_the_same_key_gives_the_same_bytes_whatever_the_order(
    named: AtomicData, tmp_path: Path
) -> None:
    first = write_atomic(apply(named, Pseudonyms(KEY)), tmp_path / "a")
    turned = replace(
        named,
        brands=named.brands[::-1],
        influencers=named.influencers[::-1],
        interactions=named.interactions[::-1],
        influencer_category=named.influencer_category[::-1],  # type: ignore[index]
    )
    write_atomic(apply(turned, Pseudonyms(KEY)), tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    other = write_atomic(apply(named, Pseudonyms(OTHER_KEY)), tmp_path / "c")
    assert set(first.brands["brand_id"]).isdisjoint(other.brands["brand_id"])
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "c")


def test_a_data_set_without_categories_or_splits_is_taken_too(named: AtomicData) -> None:
    data = apply(replace(named, influencer_category=None, splits={}), Pseudonyms(KEY))
    assert data.influencer_category is None
    assert data.splits == {}


# --- names that are left ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("report.html", "<p>Sold by Zara.Nova, Paris</p>", "Zara.Nova"),
        ("report.html", "<p>sold by zara nova</p>", "Zara.Nova"),
        ("report.html", "<p>Midway &amp; Co</p>", "Midway & Co"),
        ("report.html", "id 17841405822304914", "17841405822304914"),
        ("problems.csv", "file,found\nx,@acme_foods\n", "acme_foods"),
        ("deep/er/topics.json", json.dumps({"words": ["#élodie"]}), "ÉLODIE"),
        ("topics.json", json.dumps({"acme-foods": 3}), "acme_foods"),
        ("topics.json", "{quentin", "quentin"),
        ("toy.user", "brand_id:token\nzara_nova\n", "Zara.Nova"),
        ("toy.user", "brand_id:token\tbrand_attributes:token_seq\nb\tx 4711 y\n", "4711"),
        ("toy.item", "a:token_seq\nx anna+maria\n", "anna-maria"),
        ("toy.item", "a:token_seq\nmidway+%26+co\n", "Midway & Co"),
        ("toy.influencer_category", "c:token\nrosa 24\n", "rosa 24"),
        # Run together, as in a hashtag.
        ("report.html", "<b>0-roast-#influ3xx</b>", "influ.3.xx"),
        ("problems.csv", "found\nallstreetwear\n", "all.streetwear"),
        ("topics.json", json.dumps({"name": "0-roast-influ3xx-latte"}), "influ.3.xx"),
        ("topics.json", json.dumps(["Élo_die"]), "élodie"),
        ("toy.item", "a:token_seq\nx anna+maria\n", "annamaria"),
        # Short ones, as a whole value.
        ("topics.json", json.dumps({"words": [["bmw", 0.5]]}), "bmw"),
        ("topics.json", json.dumps({"#V.W": 2}), "vw"),
        ("toy.user", "b:token\ta:token_seq\nx\tq7 bmw\n", "bmw"),
    ],
)
def test_a_name_is_found(tmp_path: Path, file: str, text: str, name: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(ConversionError, match="name of an account; wanted pseudonyms") as caught:
        assert_no_names(tmp_path, ["nobody", name])
    assert str(caught.value).startswith(f"{file}: found")
    assert repr(name) in str(caught.value)
    assert_no_names(tmp_path, [name], allowed=[name.upper()])


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("report.html", "the savanna", "anna"),
        ("report.html", "see bob", "bob"),
        ("report.html", "<style>.anna { color: red }</style><b class='anna'>x</b>", "anna"),
        ("report.html", "4711 accounts", "4711"),
        ("report.html", "🌸🌸🌸🌸", "🌸🌸🌸🌸"),
        ("manifest.json", '{"n": 4711, "x": ["run", "club"]}', "run-club"),
        ("manifest.json", '{"n": 4711}', "4711"),
        ("manifest.json", '{"audience": "train"}', "audience"),
        ("toy.user", "id:token\tf:float\tv:float_seq\nb\t4711\t0.4711 4711\n", "4711"),
        ("toy.user", "id:token\ta:token_seq\nb\trun club\n", "run club"),
        ("vectors.npy", "anna", "anna"),
        ("report.html", "a bmw drives by", "bmw"),
        ("problems.csv", "found\nbmw\n", "bmw"),
        ("topics.json", '["my bmw", "bmwx", "influ3xxl"]', "bmw"),
        ("topics.json", '["influ3xxl", "3xx"]', "influ.3.xx"),
        # Numbers run together are versions, dates and numbers of topics.
        ("manifest.json", '{"numpy": "2.3.3", "python": "3.11.7"}', "233"),
        ("manifest.json", '{"numpy": "2.3.33", "python": "3.11.7"}', "2333"),
        ("manifest.json", '{"topics": ["12-roast", "12"]}', "12"),
        ("report.html", "4711 accounts", "47.11"),
    ],
)
def test_what_is_no_name_is_passed_over(tmp_path: Path, file: str, text: str, name: str) -> None:
    (tmp_path / file).write_text(text)
    assert_no_names(tmp_path, [name])


@pytest.mark.parametrize("name", ["target", "gap", "fossil", "Zoom", "apple"])
def test_a_brand_called_like_a_word_of_the_language_is_found(tmp_path: Path, name: str) -> None:
    assert name.lower() not in our_words()
    (tmp_path / "topics.json").write_text(json.dumps({"words": [[name.lower(), 0.5]]}))
    with pytest.raises(ConversionError, match="name of an account"):
        assert_no_names(tmp_path, [name])
    assert_no_names(tmp_path, ["seed", "Audience", "fingerprint"])
    (tmp_path / "manifest.json").write_text(json.dumps({"seed": 1, "audience": "training"}))
    (tmp_path / "topics.json").unlink()
    assert_no_names(tmp_path, [name, "seed", "Audience", "training"])


def test_our_own_files_write_no_words_but_those_of_the_list(data_path: Path) -> None:
    folder, data = data_path / "mirec-tiny", Path(synthetic.__file__).parent / "words.yaml"
    of_data = set(re.findall(r"[a-z0-9]+", data.read_text(encoding="utf-8")))
    of_data |= {word for name in load_lexicon().concepts for word in re.split(r"\W", name)}
    # Digests are cut into words that are no words.
    hexadecimal = re.compile("[0-9a-f]{8,}")
    written = {word for word in words_written(folder) if not hexadecimal.fullmatch(word)}
    known = our_words() | of_data | {"mirec", "tiny", "demo"}
    unknown = {word for word in written if word.isalpha() and len(word) >= MIN_LENGTH} - known
    assert not unknown, f"to be added to own_words.yaml: {sorted(unknown)}"


def words_written(folder: Path) -> Iterator[str]:
    """What a search for names goes through in files that are no tables."""
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".html") and path.name not in name_checks.WORD_LISTS:
            for part in name_checks.readable(path)[1]:
                yield from name_checks.words_of(part)


def test_bytes_of_another_encoding_are_searched_too(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe quentin \xe9")
    with pytest.raises(ConversionError, match="'quentin'"):
        assert_no_names(tmp_path, ["quentin"])


# --- biographies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Coach mail: jo.do+x@mail.example.co.uk Berlin", "Coach mail: | Berlin"),
        ("jo@exämple.de", "|"),
        ("jo\uff20mail.com", "|"),
        ("jo (at) mail [dot] com now", "| now"),
        ("jo{at}mail(.)com", "|"),
        ("write: jo.me@mail.com.", "write: |."),
        ("see https://x.example/?m=jo@mail.com#+4912345678 now", "see | now"),
        ("HTTP://X.Y/z", "|"),
        ("www.shop.example/x y", "| y"),
        ("linktr.ee/jo and jo-do.com, shop.jo.studio", "| and |, |"),
        ("my.site/deep?x=1 food", "| food"),
        ("call +49 (0)170 123-45-67 today", "call | today"),
        ("0049/170.1234567", "|"),
        ("(555) 123-4567", "|"),
        ("+1.555.123.4567", "|"),
        ("٠١٢٣٤٥٦٧", "|"),
        ("1️⃣2️⃣3️⃣ 4️⃣5️⃣6️⃣7️⃣", "|\ufe0f\u20e3"),
        ("a 12 34 jo@mail.com 56 78 90 b", "a 12 34 | 56 78 90 b"),
    ],
)
def test_ways_to_reach_a_person_are_removed(text: str, wanted: str) -> None:
    assert scrub(text).replace("\n", "|") == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Coach.Mother.Runner @anna.maria #food since 2019 | 24/7",
        "mother (at home) of 3, born 1984-05",
        "100.000 fans, 5 km, e.g. a/b testing",
        "café ☕ бегун 走る",
    ],
)
def test_everything_else_is_kept(text: str) -> None:
    assert scrub(text) == text


@given(st.lists(st.sampled_from(["jo", "@", ".", "com", " ", "12", "345", "+", "/", "www.", "("])))
def test_scrubbing_twice_changes_nothing(parts: list[str]) -> None:
    once = scrub("".join(parts))
    assert scrub(once) == once


@given(
    st.text(),
    st.from_regex(r"[a-z0-9]{1,9}(\.[a-z]{1,5})?@[a-z]{2,9}\.(com|de|org)", fullmatch=True),
    st.text(),
)
def test_no_e_mail_address_survives_in_any_text(before: str, address: str, after: str) -> None:
    assert address not in scrub(f"{before} {address} {after}")


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "1", "1 ", "(", "+", "@", "a@", "a@b.", "a (at) ", "-", "a-", "1️⃣", "a.b/", ".a"],
)
def test_the_time_does_not_grow_with_the_square_of_the_length(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    started = time.process_time()
    scrub(text)
    # Quadratic time would be 100 s and more.
    assert time.process_time() - started < 1.5


# --- forgotten accounts ----------------------------------------------------------------------


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_an_influencer_is_forgotten_everywhere(toy: Path) -> None:
    lines = forget(toy, "toy", "m2")
    data = read_atomic(toy, "toy")
    assert list(data.influencers["influencer_id"]) == ["m1", "m3", "m4"]
    assert list(data.interactions["influencer_id"]) == ["m1", "m3", "m4"]
    assert data.influencer_category is not None
    assert list(data.influencer_category.index) == ["m1", "m3", "m4"]
    assert [len(data.splits["new-brand"][part]) for part in ("train", "valid")] == [1, 1]
    assert not any(b"m2" in content for content in bytes_of(toy).values())
    assert data.manifest["rows"]["influencers"] == 3
    assert data.manifest["fingerprint"] == fingerprint(toy)
    assert lines[0] == f"Removed one influencer and 2 pairs from {toy}."
    assert "train them again" in lines[1]
    assert "Take it out of the source too" in lines[2]
    assert len(lines) == 3
    assert [path.name for path in toy.parent.iterdir()] == ["toy"]


@pytest.mark.parametrize(
    ("account", "message"),
    [
        ("b1", r"Without 'b1' 'toy' must be split anew: .*/toy/toy.new-brand.train.inter: found a"),
        ("b2", r"toy.new-brand.valid.inter: found a header without rows"),
        ("b3", r"found 'shoes', which no brand has.* Take the account out of the source"),
        ("m4", r"found 'shoes', which no influencer has"),
        ("nobody", "holds no account 'nobody'"),
    ],
)
def test_what_cannot_be_forgotten_is_refused_and_nothing_changes(
    toy: Path, account: str, message: str
) -> None:
    before = bytes_of(toy)
    with pytest.raises(ConversionError, match=message):
        forget(toy, "toy", account)
    assert bytes_of(toy) == before


def test_a_brand_is_forgotten(toy: Path) -> None:
    (toy / "toy.influencer_category").unlink()
    manifest = json.loads((toy / "manifest.json").read_text())
    (toy / "manifest.json").write_text(json.dumps({**manifest, "rows": {}}))
    forget(toy, "toy", "b3")
    data = read_atomic(toy, "toy")
    assert list(data.brands["brand_id"]) == ["b1", "b2"]
    assert len(data.interactions) == 4
    assert len(data.influencers) == 4


def test_the_last_pair_is_not_forgotten(toy: Path) -> None:
    for path in toy.glob("toy.*.inter"):
        path.unlink()
    (toy / "toy.inter").write_text("brand_id:token\tinfluencer_id:token\nb1\tm1\n")
    with pytest.raises(ConversionError, match=r"toy.inter: found a header without rows"):
        forget(toy, "toy", "m1")


def test_an_account_is_found_by_its_name_where_ids_are_pseudonyms(
    named: AtomicData, tmp_path: Path
) -> None:
    folder = tmp_path / "hidden" / "toy"
    write_atomic(apply(named, Pseudonyms(KEY)), folder)
    pseudonym = Pseudonyms(KEY).of("influencer", "quentin")
    with pytest.raises(ConversionError, match="key file"):
        forget(folder, "toy", "quentin")
    with pytest.raises(ConversionError, match="key file"):
        forget(folder, "toy", "quentin", pseudonyms=Pseudonyms(OTHER_KEY))
    forget(folder, "toy", "quentin", pseudonyms=Pseudonyms(KEY))
    assert pseudonym not in set(read_atomic(folder, "toy").influencers["influencer_id"])
    other = Pseudonyms(KEY).of("influencer", "ÉLODIE")
    forget(folder, "toy", other)
    assert len(read_atomic(folder, "toy").influencers) == 2


def test_other_files_are_kept_and_told_of(named: AtomicData, tmp_path: Path) -> None:
    folder = tmp_path / "open" / "toy"
    write_atomic(named, folder)
    (folder / "extractors" / "topics").mkdir(parents=True)
    (folder / "extractors" / "topics" / "words.json").write_text('["tea"]')
    (folder / "problems.csv").write_text("found\nQuentin twice\n")
    lines = forget(folder, "toy", "quentin")
    assert (folder / "extractors" / "topics" / "words.json").read_text() == '["tea"]'
    assert "kept: extractors/topics/words.json, problems.csv" in lines[3]
    assert "stands in problems.csv: look" in lines[4]


@pytest.mark.parametrize(("room", "step"), [(privacy, "replace_atomic"), (files, "_put_in_place")])
def test_a_forgetting_that_fails_leaves_the_old_data_set(
    toy: Path, monkeypatch: pytest.MonkeyPatch, room: ModuleType, step: str
) -> None:
    before = bytes_of(toy)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(room, step, fail)
    with pytest.raises(OSError, match="disk full"):
        forget(toy, "toy", "m2")
    assert bytes_of(toy) == before
    assert [path.name for path in toy.parent.iterdir()] == ["toy"]
