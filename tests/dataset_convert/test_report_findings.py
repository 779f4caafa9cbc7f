"""What a reader is warned about: each at its threshold and beyond it."""

import string
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dataset_convert import raw, vectors
from dataset_convert.atomic import AtomicData
from dataset_convert.findings import REPEATED, find_all, name_warnings
from dataset_convert.sources import gan2019

Pairs = Sequence[tuple[str, str]]
VECTOR = np.ones(2)


def table_of(pairs: Pairs) -> pd.DataFrame:
    return pd.DataFrame(list(pairs), columns=["brand_id", "influencer_id"])


def plain(
    n_brands: int = 60,
    *,
    parts: dict[str, Pairs] | None = None,
    pairs: Pairs | None = None,
    with_vectors: Sequence[int] | None = None,
    categories: Sequence[str] | None = None,
    **manifest: Any,
) -> AtomicData:
    """A data set that nothing is to be said about: a pair a brand, 20 brands a part."""
    own = [(f"b{n}", f"m{n}") for n in range(n_brands)]
    known = range(n_brands) if with_vectors is None else with_vectors
    cells = pd.Series([VECTOR if n in known else None for n in range(n_brands)], dtype=object)
    brands = pd.DataFrame({"brand_id": [b for b, _ in own], "brand_content_topics": cells})
    if categories is None:
        categories = ["food", "auto"] * (n_brands // 2)
    if categories:
        brands["brand_category"] = categories
    influencers = pd.DataFrame({"influencer_id": [m for _, m in own]})
    influencers["influencer_content_topics"] = [VECTOR] * n_brands
    third = n_brands // 3
    drawn = {"train": own[:third], "valid": own[third : 2 * third], "test": own[2 * third :]}
    return AtomicData(
        name="plain",
        brands=brands,
        influencers=influencers,
        interactions=table_of(own if pairs is None else pairs),
        influencer_category=None,
        splits={"new-brand": {part: table_of(of) for part, of in (parts or drawn).items()}},
        manifest={"synthetic": True, "fit_on": "training", **manifest},
    )


def texts(data: AtomicData) -> list[str]:
    return [found.text.replace("\u00a0", " ") for found in find_all(data)]


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    assert texts(plain()) == []


def test_every_finding_says_what_to_do() -> None:
    bare = plain(4, categories=[], with_vectors=[0], pairs=[("b0", "m0")] * 2)
    found = find_all(bare)
    assert len(found) == 7
    assert all(one.remedy.endswith(".") and len(one.remedy) > 40 for one in found)


def test_fitting_on_all_accounts_leaks() -> None:
    (text,) = texts(plain(fit_on="all", features={"content_topics": {}}))
    assert "fitted on all accounts (fit_on: all)" in text
    assert texts(plain(fit_on="all", features={})) == []


@pytest.mark.parametrize(("n_brands", "warned"), [(60, False), (57, True)])
def test_parts_of_few_brands_are_noisy(n_brands: int, warned: bool) -> None:
    found = texts(plain(n_brands, categories=["food"] * n_brands))
    expected = [
        "The protocol new-brand has only 19 validation brands.",
        "The protocol new-brand has only 19 test brands.",
    ]
    assert found == (expected if warned else [])


def test_absent_parts_are_told() -> None:
    own = [(f"b{n}", f"m{n}") for n in range(60)]
    assert texts(plain(parts={"train": own})) == [
        "The protocol new-brand has no validation brands.",
        "The protocol new-brand has no test brands.",
    ]


def test_repeated_rows_are_added_up_and_other_reasons_are_not() -> None:
    problems = [
        {"what": what, "n_rows": n_rows}
        for what, n_rows in ((gan2019.ONE_PAIR, 3), (raw.MERGED, 4), (raw.CUT, 50))
    ]
    (text,) = texts(plain(problems=problems))
    assert text == "7 rows repeated an account, a pair or a vector; one was kept."
    for reason in (gan2019.ONE_CONTENT, gan2019.ONE_PAIR, raw.MERGED, vectors.ONE_VECTOR):
        assert reason.startswith(REPEATED)


def test_accounts_without_pairs_are_counted() -> None:
    pairs = [(f"b{n}", f"m{n}") for n in range(2, 59)]
    assert texts(plain(pairs=pairs)) == [
        "3 brands have no collaboration.",
        "3 influencers have no collaboration.",
    ]


@pytest.mark.parametrize(("n_more", "warned"), [(5, False), (6, True)])
def test_an_influencer_with_more_than_a_tenth_of_the_pairs_is_too_popular(
    n_more: int, warned: bool
) -> None:
    own = [(f"b{n}", f"m{n}") for n in range(60)]
    more = [(f"b{n}", "m0") for n in range(1, 1 + n_more)]
    told = ["One influencer has 7 of 66 collaborations (11 %)."]
    assert texts(plain(pairs=[*own, *more])) == (told if warned else [])


def test_in_tiny_data_no_influencer_is_too_popular() -> None:
    data = plain(3, pairs=[("b0", "m0"), ("b1", "m0"), ("b2", "m0")], categories=["food"] * 3)
    assert not [text for text in texts(data) if "One influencer" in text]


def test_missing_and_single_categories_are_told() -> None:
    assert texts(plain(categories=[])) == ["The brands have no categories."]
    single = ["food", "auto", *["shoes"] * 58]
    assert texts(plain(categories=single)) == ["2 categories have a single brand."]


def test_a_modality_on_less_than_half_of_a_side_and_accounts_without_any_are_told() -> None:
    assert texts(plain(with_vectors=range(30))) == ["30 brands have no modality at all."]
    assert texts(plain(with_vectors=range(29))) == [
        "Only 29 of 60 brands have content topics (48 %).",
        "31 brands have no modality at all.",
    ]


def test_without_any_modality_there_is_one_warning() -> None:
    data = plain()
    bare = AtomicData(
        **{
            **vars(data),
            "brands": data.brands.drop(columns="brand_content_topics"),
            "influencers": data.influencers[["influencer_id"]],
        }
    )
    assert texts(bare) == ["The accounts have no features at all."]


@pytest.mark.parametrize(
    ("shares", "warned"),
    [((0.5, 0.3, 0.2), False), ((0.2, 0.51, 0.29), True), ((0.9, 0.1), False)],
)
def test_a_topic_with_more_than_half_of_the_weight_is_told(
    shares: tuple[float, ...], warned: bool
) -> None:
    report = {"topics": [{"share": share, "words": [["secret", 1.0]]} for share in shares]}
    found = texts(plain(features={"audience_topics": report}))
    assert found == (["Audience topics: topic 1 holds 51 % of the weight."] if warned else [])


def names(first: str, last: str, n_each: int) -> list[str]:
    letters = [letter for letter in string.ascii_lowercase if first <= letter <= last]
    return [f"{letter}nna{n}" for letter in letters for n in range(n_each)]


@pytest.mark.parametrize(
    ("first", "last", "n_each", "warned"),
    [("a", "m", 3, True), ("n", "z", 3, True), ("a", "z", 3, False), ("a", "m", 1, False),
     ("a", "x", 9, False), ("b", "z", 1, False)],
)  # fmt: skip
def test_names_from_a_part_of_the_alphabet_are_told_without_names(
    first: str, last: str, n_each: int, warned: bool
) -> None:
    found = name_warnings(names(first, last, n_each), "influencer")
    assert len(found) == warned
    if warned:
        n_names = n_each * 13
        assert found[0].text == (
            f"The names of {n_names} influencers all begin with letters from {first} to {last}: "
            "the list seems to be cut in alphabetical order."
        )
        assert "nna" not in found[0].remedy


def test_capitals_signs_and_other_scripts_do_not_matter() -> None:
    shown = [f" @{name.upper()}" for name in names("a", "m", 3)]
    assert len(name_warnings([*shown, "Ωmega", "אבג", "", "9gag"], "brand")) == 1


@pytest.mark.parametrize(
    "ids",
    [[f"b{n}" for n in range(500)], [f"{n * 7919:08x}" for n in range(5000)], ["", "  ", "@"], []],
    ids=["one letter", "hexadecimal", "empty", "none"],
)
def test_ids_are_no_names(ids: list[str]) -> None:
    assert name_warnings(ids, "brand") == []
