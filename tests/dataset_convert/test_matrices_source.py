"""Material in matrices, converted by the command a person types."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dataset_convert.__main__ import main
from dataset_convert.atomic import AtomicFileError, read_atomic
from dataset_convert.sources.matrices import read_matrices

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


def test_converts(material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(material, tmp_path / "out", "--n-valid", "3") == 0
    printed = capsys.readouterr().out
    assert "Skipped brand_visual.npy: the other side has no such matrix" in printed
    assert "toy (not synthetic): 7 brands, 11 influencers, 28 collaborations" in printed
    assert "new-brand: train 16 pairs of 4 brands, valid 12 pairs of 3 brands" in printed
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
    assert data.manifest["skipped"][0].startswith("Skipped brand_visual.npy")
    assert data.manifest["dimensions"]["content_topics"][2] == "content_topics_002"
    assert data.interactions["competence"].tolist() == [0.125, 0.25, 0.375, 0.5] * 7


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "field", "found"),
    [
        ("brands.csv", "b3,", "b2,", 5, "brand_id", "'b2'; wanted no brand_id twice"),
        ("brands.csv", "b3,food", "b3,", 5, "category", "''; wanted a value in every row"),
        ("brands.csv", "category", "kind", 1, "category", "no such column; wanted headers brand_"),
        ("collaborations.csv", "b0,m01", "b0,m00", 3, "influencer_id", "'m00'; wanted no brand_id"),
        ("collaborations.csv", "b0,m01", "b0,m77", 3, "influencer_id", "an id of influencers.csv"),
        ("collaborations.csv", "b0,m01", "b7,m01", 3, "brand_id", "'b7'; wanted an id of brands"),
        ("collaborations.csv", "0.125", "n/a", 2, "competence", "'n/a'; wanted a finite number"),
        ("collaborations.csv", "0.25", "inf", 3, "competence", "'inf'; wanted a finite number"),
        ("collaborations.csv", "m00,0.125", "m00,1,2,3", 2, None, "5 fields; wanted 3, as"),
    ],
)
def test_wrong_table(
    material: Path, file: str, old: str, new: str, line: int | None, field: str | None, found: str
) -> None:
    replace(material / file, old, new)
    with pytest.raises(AtomicFileError) as caught:
        read_matrices(material, "toy", n_valid=2, seed=1, tell=print)
    error = caught.value
    assert (error.path, error.line, error.field) == (material / file, line, field)
    assert found in str(error)
    assert "Remedy: correct the file" in str(error)
    assert "\n" not in str(error)


def test_missing_and_empty_tables(material: Path) -> None:
    (material / "brands.csv").write_text("brand_id,category\n")
    with pytest.raises(
        AtomicFileError, match="found no rows; wanted a header and at least one row"
    ):
        read_matrices(material, "toy", n_valid=2, seed=1, tell=print)
    (material / "brands.csv").unlink()
    with pytest.raises(AtomicFileError, match=r"brands\.csv: found no such file"):
        read_matrices(material, "toy", n_valid=2, seed=1, tell=print)


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"brand_id,category\nb\xff,food\n", "no CSV .*utf-8"), (b'a,"b\n', "no CSV .unexpected end")],
)
def test_no_csv(material: Path, content: bytes, found: str) -> None:
    (material / "brands.csv").write_bytes(content)
    with pytest.raises(AtomicFileError, match=found):
        read_matrices(material, "toy", n_valid=2, seed=1, tell=print)


def test_byte_order_mark_of_spreadsheets(material: Path) -> None:
    path = material / "brands.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_matrices(material, "toy", n_valid=2, seed=1, tell=print).brands) == 7


def inf_at_4(n: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    matrix = np.ones((n, 3))
    matrix[4, 1] = np.inf
    return matrix


@pytest.mark.parametrize(
    ("matrix", "found"),
    [
        (np.ones((6, 3)), r"float64 values of shape \(6, 3\); wanted floats with 7 rows, as in"),
        (np.ones(7), r"float64 values of shape \(7,\)"),
        (np.ones((7, 3), dtype=int), "int64 values"),
        (inf_at_4(7), "a value that is not finite in row 4, counted from 0"),
        (np.array([{"a": 1}]), "no matrix .Object arrays cannot be loaded"),
    ],
)
def test_wrong_matrix(material: Path, matrix: object, found: str) -> None:
    np.save(material / "brand_topics.npy", matrix)  # type: ignore[arg-type]
    with pytest.raises(AtomicFileError, match=found):
        read_matrices(material, "toy", n_valid=2, seed=1, tell=print)


def test_bad_input_exits_with_one_line_and_writes_nothing(
    material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    replace(material / "influencers.csv", "m04,auto", "m04,toys")
    assert convert(material, out, "--n-valid", "3") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"Error: {out / 'toy' / 'toy.influencer_category'}, line 6, field")
    assert "'toys', which no brand has" in error
    assert list(out.iterdir()) == []
    assert convert(material, out) == 2
    assert "leave one of 7 for training. Received: 43 and 0" in capsys.readouterr().err
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "matrices", "--name", "toy"], "The source 'matrices' needs --input FOLDER."),
        (
            ["--source", "synthetic", "--name", "mirec-tiny", "--input", "x"],
            "The source 'synthetic' reads nothing: leave --input out.",
        ),
        (["--source", "synthetic", "--name", "toy"], "must be one of mirec-demo, mirec-tiny"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
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
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_list_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-sources"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["matrices", "synthetic", "tables"]


def test_command_makes_a_synthetic_data_set(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dataset_convert", "--source", "synthetic"]
    done = subprocess.run(
        [*command, "--name", "mirec-tiny"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "mirec-tiny (synthetic): 36 brands, 300 influencers, 340 collab" in done.stdout
    assert len(read_atomic(tmp_path / "dataset" / "mirec-tiny", "mirec-tiny").interactions) == 340


@pytest.mark.real
def test_real_material(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(Path(os.environ["MIREC_REAL_DATA"]), tmp_path) == 0
    assert "Skipped brand_visual.npy" in capsys.readouterr().out
    data = read_atomic(tmp_path / "toy", "toy")
    rows = (len(data.brands), len(data.influencers), len(data.interactions))
    assert rows == (286, 3075, 3385)
    assert data.splits["new-brand"]["valid"]["brand_id"].nunique() == 43
    held = data.brands["brand_id"].isin(data.splits["new-brand"]["valid"]["brand_id"])
    assert set(data.brands[held]["brand_category"].value_counts()) == {3, 4}
    assert "test" not in data.splits["new-brand"]
    assert not [name for name in data.influencers if "category" in name]
