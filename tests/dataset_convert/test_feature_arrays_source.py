"""Released arrays with two rows a pair: accounts found again, and everything that may be wrong."""

import csv
import json
import re
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openpyxl
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataset_convert.__main__ import main
from dataset_convert.atomic import read_atomic
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.sources import feature_arrays, find_source, source_names

WIDTHS = {
    "content_topics": 3,
    "content_visual": 7,
    "audience_topics": 2,
    "audience_visual": 5,
    "attribute_vector": 11,
}
FILES = {
    "content_topics": "{part}set/{side}_text_{part}.npy",
    "content_visual": "{part}set/{side}_image_{part}.npy",
    "audience_topics": "audience_{part}set/{side}_text_{part}.npy",
    "audience_visual": "audience_{part}set/{side}_image_{part}.npy",
    "attribute_vector": "attribute_{part}set_n2v/{side}_attribute_{part}_n2v_new.npy",
}
# Brand, positive influencer, negative influencer.
TRAIN = [("ada", "pia", "quy"), ("bob", "quy", "ros"), ("ada", "pia", "sam"), ("bob", "ros", "pia")]
TEST = [("cleo", "sam", "ros"), ("cleo", "quy", "sam")]
PAIRS = [("ada", "pia"), ("bob", "quy"), ("bob", "ros"), ("cleo", "sam"), ("cleo", "quy")]

Matrix = npt.NDArray[np.float32]


def vector(name: str, modality: str) -> Matrix:
    """A vector of multiples of 1/64, which half precision holds exactly."""
    rng = np.random.default_rng([*name.encode(), len(modality)])
    return (rng.integers(1, 64, WIDTHS[modality]) / 64).astype(np.float32)


def path_of(folder: Path, modality: str, side: str, part: str) -> Path:
    return folder / FILES[modality].replace("{side}", side).replace("{part}", part)


def write_release(
    folder: Path,
    train: Sequence[tuple[str, str, str]] = TRAIN,
    test: Sequence[tuple[str, str, str]] = TEST,
    modalities: Sequence[str] = tuple(WIDTHS),
    dtypes: Mapping[str, Any] = {"train": np.float32, "test": np.float32},
) -> Path:
    for part, triples in (("train", train), ("test", test)):
        for modality in modalities if triples else ():
            for side in ("brand", "in"):
                names = [
                    name
                    for brand, positive, negative in triples
                    for name in ((brand, brand) if side == "brand" else (positive, negative))
                ]
                path = path_of(folder, modality, side, part)
                path.parent.mkdir(parents=True, exist_ok=True)
                rows = np.vstack([vector(name, modality) for name in names])
                np.save(path, rows.astype(dtypes[part]))
    return folder


def change(folder: Path, modality: str, side: str, part: str, edit: Callable[[Any], Any]) -> None:
    path = path_of(folder, modality, side, part)
    np.save(path, edit(np.load(path)))


def put(row: int, value: object) -> Callable[[Any], Any]:
    def edit(matrix: Any) -> Any:
        matrix[row] = value
        return matrix

    return edit


def write_pairs(folder: Path, part: str, triples: Sequence[tuple[str, str, str]]) -> str:
    rows = [("brand", "influencer"), *((brand, positive) for brand, positive, _ in triples)]
    with (folder / f"{part}.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return f"{part}.csv"


def named(folder: Path) -> dict[str, Any]:
    parts = {"train": TRAIN, "test": TEST}
    return {"pairs": {part: write_pairs(folder, part, rows) for part, rows in parts.items()}}


def read(folder: Path, options: Mapping[str, Any] | None = None) -> tuple[RawMaterial, list[str]]:
    problems = Problems()
    return feature_arrays.read(folder, options or {}, problems), problems.lines(99)


def pairs_of(material: RawMaterial) -> list[tuple[str, str]]:
    frame = material.collaborations
    return list(zip(frame["brand_id"], frame["influencer_id"], strict=True))


def refusal(folder: Path, options: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(ConversionError) as caught:
        read(folder, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_is_found_by_name() -> None:
    assert "feature-arrays" in source_names()
    assert find_source("feature-arrays") is feature_arrays


def test_rows_become_numbered_accounts(tmp_path: Path) -> None:
    material, problems = read(write_release(tmp_path))
    # In order of first appearance, negative rows included: pia quy ros sam.
    number = {"ada": "brand_0001", "bob": "brand_0002", "cleo": "brand_0003"}
    number |= {
        name: f"influencer_{i:04d}" for i, name in enumerate(("pia", "quy", "ros", "sam"), 1)
    }
    roles = dict(zip(material.accounts["account_id"], material.accounts["role"], strict=True))
    assert roles == {account: account.partition("_")[0] for account in number.values()}
    assert pairs_of(material) == [(number[brand], number[one]) for brand, one in PAIRS]
    assert material.brand_parts == {
        "brand_0001": "train",
        "brand_0002": "train",
        "brand_0003": "test",
    }
    assert set(material.vectors) == set(WIDTHS)
    for modality, vectors in material.vectors.items():
        assert set(vectors) == set(number.values())
        for name, account in number.items():
            np.testing.assert_array_equal(vectors[account], vector(name, modality))
            assert vectors[account].dtype == np.float32
    assert problems == [
        "trainset/in_text_train.npy, testset/in_text_test.npy: found '1 repeated rows'; "
        "wanted every pair once: rows of the same pair were merged"
    ]
    assert list(material.posts()) == list(material.audience_posts()) == []
    assert (material.n_posts, material.n_audience_posts, material.synthetic) == (0, 0, False)
    assert material.accounts["category"].tolist() == [None] * 7
    assert set(material.fingerprints) == {"accounts", "collaborations", "splits", "vectors"}


def test_types_of_numbers_do_not_matter(tmp_path: Path) -> None:
    single, _ = read(write_release(tmp_path / "single"))
    dtypes = {"train": np.float16, "test": np.float64}
    mixed, _ = read(write_release(tmp_path / "mixed", dtypes=dtypes))
    assert pairs_of(mixed) == pairs_of(single)
    for modality, vectors in single.vectors.items():
        for account, expected in vectors.items():
            np.testing.assert_array_equal(mixed.vectors[modality][account], expected)
    assert mixed.fingerprints != single.fingerprints


def test_positive_row_second(tmp_path: Path) -> None:
    swapped = [(brand, negative, positive) for brand, positive, negative in TRAIN]
    material, _ = read(write_release(tmp_path, swapped, ()), {"positive": "second"})
    # Rows: quy pia ros quy sam pia pia ros.
    assert pairs_of(material) == [
        ("brand_0001", "influencer_0002"),
        ("brand_0002", "influencer_0001"),
        ("brand_0002", "influencer_0003"),
    ]
    assert material.brand_parts == {}


def test_modalities_may_be_missing(tmp_path: Path) -> None:
    folder = write_release(tmp_path, modalities=["content_topics", "attribute_vector"])
    material, _ = read(folder)
    assert set(material.vectors) == {"content_topics", "attribute_vector"}
    material, _ = read(folder, {"arrays": {"attribute_vector": None}})
    assert set(material.vectors) == {"content_topics"}
    assert len(pairs_of(material)) == 5


def test_other_names_of_files(tmp_path: Path) -> None:
    write_release(tmp_path, modalities=["content_topics", "content_visual"])
    for part in ("train", "test"):
        for side in ("brand", "in"):
            target = tmp_path / "vgg" / f"{part}-{side}-v2.npy"
            target.parent.mkdir(exist_ok=True)
            path_of(tmp_path, "content_visual", side, part).rename(target)
    material, _ = read(tmp_path, {"arrays": {"content_visual": "vgg/{part}-{side}*.npy"}})
    assert len(material.vectors["content_visual"]) == 7


def test_other_test_arrays_of_the_release_are_left_alone(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    # The release scores every test brand with every test influencer from these.
    np.save(folder / "attribute_testset_n2v" / "in_attribute_test_2_n2v.npy", np.ones((9, 11)))
    np.save(folder / "testset" / "in_text_test_2.npy", np.ones((9, 3)))
    assert len(pairs_of(read(folder)[0])) == 5


def test_zeros_and_nan_are_missing_vectors(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    # pia's rows in train are 0, 4 and 7 of the influencers.
    for row, value in ((0, np.nan), (4, 0.0), (7, -0.0)):
        change(folder, "content_visual", "in", "train", put(row, value))
    material, problems = read(folder)
    assert "influencer_0001" not in material.vectors["content_visual"]
    assert "influencer_0001" in material.vectors["content_topics"]
    assert len(pairs_of(material)) == 5
    assert len(problems) == 1


def test_rows_that_cannot_be_used_are_skipped(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    change(folder, "content_visual", "in", "train", put(2, [1, np.nan, 1, 1, 1, 1, 1]))
    change(folder, "attribute_vector", "brand", "train", put(6, np.inf))
    change(folder, "audience_topics", "in", "test", put(0, [np.inf, 1.5]))
    for modality in WIDTHS:
        change(folder, modality, "in", "test", put(1, 0))
    material, problems = read(folder)
    # Left are the pairs 1 and 3 of train, which are one, and the second of test.
    assert pairs_of(material) == [
        ("brand_0001", "influencer_0001"),
        ("brand_0003", "influencer_0002"),
    ]
    told = "\n".join(problems)
    for part in (
        "trainset/in_image_train.npy, row 3: found 'the row'; wanted finite numbers, or NaN",
        "attribute_trainset_n2v/brand_attribute_train_n2v_new.npy, row 7: found 'the row'; wanted",
        "audience_testset/in_text_test.npy, row 1: found 'the row'; wanted finite numbers",
        "testset/in_text_test.npy, testset/in_image_test.npy, ",
        "in_attribute_test_n2v_new.npy, row 2: found 'the row'; wanted a vector in one array",
    ):
        assert part in told


@pytest.mark.filterwarnings("error")
def test_numbers_too_large_for_single_precision(tmp_path: Path) -> None:
    folder = write_release(tmp_path, dtypes={"train": np.float64, "test": np.float64})
    change(folder, "content_visual", "in", "train", put(2, 1e300))
    assert "in_image_train.npy, row 3: found 'the row'; wanted finite" in "\n".join(read(folder)[1])


def test_names_from_lists_of_pairs(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    options = named(folder)
    text = (folder / "train.csv").read_text().replace("ada,pia", " ADA , Pia", 1)
    (folder / "train.csv").write_text(text)
    material, problems = read(folder, options)
    assert pairs_of(material) == PAIRS
    assert material.brand_parts == {"ada": "train", "bob": "train", "cleo": "test"}
    assert set(material.accounts["account_id"]) == {
        "ada",
        "bob",
        "cleo",
        "pia",
        "quy",
        "ros",
        "sam",
    }
    for modality, vectors in material.vectors.items():
        for name, found in vectors.items():
            np.testing.assert_array_equal(found, vector(name, modality))
    assert len(problems) == 1


def test_lists_of_pairs_as_json_lines_and_workbook(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    lines = [json.dumps({"client": brand, "creator": one}) for brand, one, _ in TRAIN]
    (folder / "train.jsonl").write_text("\n".join(lines))
    book = openpyxl.Workbook()
    for rank, (brand, positive, _) in enumerate(TEST):
        book.worksheets[0].append([brand, positive, 0.5, 17, rank])
    book.create_sheet("Sheet2")
    book.save(folder / "test.xlsx")
    options = {
        "pairs": {"train": "train.jsonl", "test": "test.xlsx"},
        "columns": {"pairs": {"brand": "client", "influencer": "creator"}},
    }
    assert pairs_of(read(folder, options)[0]) == PAIRS
    book.worksheets[0].insert_rows(1)
    for column, word in enumerate(("Brand", "Micro-influencer"), start=1):
        book.worksheets[0].cell(1, column, word)
    book.save(folder / "test.xlsx")
    assert pairs_of(read(folder, options)[0]) == PAIRS


def test_names_of_one_part_alone(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    material, _ = read(folder, {"pairs": {"train": write_pairs(folder, "train", TRAIN)}})
    # sam is a negative of train and a positive of test: no list names the account.
    assert pairs_of(material)[3:] == [("brand_0001", "influencer_0001"), ("brand_0001", "quy")]


def test_a_number_is_never_a_name_that_there_is(tmp_path: Path) -> None:
    triples = [("x", "influencer_0001", "quy"), ("x", "influencer_0003", "ros")]
    folder = write_release(tmp_path, triples, ())
    material, _ = read(folder, {"pairs": {"train": write_pairs(folder, "train", triples)}})
    accounts = material.accounts["account_id"].tolist()
    assert accounts == ["x", *(f"influencer_000{i}" for i in (1, 3, 2, 4))]
    assert (
        material.vectors["content_topics"]["influencer_0004"].tolist()
        == vector("ros", "content_topics").tolist()
    )


def test_a_number_is_never_a_name_of_the_other_side(tmp_path: Path) -> None:
    triples = [("influencer_0001", "pia", "quy")]
    folder = write_release(tmp_path, triples, ())
    material, _ = read(folder, {"pairs": {"train": write_pairs(folder, "train", triples)}})
    accounts = material.accounts["account_id"].tolist()
    assert accounts == ["influencer_0001", "pia", "influencer_0002"]


def test_a_name_with_two_vectors_keeps_the_frequent_one(tmp_path: Path) -> None:
    triples = [("ada", "pia", "ros"), ("bob", "pia", "pia"), ("cleo", "pia", "ros")]
    folder = write_release(tmp_path, triples, ())
    change(folder, "content_topics", "in", "train", put(0, [0.5, 0.25, 0.25]))
    change(folder, "content_topics", "in", "train", put(1, [0.5, 0.25, 0.25]))
    material, problems = read(folder, {"pairs": {"train": write_pairs(folder, "train", triples)}})
    expected = vector("pia", "content_topics")
    np.testing.assert_array_equal(material.vectors["content_topics"]["pia"], expected)
    assert problems[0] == (
        "trainset/in_text_train.npy, row 1: found 'pia, in 1 of 3 rows'; wanted the same vectors "
        "in every row of an account: the most frequent ones stay"
    )
    # Of equally frequent ones the first stays.
    change(folder, "content_topics", "in", "train", put(2, [0.5, 0.5, 0]))
    material, problems = read(folder, {"pairs": {"train": "train.csv"}})
    np.testing.assert_array_equal(material.vectors["content_topics"]["pia"], [0.5, 0.25, 0.25])
    assert [re.findall(r"row \d", line)[0] for line in problems] == ["row 3", "row 5"]


def test_a_pair_of_two_brands_is_told(tmp_path: Path) -> None:
    triples = [*TRAIN, *(("bob", "quy", "sam") for _ in range(3))]
    folder = write_release(tmp_path, triples, ())
    change(folder, "content_visual", "brand", "train", put(3, 0.125))
    material, problems = read(folder)
    assert (
        "trainset/brand_text_train.npy, row 4: found 'another one'; wanted the same brand in b"
        in (problems[0])
    )
    assert (material.accounts["role"] == "brand").sum() == 2
    assert pairs_of(material)[1] == ("brand_0002", "influencer_0002")


def test_a_brand_in_both_parts_stays_in_test(tmp_path: Path) -> None:
    folder = write_release(tmp_path, test=[*TEST, ("bob", "sam", "pia")])
    material, problems = read(folder, {})
    assert material.brand_parts["brand_0002"] == "test"
    assert problems[1] == (
        "trainset/brand_text_train.npy, row 3: found 'brand_0002'; wanted a brand in train or in "
        "test: it stays in test, with all its pairs"
    )


def test_a_brand_is_no_influencer(tmp_path: Path) -> None:
    triples = [("ada", "pia", "quy"), ("bob", "ada", "pia")]
    folder = write_release(tmp_path, triples, ())
    material, problems = read(folder, {"pairs": {"train": write_pairs(folder, "train", triples)}})
    assert pairs_of(material) == [("ada", "pia")]
    assert problems == [
        "trainset/in_text_train.npy, row 3: found 'ada'; wanted one role an account, brand or "
        "influencer: the first row stays"
    ]


def test_categories(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    rows = "Name,Kind\nAda,food\nbob,auto\nbob,shoes\nbob,auto\nzoe,food\n"
    (folder / "kinds.csv").write_text(rows)
    columns = {"categories": {"brand": "Name", "category": "Kind"}}
    options = {**named(folder), "categories": "kinds.csv", "columns": columns}
    material, problems = read(folder, options)
    categories = dict(
        zip(material.accounts["account_id"], material.accounts["category"], strict=True)
    )
    assert [categories[name] for name in ("ada", "bob", "cleo", "pia")] == [
        "food",
        "auto",
        None,
        None,
    ]
    assert problems[1:] == [
        "kinds.csv, row 4, column 'Kind': found 'shoes'; wanted one category a brand: the first "
        "row stays",
        "kinds.csv, row 6, column 'Name': found 'zoe'; wanted the id of a known brand",
    ]


EMBEDDING = "3 2\n7 1.0 2.0\n8 3.0 -2.0\nbaker 0.5 0.25\n"


def with_attributes(folder: Path, text: str, name: str = "lists.csv") -> dict[str, Any]:
    (folder / name).write_text(text)
    (folder / "nodes.txt").write_text(EMBEDDING)
    return {**named(folder), "attributes": {"table": name, "embedding": "nodes.txt"}}


def test_attribute_vectors_are_means_of_nodes(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    text = 'account,attributes\nPia,7 8\nada,"baker;7, 7"\nquy,9\nada,8\nzoe,7\nros,\n'
    material, problems = read(folder, with_attributes(folder, text))
    found = {name: one.tolist() for name, one in material.vectors["attribute_vector"].items()}
    # (1 + 3)/2 and (2 - 2)/2; (0.5 + 1 + 3)/3 and (0.25 + 2 - 2)/3.
    assert found == {"pia": [2.0, 0.0], "ada": [1.5, pytest.approx(0.25 / 3)]}
    assert problems[1:] == [
        "lists.csv, row 4, column 'attributes': found '9'; wanted a node of the embedding: it "
        "counts for nothing",
        "lists.csv, row 6, column 'account': found 'zoe'; wanted the name of a known account",
    ]


def test_attributes_as_lists(tmp_path: Path) -> None:
    folder = write_release(tmp_path)
    lines = (
        '{"account": "pia", "attributes": [7, "baker"]}\n{"account": "quy", "attributes": [[7]]}\n'
    )
    material, problems = read(folder, with_attributes(folder, lines, "lists.jsonl"))
    assert material.vectors["attribute_vector"]["pia"].tolist() == [0.75, 1.125]
    assert "row 2, column 'attributes': found 'a list of lists'; wanted text" in problems[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nodes.txt, row 1: found ''; wanted the number of nodes and the dimension"),
        ("two 2\n", "row 1: found 'two 2'; wanted the number of nodes"),
        ("3 2\n7 1\n", "row 2: found '7 1'; wanted a node and 2 numbers, as line 1 announces"),
        ("2 1\n7 1\n7 2\n", "row 3: found '7 2'; wanted every node once"),
        ("1 1\n7 nan\n", "row 2: found '7 nan'; wanted finite numbers behind the node"),
        ("1 1\n7 x\n", "row 2: found '7 x'; wanted finite numbers"),
        ("2 1\n\n7 1\n", "found '1 nodes of 1 numbers'; wanted 2 nodes with numbers, as in line 1"),
        ("1 0\n7\n", "found '1 nodes of 0 numbers'"),
    ],
)
def test_wrong_embedding(tmp_path: Path, text: str, message: str) -> None:
    folder = write_release(tmp_path)
    options = with_attributes(folder, "account,attributes\npia,7\n")
    (folder / "nodes.txt").write_text(text)
    assert message in refusal(folder, options)


def cut(n_rows: int) -> Callable[[Any], Any]:
    return lambda matrix: matrix[:n_rows]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            cut(7),
            "brand_image_train.npy: found '7 rows'; wanted an even number: every pair has a p",
        ),
        (cut(6), "found '6 rows'; wanted 8 rows, as in trainset/brand_text_train.npy"),
        (
            lambda m: m[:, :5],
            "in_image_train.npy: found '7 columns'; wanted 5 columns, as in trains",
        ),
        (
            lambda m: m[0],
            r"found 'float32 values of shape \(7,\)'; wanted a .npy file with a matrix",
        ),
        (lambda m: m.astype(str), "found '<U[0-9]+ values of shape"),
        (lambda m: m.astype(complex), "found 'complex128 values of shape"),
        (
            lambda m: np.array([{"a": 1}] * 8),
            "wanted a .npy file with a matrix of numbers, a row an",
        ),
    ],
)
def test_wrong_array(tmp_path: Path, edit: Callable[[Any], Any], message: str) -> None:
    folder = write_release(tmp_path, test=())
    change(folder, "content_visual", "brand", "train", edit)
    assert re.search(message, refusal(folder))


def test_rows_that_do_not_alternate(tmp_path: Path) -> None:
    folder = write_release(tmp_path, test=())
    for modality in WIDTHS:
        change(folder, modality, "brand", "train", lambda matrix: np.roll(matrix, 1, axis=0))
    message = (
        "found '4 of 4 pairs with two brands'; wanted a positive and a negative row of the same"
    )
    assert message in refusal(folder)


def test_no_pair_can_be_used(tmp_path: Path) -> None:
    folder = write_release(tmp_path, test=(), modalities=["content_topics"])
    change(folder, "content_topics", "in", "train", lambda matrix: matrix * np.nan)
    reason = refusal(folder)
    assert "in_text_train.npy: found 'no pair'; wanted a pair whose brand and influen" in reason


def test_missing_arrays(tmp_path: Path) -> None:
    reason = refusal(tmp_path / "none")
    assert "none: found 'no such folder'; wanted a folder of feature arrays" in reason
    message = (
        "found 'none'; wanted training arrays of the brands, such as trainset/brand_text_train"
    )
    assert message in refusal(tmp_path)
    folder = write_release(tmp_path)
    path_of(folder, "content_visual", "in", "test").unlink()
    message = (
        "trainset/in_image_train.npy: found 'no such array of the other part'; wanted the "
        "content_visual of the influencers for train and test, or 'arrays: {content_visual: ~}'"
    )
    assert message in refusal(folder)
    for modality in WIDTHS:
        path_of(folder, modality, "in", "train").unlink()
    reason = refusal(folder)
    assert "wanted training arrays of the influencers, such as trainset/in_text_train" in reason


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release")
    path = path_of(folder, "content_topics", "in", "train")
    path.rename(tmp_path / "elsewhere.npy")
    path.symlink_to(tmp_path / "elsewhere.npy")
    assert "found 'trainset/in_text_train.npy'; wanted a path within" in refusal(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"array": {}}, "Unknown key 'array'. Did you mean 'arrays'?"),
        ({"arrays": {"visual": "x"}}, "Did you mean 'content_visual'?"),
        ({"arrays": {"content_visual": "{part}.npy"}}, "{side} and {part} in them, or ~"),
        ({"arrays": {"content_visual": 3}}, "Key 'arrays: content_visual' must be a text."),
        ({"arrays": {"content_visual": "../{side}{part}"}}, "wanted a path within the folder"),
        ({"arrays": {"content_visual": "{side}{part}a**"}}, "a pattern that names files of the f"),
        (
            {"arrays": {"content_visual": "{side}{part}"}},
            "a pattern that names files of the folder",
        ),
        (
            {"arrays": {"content_visual": "*{part}set/{side}_image*"}},
            "found 'audience_trainset/brand_image_train.n...'; wanted one file, or a narrower",
        ),
        ({"positive": "third"}, "Key 'positive' must be one of first, second. Received: 'third'."),
        ({"pairs": {"valid": "x"}}, "Key 'pairs: valid"),
        ({"pairs": {"train": "x.csv"}}, "'pairs.train': found 'x.csv'; wanted the name of a file"),
        ({"pairs": {"train": "x.xlsx"}}, "'pairs.train': found 'x.xlsx'; wanted the name of a fi"),
        ({"categories": 7}, "Key 'categories' must be a text. Received: 7."),
        ({"attributes": {"table": "x"}}, "Key 'attributes: embedding' is missing."),
        (
            {
                "attributes": {"table": "x", "embedding": "y"},
                "arrays": {"attribute_vector": "{side}{part}"},
            },
            "have either 'attributes' or 'arrays: attribute_vector', not both",
        ),
        ({"columns": {"pairs": {"infl": "x"}}}, "Unknown key 'columns: pairs: infl'. Valid: "),
        ({"columns": []}, "Key 'columns' must be a mapping. Received: []."),
        ({"encoding": "utf-9"}, "Key 'encoding' must be the name of an encoding, e.g. 'utf-8'"),
        ({"delimiter": "xx"}, "Key 'delimiter' must be one character"),
        ({"synthetic": "yes"}, "Key 'synthetic' must be True or False. Received: 'yes'."),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    assert message in refusal(write_release(tmp_path), options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "brand,influencer\nada,pia\n",
            "train.csv: found '1 rows'; wanted 4 rows, one a pair of th",
        ),
        ("brand,influencer\nada,pia\n,quy\nada,pia\nbob,ros\n", "row 3, column 'brand': found ''"),
        ("brand,influencer\nada,pia\nada\nada,pia\nbob,ros\n", "row 3: found '1 cells'"),
        ("brand,name\nada,pia\n", "train.csv, column 'influencer': found 'brand, name'"),
    ],
)
def test_wrong_list_of_pairs(tmp_path: Path, text: str, message: str) -> None:
    folder = write_release(tmp_path, test=())
    (folder / "train.csv").write_text(text)
    assert message in refusal(folder, {"pairs": {"train": "train.csv"}})


def test_list_of_pairs_without_arrays_or_names(tmp_path: Path) -> None:
    folder = write_release(tmp_path, test=())
    reason = refusal(folder, named(folder))
    assert "'pairs.test': found 'test.csv'; wanted arrays of the part test" in reason
    book = openpyxl.Workbook()
    for row in (["ada", "pia"], ["bob"], ["ada", "pia"], ["bob", "ros"]):
        book.worksheets[0].append(row)
    book.save(folder / "train.xlsx")
    message = "train.xlsx, sheet 'Sheet', row 2, column 'influencer': found ''; wanted a value in"
    assert message in refusal(folder, {"pairs": {"train": "train.xlsx"}})


def test_examples_of_the_page_are_options() -> None:
    page = (Path(__file__).parents[2] / "docs/convert_vectors.md").read_text()
    section = page.split("## Source `feature-arrays`", 1)[1]
    blocks = [yaml.safe_load(block) for block in re.findall("```yaml\n(.*?)```", section, re.S)]
    first, second = (feature_arrays.Settings(**block["source"]) for block in blocks)
    assert first.arrays == {
        "audience_topics": None,
        "content_visual": "clip/{part}/{side}_*.npy",
    }
    columns = first.columns.model_dump()
    assert columns["pairs"] == {"brand": "Brand", "influencer": "Micro-influencer"}
    assert columns["categories"] == {"brand": "brand", "category": "category"}
    assert second.attributes is not None
    assert second.attributes.embedding == "node2vec_embedding.txt"


@given(data=st.data())
def test_accounts_are_found_again(data: st.DataObject, tmp_path_factory: Any) -> None:
    brands = st.sampled_from(["ada", "bob", "cleo"])
    influencers = st.sampled_from(["pia", "quy", "ros", "sam", "tom"])
    triples = st.lists(st.tuples(brands, influencers, influencers), max_size=9)
    train, test = data.draw(triples.filter(len)), data.draw(triples)
    folder = tmp_path_factory.mktemp("release")
    write_release(folder, train, test, modalities=["content_topics", "content_visual"])
    material, _ = read(folder)
    number = {
        found.tobytes(): account for account, found in material.vectors["content_visual"].items()
    }
    names = {
        name: number.get(vector(name, "content_visual").tobytes(), "")
        for triple in [*train, *test]
        for name in triple
    }
    assert sorted(names.values()) == sorted(material.accounts["account_id"])
    expected = dict.fromkeys((names[brand], names[one]) for brand, one, _ in [*train, *test])
    assert pairs_of(material) == list(expected)
    in_test = {names[brand] for brand, _, _ in test}
    assert {name for name, part in material.brand_parts.items() if part == "test"} == in_test


@given(place=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_spoiled_array_is_read_or_refused(place: int, byte: int, tmp_path_factory: Any) -> None:
    folder = write_release(
        tmp_path_factory.mktemp("release"), test=(), modalities=["content_visual"]
    )
    path = path_of(folder, "content_visual", "brand", "train")
    content = bytearray(path.read_bytes())
    content[place] = byte
    path.write_bytes(content)
    try:
        material, _ = read(folder)
    except ConversionError as error:
        assert "brand_image_train.npy" in str(error)
    else:
        assert pairs_of(material)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    known = {"brand": rng.random((5, 1365), np.float32), "in": rng.random((31, 1365), np.float32)}
    n_rows = 6000
    for side, vectors in known.items():
        rows = rng.integers(len(vectors), size=n_rows)
        path = path_of(tmp_path, "content_visual", side, "train")
        path.parent.mkdir(exist_ok=True)
        np.save(path, vectors[np.repeat(rows[::2], 2) if side == "brand" else rows])
    tracemalloc.start()
    try:
        material, _ = read(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(material.accounts) == 36
    assert peak < 16e6 < n_rows * 1365 * 4


def test_converts_as_the_same_content_in_tables(tmp_path: Path) -> None:
    train = [*TRAIN, ("bob", "sam", "pia")]
    folder = write_release(tmp_path / "release", train)
    tables = tmp_path / "tables"
    tables.mkdir()
    pairs = {
        "train": write_pairs(folder, "train", train),
        "test": write_pairs(folder, "test", TEST),
    }
    material, _ = read(folder, {"pairs": pairs})
    accounts = material.accounts.rename(columns={"account_id": "id"})
    accounts[["id", "role"]].to_csv(tables / "accounts.csv", index=False)
    frame = pd.DataFrame([("bob", "sam"), *PAIRS[::-1]], columns=["brand", "influencer"])
    frame.to_csv(tables / "collaborations.csv", index=False)
    parts = pd.DataFrame(list(material.brand_parts.items()), columns=["brand", "part"])
    parts.to_csv(tables / "splits.csv", index=False)
    ids = accounts["id"].tolist()
    for modality in WIDTHS:
        np.save(tables / f"{modality}.npy", np.vstack([vector(name, modality) for name in ids]))
    vectors = {name: {"matrix": f"{name}.npy", "ids": "accounts.csv"} for name in WIDTHS}
    common = {"pseudonyms": False, "splits": {"n_valid": 1}}
    written = {}
    for source, place, options in (
        ("feature-arrays", folder, {"pairs": pairs}),
        ("tables", tables, {"vectors": vectors}),
    ):
        config = tmp_path / f"{source}.yaml"
        config.write_text(json.dumps({**common, "source": options}))
        command = ["--source", source, "--input", str(place), "--config", str(config)]
        assert main([*command, "--name", "toy", "--output", str(tmp_path / source)]) == 0
        written[source] = tmp_path / source / "toy"
    # The order of the rows of .inter is the material's.
    names = {path.name for path in written["tables"].iterdir()} - {"manifest.json", "problems.csv"}
    names = {name for name in names if name.startswith("toy.")} - {"toy.inter"}
    assert {"toy.user", "toy.item", "toy.new-brand.test.inter"} <= names
    for name in names:
        assert (written["feature-arrays"] / name).read_bytes() == (
            written["tables"] / name
        ).read_bytes()
    data = read_atomic(written["feature-arrays"], "toy")
    assert data.splits["new-brand"]["test"]["brand_id"].unique().tolist() == ["cleo"]
    assert len(data.interactions) == 6
