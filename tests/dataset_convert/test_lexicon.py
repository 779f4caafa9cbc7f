# ruff: noqa: RUF001 - letters that look like others are the subject
"""The lexicon: our own is sound, errors name file and key, IsA files extend it, texts are found."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert import schema
from dataset_convert.features.lexicon import (
    Lexicon,
    extend_by_isa,
    fold,
    hashtags,
    load_lexicon,
    load_sensitive,
    phrase,
    plural,
    read_saved_lexicon,
    save_lexicon,
    segments,
)
from dataset_convert.problems import ConversionError, Problems

SMALL = """
cosmetic: {words: [beauty products]}
makeup: {parents: [cosmetic], words: [make up], hashtags: [MUA]}
lipstick: {parents: [makeup], words: [lip gloss], emoji: ["\\U0001F484"]}
wedding:
photographer: {words: [Fotógrafo]}
wedding-photographer: {parents: [photographer]}
cook: {emoji: ["👨‍🍳"]}
man: {emoji: ["👨"]}
"""


@pytest.fixture(scope="module")
def ours() -> Lexicon:
    return load_lexicon()


def lexicon_of(folder: Path, text: str) -> Lexicon:
    (folder / "own.yaml").write_text(text, encoding="utf-8")
    return load_lexicon(folder)


@pytest.fixture
def small(tmp_path: Path) -> Lexicon:
    return lexicon_of(tmp_path, SMALL)


def test_our_lexicon_has_some_hundred_concepts_fit_for_atomic_files(ours: Lexicon) -> None:
    assert len(ours.concepts) >= 300
    assert ours.n_left_out == 0  # nothing in it is sensitive
    for name in ours.concepts:
        assert name == name.lower()
        assert not set(name) & {*schema.FORBIDDEN_IN_TOKENS, *" \t\r\n"}
        assert ours.find(name.replace("-", " ")).concepts == {name}


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        (
            "Wir verkaufen Matten, Hanteln und Eiweißpulver für Sportler",
            {"weightlifting", "sports-nutrition", "athlete"},
        ),
        ("Maman de deux, randonnée et recettes", {"mother", "hiking", "cooking"}),
        ("Entrenadora personal. Comida saludable", {"personal-trainer", "healthy-eating"}),
        ("Mamma, scarpe e viaggi in famiglia", {"mother", "shoes", "family-travel"}),
        ("Fotógrafo de casamento, café da manhã", {"wedding-photographer", "breakfast"}),
    ],
)
def test_our_lexicon_knows_other_languages(ours: Lexicon, text: str, concepts: set[str]) -> None:
    assert ours.find(text).concepts == concepts


def test_our_lexicon_merges_as_the_paper_does(ours: Lexicon) -> None:
    lipstick, foundation, cake, chocolate = (
        ours.with_ancestors(ours.find(text).concepts)
        for text in ("Lipsticks", "#foundationmakeup", "Cakes", "chocolate")
    )
    assert {"makeup", "cosmetic"} <= lipstick & foundation
    assert "dessert" in cake & chocolate
    assert "cosmetic" not in cake | chocolate


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("make-up, LIPSTICKS and lip gloss", {"makeup", "lipstick"}),
        ("wedding photographer", {"wedding-photographer"}),
        ("wedding. photographer", {"wedding", "photographer"}),
        ("wedding\\nphotographer", {"wedding", "photographer"}),
        ("wedding photographer wedding", {"wedding-photographer", "wedding"}),
        ("fotografo", {"photographer"}),
        ("𝓦𝓮𝓭𝓭𝓲𝓷𝓰", {"wedding"}),
        ("#WeddingPhotographer #mua #make_up", {"wedding-photographer", "makeup"}),
        ("\\ud83d\\udc84 \\U0001F468", {"lipstick", "man"}),
        ("💄", {"lipstick"}),
        ("👨🏽‍🍳", {"cook"}),
        ("me@lipstick.com @wedding www.man.org https://x.y/cook makeup.shop/man", set()),
        ("semiwedding", set()),
        ("", set()),
    ],
)
def test_what_is_found_in_a_biography(small: Lexicon, text: str, concepts: set[str]) -> None:
    assert small.find(text).concepts == concepts


def test_the_longest_phrase_is_taken_first_and_the_rest_is_uncovered(small: Lexicon) -> None:
    found = small.find("My beauty products wedding photographer #Brides")
    assert found.concepts == {"cosmetic", "wedding-photographer"}
    assert found.uncovered == {"my", "#brides"}


def test_longest_first_is_not_leftmost_first(tmp_path: Path) -> None:
    lexicon = lexicon_of(tmp_path, "x: {words: [aa bb]}\ny: {words: [bb cc dd]}")
    assert lexicon.find("aa bb cc dd").concepts == {"y"}


def test_a_word_of_its_own_beats_a_plural(tmp_path: Path) -> None:
    lexicon = lexicon_of(tmp_path, "glass:\neyewear: {words: [glasses]}")
    assert lexicon.find("glasses").concepts == {"eyewear"}
    assert lexicon.find("#glasses").concepts == {"eyewear"}


@pytest.mark.parametrize(
    ("word", "more"),
    [("car", "cars"), ("watch", "watches"), ("dress", "dresses"), ("hobby", "hobbies"),
     ("toy", "toys"), ("fashion blog", "fashion blogs"), ("y", "ys")],
)  # fmt: skip
def test_plurals(word: str, more: str) -> None:
    assert plural(word) == more


def test_hashtags_of_a_caption() -> None:
    assert hashtags("Go #Home_Decor! ＃Café\\n#x, # no#1") == {"homedecor", "cafe", "x", "1"}
    assert hashtags("none") == set()


def test_folding() -> None:
    assert fold("Women’s R&B\\n\\\\u00e9 \\Uffffffff") == "womens r and b\ne \n"
    assert fold("\\ud83d") == "\ufffd"
    assert segments(fold("हिन्दी blog, b-c_d")) == [["हिन्दी", "blog"], ["b", "c", "d"]]
    assert phrase("Skin-Care") == "skin care"
    assert [phrase(text) for text in ("a, b", "#a", "", "💄")] == [None] * 4


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    lexicon = load_lexicon_once()
    found = lexicon.find(text)
    assert found.concepts <= set(lexicon.concepts)
    assert lexicon.find_hashtags(text) <= set(lexicon.concepts)
    assert all(word and not set(word) & set(" \t\r\n") for word in found.uncovered)


_LOADED: list[Lexicon] = []


def load_lexicon_once() -> Lexicon:
    if not _LOADED:
        _LOADED.append(load_lexicon())
    return _LOADED[0]


@pytest.mark.parametrize("text", ["a" * 10**5, "a.b-" * 25000, "\\" * 10**5, "a@" * 50000])
def test_long_texts_without_spaces_take_linear_time(small: Lexicon, text: str) -> None:
    # Quadratic time would be minutes.
    assert small.find(text).concepts == set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("yes: {}", "found '{True: {}}'; wanted names (in quotes: numbers, yes, no, on, off)"),
        ("3", "found '3'; wanted names"),
        ("a: [b]", "Key 'a' must be a mapping. Received: ['b']."),
        ("a: {parent: [b]}", "Unknown key 'a: parent'. Did you mean 'parents'?"),
        ("a: {words: b}", "Key 'a: words' must be a list. Received: 'b'."),
        ("a: {words: [no]}", "Key 'a: words[0]' must be a text. Received: False."),
        ("a: {words: ['b, c']}", "Key 'a: words[0]' must be a word, or words with spaces between."),
        ("a: {hashtags: ['b c']}", "Key 'a: hashtags[0]' must be one word. Received: 'b c'."),
        ("a: {emoji: [b]}", "Key 'a: emoji[0]' must be a sign without letters, digits and spaces."),
        ("- a", "found \"['a']\"; wanted names"),
    ],
)
def test_entries_of_another_shape_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConversionError) as raised:
        lexicon_of(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path / 'own.yaml'}: ")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "key", "wanted"),
    [
        ("Lipstick:", "Lipstick", "a name in lower case"),
        ("'lip stick':", "lip stick", "a name in lower case"),
        ("a|b:", "a|b", "a name in lower case"),
        ("a_b:", "a_b", "a name in lower case, with '-' for spaces, with none of"),
        ("lips: {parents: [lipp]}", "lips.parents", "a concept ('lips'?)"),
        ("a: {parents: [zzzz]}", "a.parents", "wanted a concept."),
        ("a: {parents: [a]}", "a.parents", "no ancestor of itself"),
        ("a: {parents: [b]}\nb: {parents: [c]}\nc: {parents: [a]}", "c.parents", "no ancestor"),
        ("a: {words: [x]}\nb: {words: [x]}", "b.words", "what a in"),
        ("a-b:\nc: {words: [a b]}", "c.words", "what a-b in"),
        ("a: {emoji: [💄]}\nb: {emoji: [💄]}", "b.emoji", "what a in"),
    ],
)
def test_errors_name_file_and_key(tmp_path: Path, text: str, key: str, wanted: str) -> None:
    with pytest.raises(ConversionError) as raised:
        lexicon_of(tmp_path, text)
    told = str(raised.value)
    assert told.startswith(f"{tmp_path / 'own.yaml'}, key '{key}': found ")
    assert wanted in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("text", "found"),
    [("a: [", "while parsing"), ("a:\nb:\na:", "key 'a' a second time in line 3"),
     ("? [a]\n: b", "unhashable")],
)  # fmt: skip
def test_what_is_no_lexicon_is_refused(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ConversionError) as raised:
        lexicon_of(tmp_path, text)
    assert str(tmp_path / "own.yaml") in str(raised.value)
    assert found in str(raised.value)


def test_folders_and_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"found no \*.yaml file"):
        load_lexicon(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConversionError, match="wanted YAML in UTF-8"):
        load_lexicon(tmp_path)
    with pytest.raises(ConversionError, match="wanted a saved lexicon"):
        read_saved_lexicon(tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ConversionError, match=r"list.json: found '\[\]'; wanted names"):
        read_saved_lexicon(tmp_path / "list.json")


def test_a_concept_in_two_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "another.yaml").write_text("a:")
    with pytest.raises(ConversionError, match=r"own.yaml, key 'a'.* not in .*another.yaml too"):
        lexicon_of(tmp_path, "a:")


def test_a_long_chain_of_parents_is_no_trouble(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(1500)]
    pairs = pairwise(names)
    text = "\n".join(f"{name}: {{parents: [{parent}]}}" for name, parent in pairs)
    lexicon = lexicon_of(tmp_path, f"{text}\n{names[-1]}:")
    assert lexicon.with_ancestors([names[0]]) == set(names)


def test_a_saved_lexicon_comes_back(ours: Lexicon, tmp_path: Path) -> None:
    save_lexicon(ours, tmp_path / "saved.json")
    again = read_saved_lexicon(tmp_path / "saved.json")
    assert again.concepts == ours.concepts
    assert (again.phrases, again.hashtags, again.emoji) == (ours.phrases, ours.hashtags, ours.emoji)


def isa(folder: Path, *lines: str) -> Path:
    path = folder / "isa.tsv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_an_isa_file_extends_the_lexicon(small: Lexicon, tmp_path: Path) -> None:
    path = isa(
        tmp_path,
        "Beauty Products\tkajal\t7",  # a synonym of cosmetic
        "cosmetics\tblusher\t5",  # its plural
        "cosmetic\tsoap\t4",  # too rare
        "sweet thing\tcake\t6",  # a new concept
        "sweet thing\tred velvet\t5",
        "bakery item\tcake\t9",  # the higher count wins
        "food\tsweet thing\t5",  # a new concept's parent
        "profession\tphotographer\t8",  # a known concept's new parent
        "lipstick\tcosmetic\t99",  # would be a cycle
        "makeup\tmakeup\t99",
    )
    lexicon = extend_by_isa(small, path, minimum_count=5, problems=(problems := Problems()))
    assert problems.n_skipped == 0
    assert lexicon.find("kajal").concepts == lexicon.find("blusher").concepts == {"cosmetic"}
    assert lexicon.find("soap").concepts == set()
    assert lexicon.find("cakes").concepts == {"bakery-item"}
    red_velvet = lexicon.find("red velvet").concepts
    assert lexicon.with_ancestors(red_velvet) == {"sweet-thing", "food"}
    wedding = lexicon.with_ancestors(["wedding-photographer"])
    assert wedding == {"wedding-photographer", "photographer", "profession"}
    assert lexicon.with_ancestors(["cosmetic"]) == {"cosmetic"}
    assert "profession" not in small.concepts
    assert small.find("kajal").concepts == set()
    save_lexicon(lexicon, tmp_path / "saved.json")
    assert read_saved_lexicon(tmp_path / "saved.json").concepts == lexicon.concepts


def test_an_isa_files_order_of_lines_does_not_matter(small: Lexicon, tmp_path: Path) -> None:
    lines = ["b\tx\t5", "a\tx\t5", "x\ty\t5", "y\ta\t5", "a\tlipstick\t5"]
    first = extend_by_isa(small, isa(tmp_path, *lines), minimum_count=1, problems=Problems())
    second = extend_by_isa(small, isa(tmp_path, *lines[::-1]), minimum_count=1, problems=Problems())
    assert first.concepts == second.concepts
    for name in first.concepts:  # no cycle: x is an a, y an x, so a cannot be a y
        assert all(name not in first.with_ancestors([p]) for p in first.concepts[name].parents)


def test_bad_lines_of_an_isa_file_are_told(small: Lexicon, tmp_path: Path) -> None:
    path = isa(tmp_path, "a\tb", "a\tb\tmany", "a\t, ,\t5", "a\tb\t-5", f"a\tb\t{'9' * 5000}")
    problems = Problems()
    lexicon = extend_by_isa(small, path, minimum_count=1, problems=problems)
    assert lexicon.concepts == small.concepts
    assert [line.split(":")[0].rsplit(", ", 1)[1] for line in problems.lines()] == [
        f"row {row}" for row in range(1, 6)
    ]
    assert "wanted concept, instance and a whole count with tabs between" in problems.lines()[0]


def test_an_isa_file_that_cannot_be_read_is_refused(small: Lexicon, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"none.tsv: found .*wanted an IsA file in UTF-8"):
        extend_by_isa(small, tmp_path / "none.tsv", minimum_count=1, problems=Problems())
    (tmp_path / "isa.tsv").write_bytes(b"a\t\xff\t5\n")
    with pytest.raises(ConversionError, match="wanted an IsA file in UTF-8"):
        extend_by_isa(small, tmp_path / "isa.tsv", minimum_count=1, problems=Problems())


SENSITIVE = [
    "church", "Churches", "christian-lifestyle", "christianblogger", "#GayPride", "gay", "🏳️‍🌈",
    "mental health", "cancer-survivor", "diabetic", "politics", "black owned", "Latinas", "latinx",
    "trade unionists", "muslim", "feminist", "asian-food", "LGBTQIA", "pregnant", "✝️",
]  # fmt: skip


@pytest.mark.parametrize("text", SENSITIVE)
def test_sensitive_terms_are_denied(text: str) -> None:
    assert load_sensitive().forbids(text)


@pytest.mark.parametrize(
    "text",
    ["healthy-eating", "transport", "churchill", "democracy-free", "racing", "community", "💄",
     "trumpet", "flautist", "antifashion", "fascinator", "black", "christmas", "", "cosmopolitan"],
)  # fmt: skip
def test_harmless_terms_are_not(text: str) -> None:
    assert not load_sensitive().forbids(text)


def test_a_lexicon_of_the_users_cannot_name_what_is_sensitive(tmp_path: Path) -> None:
    text = """
religion: {words: [rosary]}
jewelry: {parents: [religion], words: [necklace, church jewels], hashtags: [gaypride],
  emoji: [✡, 💍]}
"""
    lexicon = lexicon_of(tmp_path, text)
    assert set(lexicon.concepts) == {"jewelry"}
    assert lexicon.concepts["jewelry"].parents == ()
    assert lexicon.n_left_out == 4
    for sensitive in ("religion", "rosary", "church jewels", "#gaypride", "✡"):
        assert lexicon.find(sensitive).concepts == set()
    assert lexicon.find("necklace 💍").concepts == {"jewelry"}
    path = isa(tmp_path, "politician\tmayor\t9", "jewelry\tcross of jesus\t9", "faith\tring\t9")
    extended = extend_by_isa(lexicon, path, minimum_count=1, problems=Problems())
    assert extended.concepts == lexicon.concepts
    assert extended.n_left_out == 7


def test_a_users_deny_list_adds_to_ours(tmp_path: Path) -> None:
    (tmp_path / "sensitive.yaml").write_text("mine: {words: [wine], stems: [beer], emoji: [🍷]}")
    sensitive = load_sensitive(tmp_path)
    assert all(map(sensitive.forbids, ["wines", "craftbeer", "🍷", "church"]))
    assert not sensitive.forbids("winery")
    assert set(lexicon_of(tmp_path, "wine:\njuice:").concepts) == {"juice"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- wine", "found \"['wine']\"; wanted names"),
        ("mine: [wine]", "Key 'mine' must be a mapping"),
        ("mine: {word: [wine]}", "Unknown key 'mine: word'. Did you mean 'words'?"),
        ("mine: {words: wine}", "Key 'mine: words' must be a list. Received: 'wine'."),
        ("mine: {words: [no]}", "Key 'mine: words[0]' must be a text. Received: False."),
        ("mine: {stems: [a b]}", "Key 'mine: stems[0]' must be one word. Received: 'a b'."),
        ("mine: {emoji: ['']}", "Key 'mine: emoji[0]' must be a sign"),
        ("mine: [", "wanted YAML in UTF-8"),
    ],
)
def test_a_wrong_deny_list_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "sensitive.yaml").write_text(text)
    with pytest.raises(ConversionError) as raised:
        load_sensitive(tmp_path)
    assert told in str(raised.value)
    assert "sensitive.yaml" in str(raised.value)
