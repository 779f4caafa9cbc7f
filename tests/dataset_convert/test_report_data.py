"""report.html: what it says, where its marks stand, and that nothing on it can load or run."""

import dataclasses
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_convert.atomic import AtomicData
from dataset_convert.findings import Finding
from dataset_convert.report import data_report, histogram, short_number

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "dl", "dt", "dd"),
    *("code", "figure", "figcaption", "div", "span", "strong", "bdi", "ul", "ol", "li", "nav", "a"),
    *("section", "table", "thead", "tbody", "tr", "th", "td", "i", "b"),
}
TOPICS = {
    "of": "content",
    "n_topics": 3,
    "n_accounts": 29,
    "n_words": 1234,
    "known_share": 0.875,
    "trials": [
        {"n_topics": 2, "perplexity": 130.0, "coherence": 0.1},
        {"n_topics": 3, "perplexity": 110.0, "coherence": 0.3},
        {"n_topics": 7, "perplexity": 120.0, "coherence": 0.2},
    ],
    "topics": [
        {"words": [["cake", 0.5], ["tea", 0.25]], "share": 0.5, "coherence": 0.31},
        {"words": [["car", 0.5], ["road", 0.25]], "share": 0.25, "coherence": -0.02},
        {"words": [["lake", 0.5], ["boat", 0.25]], "share": 0.25, "coherence": 0.1},
    ],
    "extractor": "lda",
    "fingerprint": "f" * 64,
}
LABELS = {
    "of": "content",
    "training_posts": 200,
    "training_posts_with_labels": 150,
    "training_accounts": 29,
    "training_accounts_with_labels": 20,
    "most_frequent_labels": {"object": [["tea+cup", 100], ["dog", 50]], "scene": []},
    "models": {"object": {"model": "seer.onnx", "sha256": "e" * 64}},
    "extractor": "image-labels",
}
ATTRIBUTES = {"n_rare_attributes": 4, "uncovered_words": {"skate": 11}, "extractor": "lexicon"}
EMBEDDING = {
    "n_dimensions": 512,
    "scale": 0.0625,
    "normalised": True,
    "extractor": "images",
    "none": None,
}


class Page(HTMLParser):
    """The tags of a page with their attributes, and its visible text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open.append(tag)

    def handle_data(self, data: str) -> None:
        # Space between elements is how the template is laid out.
        if self._open[-1:] != ["style"] and data.strip():
            self.words += data.replace("\u00a0", " ").strip("\n")

    def handle_endtag(self, tag: str) -> None:
        self._open.append("")


def table_of(pairs: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["brand_id", "influencer_id"])


def data_of(category: str = "food", attribute: str = "tea", **manifest: Any) -> AtomicData:
    """Five brands and seven influencers; b1 has m1 to m6, the others one each."""
    pairs = [*(("b1", f"m{n}") for n in range(1, 7)), *((f"b{n}", "m1") for n in range(2, 6))]
    brands = pd.DataFrame({"brand_id": [f"b{n}" for n in range(1, 6)]})
    brands["brand_category"] = [category, category, "auto", "auto", "auto"]
    brands["brand_content_topics"] = [np.ones(3) / 3] * 5
    influencers = pd.DataFrame({"influencer_id": [f"m{n}" for n in range(1, 8)]})
    influencers["influencer_followers"] = [1000.0, 1500, 2000, 20_000, np.nan, 0, 9000]
    cells = [[attribute], [attribute, "ski"], ["ski"], None, None, None, None]
    influencers["influencer_attributes"] = pd.Series(cells, dtype=object)
    return AtomicData(
        name="little",
        brands=brands,
        influencers=influencers,
        interactions=table_of(pairs),
        influencer_category=None,
        splits={
            "new-brand": {
                "train": table_of(pairs[:7]),
                "valid": table_of(pairs[7:8]),
                "test": table_of(pairs[8:]),
            }
        },
        manifest={"synthetic": True, **manifest},
    )


def problem(file: str, what: str, n_rows: int, **more: Any) -> dict[str, Any]:
    rest = {"kept": False, "of": None, "example": "", "remedy": ""}
    return {"file": file, "what": what, "n_rows": n_rows, **rest, **more}


def page_of(data: AtomicData) -> Page:
    return Page(data_report(data))


ALL = {
    "content_topics": TOPICS,
    "content_visual": LABELS,
    "audience_visual": EMBEDDING,
    "attributes": ATTRIBUTES,
}


def test_the_headline_counts_what_there_is() -> None:
    page = page_of(
        data_of(posts={"own": 12_345, "audience": None}, problems=[problem("a.csv", "x", 1007)])
    )
    assert "Data report of littlesynthetic data5 brands and 7 influencers with 10" in page.words
    tiles = "brands5influencers7collaborations10posts read12,345rows left out1,007"
    assert tiles in page.words
    assert "audience posts read" not in page.words


def test_warnings_stand_at_the_top_those_of_the_conversion_first() -> None:
    told = dataclasses.asdict(Finding("Something odd.", "Do something."))
    words = page_of(data_of(warnings=[told])).words
    start = words.index("9 warnings")
    first = "9 warningsSomething odd.Do something.The protocol new-brand has only 1 validation"
    assert words[start:].startswith(first)
    assert start < words.index("Rows with problems") < words.index("Collaborations and followers")
    assert "One influencer has 5 of 10 collaborations (50 %)." in words


def test_where_nothing_is_wrong_the_page_says_so() -> None:
    brands = pd.DataFrame({"brand_id": [f"b{n}" for n in range(60)], "brand_category": "food"})
    brands["brand_attribute_vector"] = [np.ones(2)] * 60
    influencers = pd.DataFrame({"influencer_id": [f"m{n}" for n in range(60)]})
    influencers["influencer_attribute_vector"] = [np.ones(2)] * 60
    pairs = [(f"b{n}", f"m{n}") for n in range(60)]
    splits = {"train": pairs[:20], "valid": pairs[20:40], "test": pairs[40:]}
    data = dataclasses.replace(
        data_of(),
        brands=brands,
        influencers=influencers,
        interactions=table_of(pairs),
        splits={"new-brand": {part: table_of(of) for part, of in splits.items()}},
    )
    assert "Nothing to warn about was found" in page_of(data).words


def test_degrees_and_followers_are_told_in_words_too() -> None:
    words = page_of(data_of()).words
    assert "Brands have 1 to 6 influencers; the median is 1." in words
    assert (
        "Influencers have 0 to 5 brands; the median is 1. More than one brand: 1 (14 %)." in words
    )
    assert (
        "From 1,000 to 20,000 followers; the median is 2,000; known of 6 of 7 influencers. "
        "1 influencer without any is not drawn."
    ) in words
    assert "Followers of brands" not in words


def test_splits_say_what_training_has_seen() -> None:
    words = page_of(data_of()).words
    assert "training267 (70 %)validation111 (10 %)test212 (20 %)" in words
    assert (
        "seen in trainingvalidationtestbrandsnonenoneinfluencers1 (100 %)1 (100 %)"
        "collaborations of these influencers1 (100 %)2 (100 %)the very collaborationsnonenone"
    ) in words


def test_missing_modalities_and_combinations_are_shown_for_each_side() -> None:
    words = page_of(data_of()).words
    assert "content topics5 (100 %)0 (0 %)attributes0 (0 %)3 (43 %)" in words
    assert "content topics5 (100 %)0 (0 %)nothing0 (0 %)4 (57 %)attributes0 (0 %)3 (43 %)" in words


def test_many_combinations_are_cut_and_said_by_what_is_missing() -> None:
    names = ["content_topics", "audience_topics", "attributes", "attribute_vector"]
    influencers = pd.DataFrame({"influencer_id": [f"m{n}" for n in range(1, 17)]})
    for bit, name in enumerate(names):
        cells = [["tea"] if (n >> bit) % 2 else None for n in range(15, -1, -1)]
        influencers[f"influencer_{name}"] = pd.Series(cells, dtype=object)
    brands = pd.DataFrame({"brand_id": [f"b{n}" for n in range(1, 6)]})
    words = page_of(dataclasses.replace(data_of(), brands=brands, influencers=influencers)).words
    assert "nothing5 (100 %)1 (6.2 %)" in words
    assert "all but attribute vector0 (0 %)1 (6.2 %)" in words
    assert "everything0 (0 %)1 (6.2 %)" in words
    assert "audience topics, attributes0 (0 %)1 (6.2 %)" in words
    assert "the 10 most frequent of 16 combinations." in words


def test_influencers_have_categories_where_they_are_known() -> None:
    known = pd.Series(["food"] * 3 + ["auto"] * 4, index=[f"m{n}" for n in range(1, 8)])
    words = page_of(dataclasses.replace(data_of(), influencer_category=known)).words
    assert "categorybrandscollaborationsinfluencersauto334food273" in words
    assert "which no model reads" in words
    assert "categorybrandscollaborationsauto33food27" in page_of(data_of()).words


def test_topics_have_words_shares_and_coherence_and_the_choice_is_shown() -> None:
    page = page_of(data_of(features=ALL))
    assert (
        "3 topics learnt from the accounts' own posts, those of 29 accounts. 1,234 words are "
        "counted, which are 88 % of all words written"
    ) in page.words
    assert "0cake, tea50 %0.311car, road25 %-0.022lake, boat25 %0.10" in page.words
    assert "2130.00.1003, chosen110.00.3007120.00.200" in page.words


def test_a_chosen_number_at_the_end_of_those_tried_is_told() -> None:
    largest = TOPICS | {"n_topics": 7}
    words = page_of(data_of(features={"content_topics": largest})).words
    assert "7, chosen120.0" in words and "More topics than these were not tried." in words
    without = page_of(data_of(features={"content_topics": TOPICS | {"trials": []}})).words
    assert "perplexity" not in without


def test_labels_attributes_and_other_extractors_have_their_sections() -> None:
    words = page_of(data_of(features=ALL)).words
    assert (
        "Of 200 training posts, 150 (75 %) showed an object or a scene; so did 20 (69 %)" in words
    )
    assert "objectpoststea cup100 (50 %)dog50 (25 %)" in words
    assert "modelsobject model seer.onnx; sha256 eeeeeeeeeeee" in words
    assert "e" * 13 not in words
    assert "2 attributes; 0 of 5 brands and 3 of 7 influencers have at least one." in words
    assert "4 rarer ones left out" in words
    assert "ski02tea02" in words
    assert "Frequent words without an attributeskate 11" in words
    assert "number of dimensions512scale0.0625normalisedyes" in words
    assert "content topics: lda; content visual: image-labels; audience visual: images" in words


def test_attributes_that_came_as_lists_are_shown_too() -> None:
    assert "Attributes2 attributes; " in page_of(data_of()).words


def test_rows_with_problems_are_told_by_file_and_reason() -> None:
    told = [problem("b.csv", "a date", 1234), problem("a.csv", "less", 5, kept=True)]
    words = page_of(data_of(problems=told)).words
    assert "a dateb.csvleft out1,234lessa.csvkept5" in words
    assert "rows left out1,234" in words
    assert "None: every row that was read could be used." in page_of(data_of()).words


def test_problems_come_with_share_example_and_remedy() -> None:
    remedy = "Leave the @ out."
    one = problem("p.csv", "a known account", 3, of=4, example="'@x'", remedy=remedy)
    words = page_of(data_of(problems=[one])).words
    assert f"a known accountp.csvleft out3 (75 %)'@x'{remedy}" in words
    many = [one | {"what": f"kind {n}"} for n in range(205)]
    assert "5 more kinds stand there alone." in page_of(data_of(problems=many)).words


def test_source_and_settings_are_told() -> None:
    words = page_of(
        data_of(
            source="tables",
            seed=7,
            fit_on="training",
            pseudonyms={"method": "HMAC-SHA256", "digits": 16},
            input_fingerprints={"accounts": "0123456789abcdef"},
            said=["It took a while."],
        )
    ).words
    assert "SourcetablesDatasyntheticFeatures learnt fromtraining accounts of the protocol" in words
    assert "Seed7Account idspseudonyms (HMAC-SHA256, 16 digits)" in words
    assert "accounts 0123456789ab" in words and "0123456789abc" not in words
    assert "What the conversion saidIt took a while." in words
    assert "Account idsas they came" in page_of(data_of()).words


def test_synthetic_data_is_called_so_beside_every_figure_and_table() -> None:
    content = data_report(data_of(features=ALL, problems=[problem("a.csv", "x", 1)])).decode()
    assert "<title>Data report of little (synthetic data)</title>" in content
    badge = '<span class="synthetic">synthetic data</span>'
    beside = re.findall(r"<(?:figcaption|p class=\"soft\")>(.*?)</(?:figcaption|p)>", content)
    assert len(beside) >= content.count("<table") + content.count("<figure")
    assert all(text.endswith(badge) for text in beside)
    real = data_of(synthetic=False, features=ALL)
    assert "synthetic" not in page_of(real).words.replace("not synthetic", "")


def test_every_figure_has_words_for_those_who_cannot_see_it() -> None:
    page = page_of(data_of(features=ALL))
    plots = [found for tag, found in page.elements if found.get("class") == "columns"]
    assert len(plots) == 4
    assert all(found["role"] == "img" and len(found["aria-label"]) > 20 for found in plots)
    assert not [found for _, found in page.elements if "nan" in found.get("style", "")]


def test_links_lead_to_sections_of_the_page() -> None:
    page = page_of(data_of(features=ALL))
    anchors = {found["id"] for tag, found in page.elements if tag == "section"}
    links = [found["href"] for tag, found in page.elements if tag == "a"]
    assert {link.removeprefix("#") for link in links} == anchors
    assert len(links) == len(anchors) == 10


def test_no_account_is_named() -> None:
    data = data_of(features=ALL)
    ids = [*data.brands.brand_id, *data.influencers.influencer_id]
    names = {name: f"account-of-{name}" for name in ids}
    renamed = dataclasses.replace(
        data,
        brands=data.brands.assign(brand_id=data.brands.brand_id.map(names)),
        influencers=data.influencers.assign(
            influencer_id=data.influencers.influencer_id.map(names)
        ),
        interactions=data.interactions.replace(names),
        splits={
            protocol: {part: pairs.replace(names) for part, pairs in parts.items()}
            for protocol, parts in data.splits.items()
        },
    )
    content = data_report(renamed)
    assert b"account-of" not in content
    assert content == data_report(data)


def test_the_page_is_the_same_for_the_same_data() -> None:
    assert data_report(data_of(features=ALL)) == data_report(data_of(features=ALL))


def test_the_page_needs_neither_a_network_nor_scripts() -> None:
    page = page_of(data_of(features=ALL))
    content = data_report(data_of(features=ALL)).decode()
    assert {tag for tag, _ in page.elements} <= TAGS
    assert not re.search(r"https?:|url\((?!#)|@import|<script|<link", content)
    policies = [found["content"] for _, found in page.elements if "http-equiv" in found]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def hostile(word: str) -> AtomicData:
    topic = {"words": [[word, 1.0]], "share": 0.2, "coherence": 0.0}
    labels = LABELS | {"most_frequent_labels": {"object": [[word, 3]], "scene": [[word, 2]]}}
    return data_of(
        category=word,
        attribute=word,
        features={
            "content_topics": TOPICS | {"topics": [topic] * 3},
            "content_visual": labels | {"models": {word: word}},
            "audience_visual": {"model": word, "vector_length": 3},
            "attributes": {"uncovered_words": {word: 9}},
        },
        problems=[problem(word, word, 3, example=word, remedy=word)],
        source=word,
        warnings=[{"text": word, "remedy": word}],
        said=[word],
    )


NASTY = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.sampled_from(
        ["<script>alert('x')</script>", '" onload="alert(1)', "&lt;b&gt;", "]]>", "<!--",
         "</style></title>", "\u202e\u05e9\u05dc\u05d5\u05dd\u2066", "\x00\x1b[2J", "w" * 500,
         "%3Cb%3E"]
    ),
)  # fmt: skip


@settings(max_examples=40)
@given(NASTY.map(lambda word: f"&{word}"))
def test_no_word_of_the_data_becomes_markup_or_leaves_its_place(word: str) -> None:
    page = page_of(hostile(word))
    plain = page_of(hostile("plain"))
    tags = [tag for tag, _ in page.elements]
    assert sorted(tags) == sorted(tag for tag, _ in plain.elements)
    for tag, found in page.elements:
        assert not {name for name in found if name.startswith("on") or name == "src"}
        assert tag == "a" or "href" not in found
    controls = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
    assert not controls.search(page.words)


def test_a_word_of_another_direction_is_kept_apart() -> None:
    word = "\u202e\u05e9\u05dc\u05d5\u05dd"
    content = data_report(hostile(word)).decode()
    assert content.count(word) == 19
    assert word not in re.sub(r"<bdi>.*?</bdi>", "", content)


def test_a_long_word_is_cut() -> None:
    content = data_report(data_of(category="w" * 500)).decode()
    assert f"<bdi>{'w' * 79}…</bdi>" in content and "w" * 80 not in content


@pytest.mark.parametrize(
    "changes",
    [
        {"splits": {}},
        {"interactions": table_of([])},
        {"manifest": {}},
        {"splits": {"new-brand": {}}},
    ],
    ids=["no split", "no pairs", "empty manifest", "no parts"],
)
def test_at_the_edges_the_page_stays_whole(changes: Mapping[str, Any]) -> None:
    page = page_of(dataclasses.replace(data_of(), **changes))
    styles = [found.get("style", "") for _, found in page.elements]
    assert not [style for style in styles if "nan" in style or "inf" in style]
    assert "nan" not in page.words.split()
    assert page.words.rstrip().endswith("as they came")


def test_one_brand_without_anything_has_a_page() -> None:
    pairs = table_of([("b1", "m1")])
    data = AtomicData(
        "one",
        pd.DataFrame({"brand_id": ["b1"]}),
        pd.DataFrame({"influencer_id": ["m1"]}),
        pairs,
        None,
        {"new-brand": {"train": pairs}},
        {"synthetic": False},
    )
    words = page_of(data).words
    assert "1 brand and 1 influencer with 1 collaboration; the data is not synthetic." in words
    assert "Every brand has 1 influencer." in words
    assert "The accounts have no features; only the collaborations are known." in words
    assert "The brands' categories are not known." in words


def test_a_histogram_shows_the_count_of_every_column() -> None:
    found = histogram(np.array([0, 2, 2, 2, 3, 3]), "brand")
    assert {name: column.text for name, column in found.items() if column.text} == {
        "0": "1", "2": "3", "3": "2"
    }  # fmt: skip
    assert list(found) == [*map(str, range(8))]
    assert [found[name].share for name in "0123"] == [1 / 3, 0, 1, 2 / 3]
    logarithmic = histogram(np.array([700.0, 90_000]), "brand", log=True)
    assert list(logarithmic) == ["500", "1k", "2k", "5k", "10k", "20k", "50k"]


@pytest.mark.parametrize(
    ("value", "text"), [(500, "500"), (1000, "1k"), (20_000, "20k"), (5e6, "5M"), (1e9, "1G")]
)
def test_large_numbers_are_short_on_an_axis(value: float, text: str) -> None:
    assert short_number(value) == text
