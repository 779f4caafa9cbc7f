"""Material in matrices, converted by the command a person types."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dataset_convert.__main__ import main
from dataset_convert.atomic import read_atomic
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.sources import matrices

N_BRANDS, N_INFLUENCERS = 7, 11


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """Seven brands of two categories, eleven influencers, matrices of 3 topics and 5 numbers."""
    folder = tmp_path / "material"
    folder.mkdir()
    rng = np.random.default_rng(3)
    brands = [f"b{i}" for i in range(N_BRANDS)]
    influencers = [f"m{i:02d}" for i in range(N_INFLUENCERS)]
    categories = ["auto", "food"]
    pd.DataFrame(
        {"brand_id": brands, "category": [categories[i % 2] for i in range(N_BRANDS)]}
    ).to_csv(folder / "brands.csv", index=False)
    pd.DataFrame(
        {"influencer_id": influencers, "category": [categories[i % 2] for i in range(11)]}
    ).to_csv(folder / "influencers.csv", index=False)
    pd.DataFrame(
        [
            (b, influencers[(3 * i + j) % 11], 0.125 * (j + 1))
            for i, b in enumerate(brands)
            for j in range(4)
        ],
        columns=["brand_id", "influencer_id", "competence"],
    ).to_csv(folder / "collaborations.csv", index=False)
    for side, n in (("brand", N_BRANDS), ("influencer", N_INFLUENCERS)):
        np.save(folder / f"{side}_topics.npy", rng.dirichlet([1, 1, 1], n).astype(np.float32))
        vectors = rng.standard_normal((n, 5)).astype(np.float32)
        vectors[1] = np.nan
        vectors[2] = 0
        np.save(folder / f"{side}_attribute_vector.npy", vectors)
    np.save(folder / "brand_visual.npy", np.ones((N_BRANDS, 4), dtype=np.float32))
    return folder


def convert(material: Path, out: Path, *more: str) -> int:
    source = ["--source", "matrices", "--input", str(material)]
    return main([*source, "--name", "toy", "--output", str(out), *more])


def read(folder: Path, **options: Any) -> tuple[RawMaterial, list[str]]:
    problems = Problems()
    return matrices.read(folder, options, problems), problems.lines()


def test_converts(material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(material, tmp_path / "out", "--n-valid", "3") == 0
    printed = capsys.readouterr()
    assert "brand_visual.npy: found 'no influencer_visual.npy beside it'; wanted " in printed.err
    assert "7 brands, 11 influencers, 28 collaborations" in printed.out
    assert "new-brand: train 16 pairs of 4 brands, valid 12 pairs of 3 brands" in printed.out
    data = read_atomic(tmp_path / "out" / "toy", "toy")
    assert list(data.brands) == [
        "brand_id",
        "brand_category",
        "brand_content_topics",
        "brand_attribute_vector",
    ]
    assert list(data.influencers) == [
        "influencer_id",
        "influencer_content_topics",
        "influencer_attribute_vector",
    ]
    for side, frame in (("brand", data.brands), ("influencer", data.influencers)):
        topics = np.load(material / f"{side}_topics.npy")
        np.testing.assert_allclose(np.vstack(frame[f"{side}_content_topics"]), topics, rtol=1e-5)
        vectors = frame[f"{side}_attribute_vector"]
        assert np.flatnonzero(vectors.isna()).tolist() == [1, 2]
        source = np.load(material / f"{side}_attribute_vector.npy")
        np.testing.assert_allclose(vectors[6], source[6], rtol=1e-5)
    assert data.influencer_category is not None
    assert data.influencer_category["m03"] == "food"
    assert list(data.splits["new-brand"]) == ["train", "valid"]
    assert {p: len(f) for p, f in data.splits["known-brand"].items()} == {
        "train": 14,
        "valid": 7,
        "test": 7,
    }
    assert data.interactions["competence"].tolist() == [0.125, 0.25, 0.375, 0.5] * 7


def test_atomic_files_to_the_byte(material: Path, tmp_path: Path) -> None:
    for side, n in (("brand", N_BRANDS), ("influencer", N_INFLUENCERS)):
        (material / f"{side}_attribute_vector.npy").unlink()
        topics = np.full((n, 3), 1 / 3, dtype=np.float32)
        topics[0] = (0.25, 0.7, 0.05)
        topics[1] = np.nan
        np.save(material / f"{side}_topics.npy", topics)
    assert convert(material, tmp_path) == 0
    written = {path.name: path.read_text().split("\n") for path in (tmp_path / "toy").glob("toy.*")}
    third = "0.333333 0.333333 0.333333"
    assert written["toy.user"] == [
        "brand_id:token\tbrand_category:token\tbrand_content_topics:float_seq",
        "b0\tauto\t0.25 0.7 0.05",
        "b1\tfood\t",
        *(f"b{i}\t{('auto', 'food')[i % 2]}\t{third}" for i in range(2, N_BRANDS)),
        "",
    ]
    assert written["toy.item"] == [
        "influencer_id:token\tinfluencer_content_topics:float_seq",
        "m00\t0.25 0.7 0.05",
        "m01\t",
        *(f"m{i:02d}\t{third}" for i in range(2, N_INFLUENCERS)),
        "",
    ]
    pairs = (material / "collaborations.csv").read_text().replace(",", "\t").split("\n")
    assert written["toy.inter"] == [
        "brand_id:token\tinfluencer_id:token\tcompetence:float",
        *pairs[1:],
    ]
    categories = (material / "influencers.csv").read_text().replace(",", "\t").split("\n")
    assert written["toy.influencer_category"] == [
        "influencer_id:token\tcategory:token",
        *categories[1:],
    ]
    # 15 % of seven brands is one; there is no test part.
    assert len(written["toy.new-brand.valid.inter"]) == 1 + 4 + 1
    assert "toy.new-brand.test.inter" not in written


def test_one_side_alone_is_not_read(material: Path) -> None:
    (material / "brand_visual.npy").write_bytes(b"spoiled")
    found, problems = read(material)
    assert set(found.vectors) == {"content_topics", "attribute_vector"}
    assert problems == [
        "brand_visual.npy: found 'no influencer_visual.npy beside it'; wanted matrices of both "
        "sides: one side alone cannot be compared"
    ]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("collaborations.csv", "b0,m01", "b0,m00", "row 3, column 'influencer_id': found 'm00'"),
        ("collaborations.csv", "b0,m01", "b0,m77", "'m77'; wanted the id of a known influencer"),
        ("collaborations.csv", "b0,m01", "b7,m01", "'b7'; wanted the id of a known brand"),
        ("collaborations.csv", "m00,0.125", "m00,1,2,3", "row 2: found '5 cells'; wanted as many"),
    ],
)
def test_wrong_pairs_are_left_out(
    material: Path, file: str, old: str, new: str, problem: str
) -> None:
    replace(material / file, old, new)
    found, problems = read(material)
    assert len(found.collaborations) == 27
    assert f"{file}, row" in problems[1]
    assert problem in problems[1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "b3,food",
            "b3,food,x",
            "brands.csv, row 5: found '3 cells'; wanted as many cells as the h",
        ),
        (
            "brand_id",
            "id",
            "brands.csv, column 'brand_id': found 'id, category'; wanted this column",
        ),
        (
            "b3,food\n",
            "",
            "brand_topics.npy: found '7 rows of 3 numbers'; wanted 6 rows, as in bra",
        ),
    ],
)
def test_wrong_table_of_brands(material: Path, old: str, new: str, message: str) -> None:
    replace(material / "brands.csv", old, new)
    with pytest.raises(ConversionError, match=message):
        read(material)


def test_a_row_without_id_shifts_no_vector(material: Path) -> None:
    replace(material / "influencers.csv", "m03,", ",")
    found, problems = read(material)
    topics = np.load(material / "influencer_topics.npy")
    np.testing.assert_array_equal(found.vectors["content_topics"]["m04"], topics[4])
    assert "influencer_topics.npy, row 4: found ''; wanted the id of a known account" in problems


def test_a_brand_twice_keeps_its_first_vectors(material: Path) -> None:
    replace(material / "brands.csv", "b3,", "b2,")
    found, problems = read(material)
    assert "b3" not in found.vectors["content_topics"]
    topics = np.load(material / "brand_topics.npy")
    np.testing.assert_array_equal(found.vectors["content_topics"]["b2"], topics[2])
    assert "brand_topics.npy, row 4: found 'b2'; wanted one vector an account" in "\n".join(
        problems
    )


def test_missing_and_empty_tables(material: Path) -> None:
    (material / "brands.csv").write_text("brand_id,category\n")
    with pytest.raises(ConversionError, match=r"brands\.csv: found 'no rows'; wanted at least one"):
        read(material)
    (material / "brands.csv").unlink()
    wanted = "wanted brands.csv, influencers.csv, collaborations.csv"
    with pytest.raises(ConversionError, match=f"material: found 'no brands.csv'; {wanted}"):
        read(material)
    with pytest.raises(ConversionError, match="nowhere: found 'no such folder'"):
        read(material / "nowhere")


def test_options_are_those_without_names(material: Path) -> None:
    assert read(material, synthetic=True)[0].synthetic
    with pytest.raises(
        ConversionError, match="Option 'source': found 'columns'; wanted one of enco"
    ):
        read(material, columns={})


def inf_at_4(n: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    matrix = np.ones((n, 3))
    matrix[4, 1] = np.inf
    return matrix


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((6, 3)), "found '6 rows of 3 numbers'; wanted 7 rows, as in brands.csv, of 3"),
        (np.ones(7), r"found 'float64 values of shape \(7,\)'; wanted a .npy file with a matrix"),
        (np.array([{"a": 1}]), "found .*; wanted a .npy file with a matrix of numbers"),
    ],
)
def test_wrong_matrix(material: Path, matrix: object, message: str) -> None:
    np.save(material / "brand_topics.npy", matrix)  # type: ignore[arg-type]
    with pytest.raises(ConversionError, match=f"brand_topics.npy: {message}"):
        read(material)


def test_a_vector_that_is_not_finite_is_left_out(material: Path) -> None:
    np.save(material / "brand_topics.npy", inf_at_4(7))
    found, problems = read(material)
    assert set(found.vectors["content_topics"]) >= {"b3", "b5"}
    assert "b4" not in found.vectors["content_topics"]
    assert "brand_topics.npy, row 5: found 'b4'; wanted finite numbers, or NaN" in problems[1]


def test_bad_input_exits_with_one_line_and_writes_nothing(
    material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (material / "brand_visual.npy").unlink()
    assert convert(material, out, "--n-valid", "43") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: The brands cannot be split: ")
    assert "7 can be drawn from, which do not give validation brands for n_valid 43" in error
    np.save(material / "brand_topics.npy", np.ones((6, 3)))
    assert convert(material, out) == 2
    error = capsys.readouterr().err
    assert error == (
        "error: brand_topics.npy: found '6 rows of 3 numbers'; wanted 7 rows, as in brands.csv, of "
        "3 numbers.\n"
    )
    assert not out.exists() or not list(out.iterdir())


def test_categories_of_one_side_alone_make_no_side_file(material: Path, tmp_path: Path) -> None:
    replace(material / "influencers.csv", "m04,auto", "m04,toys")
    assert convert(material, tmp_path) == 0
    assert read_atomic(tmp_path / "toy", "toy").influencer_category is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "matrices", "--name", "toy"], "The source 'matrices' needs --input FOLDER."),
        (
            ["--source", "synthetic", "--name", "mirec-tiny", "--input", "x"],
            "--source synthetic takes no --input: leave it out.",
        ),
        (["--source", "synthetic", "--name", "toy"], "must be one of mirec-demo, mirec-tiny"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "excel", "--name", "toy"], "invalid choice: 'excel'"),
        (["--name", "toy"], "--name and either --source or --forget are needed"),
        (["--source", "synthetic", "--nmae", "toy"], "unrecognized arguments: --nmae toy"),
    ],
)
def test_argparse_errors(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_list_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-sources"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split(":")[0] for line in lines}
    assert {"feature-arrays", "matrices", "synthetic", "tables"} <= listed


def test_command_makes_a_synthetic_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--source", "synthetic", "--name", "mirec-tiny", "--output", str(tmp_path / "dataset")]
    assert main(words) == 0
    assert "36 brands, 300 influencers, 340 collaborations" in capsys.readouterr().out
    assert len(read_atomic(tmp_path / "dataset" / "mirec-tiny", "mirec-tiny").interactions) == 340


@pytest.mark.real
def test_real_material(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(os.environ["MIREC_REAL_DATA"])
    assert convert(folder, tmp_path) == 0
    assert "brand_visual.npy: found 'no influencer_visual.npy beside" in capsys.readouterr().err
    data = read_atomic(tmp_path / "toy", "toy")
    rows = (len(data.brands), len(data.influencers), len(data.interactions))
    assert rows == (286, 3075, 3385)
    assert data.splits["new-brand"]["valid"]["brand_id"].nunique() == 43
    held = data.brands["brand_id"].isin(data.splits["new-brand"]["valid"]["brand_id"])
    assert set(data.brands[held]["brand_category"].value_counts()) == {3, 4}
    assert "test" not in data.splits["new-brand"]
    assert not [name for name in data.influencers if "category" in name]


@pytest.mark.real
def test_real_matrices_to_the_byte(tmp_path: Path) -> None:
    folder = Path(os.environ["MIREC_REAL_DATA"])
    assert convert(folder, tmp_path) == 0
    modalities = {
        "content_topics": ["topics"],
        "attribute_vector": ["attribute_vector"],
        "content_text": ["captions_multilingual_e5"],
        "profile_text": ["biography_multilingual_e5"],
    }
    for side, file in (("brand", "toy.user"), ("influencer", "toy.item")):
        accounts = pd.read_csv(folder / f"{side}s.csv", dtype=str, keep_default_na=False)
        columns = [accounts[f"{side}_id"]]
        head = [f"{side}_id:token"]
        if side == "brand":
            columns.append(accounts["category"])
            head.append("brand_category:token")
        for modality, stems in modalities.items():
            paths = [folder / f"{side}_{stem}.npy" for stem in stems]
            if not paths[0].is_file():
                continue
            matrix = np.hstack([np.load(path).astype(np.float64) for path in paths]) + 0.0
            cells = [[] if np.isnan(row).all() else [f"{x:.6g}" for x in row] for row in matrix]
            columns.append([" ".join(cell) for cell in cells])
            head.append(f"{side}_{modality}:float_seq")
        expected = ["\t".join(row) for row in (head, *zip(*columns, strict=True))]
        assert (tmp_path / "toy" / file).read_text().split("\n") == [*expected, ""]


def test_sentence_vectors_are_of_one_model_or_of_those_asked_for(
    material: Path, tmp_path: Path
) -> None:
    draw = np.random.default_rng(4)
    stems = {"brand_captions": 7, "brand_biography": 7, "influencer_biography": 11}
    made = {
        f"{stem}_{model}": draw.standard_normal((n, width)).astype(np.float16)
        for stem, n in stems.items()
        for model, width in (("one", 2), ("two", 3))
    }
    made["influencer_biography_one"][4] = made["influencer_biography_two"][4] = np.nan
    for name, matrix in made.items():
        np.save(material / f"{name}.npy", matrix)
    assert convert(material, tmp_path) == 0
    data = read_atomic(tmp_path / "toy", "toy")
    one, two = made["brand_captions_one"][3], made["brand_captions_two"][3]
    np.testing.assert_allclose(data.brands["brand_content_text"][3], one, rtol=1e-5)
    assert data.influencers["influencer_profile_text"].isna().tolist() == [
        i == 4 for i in range(11)
    ]
    assert "influencer_content_text" not in data.influencers
    found, _ = read(material, text_models=["two", "one"])
    np.testing.assert_array_equal(found.vectors["content_text"]["b3"], [*two, *one])
    assert "content_text" not in read(material, text_models=[])[0].vectors
    np.save(material / "brand_captions_two.npy", made["brand_captions_two"][:6])
    with pytest.raises(ConversionError, match="6 rows of 3 numbers'; wanted 7 rows"):
        read(material, text_models=["two"])
