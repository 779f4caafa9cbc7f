"""Every fault of an atomic file gets one line that says file, line, field, and what to do."""

import json
from pathlib import Path

import pytest

from dataset_convert.atomic import AtomicFileError, read_atomic

TRAIN = "toy.new-brand.train.inter"
VALID = "toy.new-brand.valid.inter"
KNOWN_VALID = "toy.known-brand.valid.inter"

# file, line (None: of the whole file), old text, new text, field, part of what was found
# or wanted, part of the remedy.
CELL_FAULTS = {
    "duplicate id": (
        *("toy.user", 4, "b3\t", "b1\t", "brand_id", "'b1' again (first in line 2)"),
        "rename the id",
    ),
    "empty id": ("toy.item", 3, "m2\t", "\t", "influencer_id", "an empty cell", "fill it in"),
    "duplicate pair": (
        *("toy.inter", 4, "b2\tm2", "b1\tm2", "influencer_id", "'b1' with 'm2' again (first in"),
        "remove one",
    ),
    "unknown brand": (
        *("toy.inter", 2, "b1\t", "b9\t", "brand_id", "the unknown account 'b9'"),
        "add the account to toy.user",
    ),
    "unknown influencer": (
        *("toy.inter", 6, "m4", "m9", "influencer_id", "the unknown account 'm9'"),
        "add the account to toy.item",
    ),
    "NaN competence": ("toy.inter", 3, "0.02", "nan", "competence", "'nan'", "leave the whole"),
    "empty competence": ("toy.inter", 3, "0.02", "", "competence", "an empty cell", "fill it in"),
    "no number": ("toy.user", 2, "100", "many", "brand_followers", "'many'", "leave the whole"),
    "negative followers": (
        *("toy.item", 4, "7000", "-7", "influencer_followers", "found -7; wanted numbers of 0"),
        "correct the value",
    ),
    **{
        f"{word} in a vector": (
            *("toy.item", 5, "0.4 0.3", f"0.4 {word}", "influencer_content_topics", f"'{word}'"),
            "leave the whole cell empty",
        )
        for word in ("NaN", "inf", "0,3")
    },
    "zero vector": (
        *("toy.item", 2, "0.1 0.2 0.7", "0 0 0", "influencer_content_topics", "vector of zeros"),
        "leave the cell empty",
    ),
    "short vector, influencer": (
        *("toy.item", 3, "0.2 0.2 0.6", "0.2 0.8", "influencer_content_topics", "found 2 values"),
        "one length on both sides",
    ),
    "short vector, brand": (
        *("toy.user", 3, "1 0 0", "1 0", "brand_content_topics", "wanted 3, as in most rows of"),
        "one length on both sides",
    ),
    "labels without weights": (
        *("toy.user", 2, "0.75 0.25", "", "brand_content_visual_weights"),
        *("found 0 weights for 2 labels", "same length"),
    ),
    "more weights than labels": (
        *("toy.item", 2, "cup\t1", "cup\t1 2", "influencer_content_visual_weights"),
        *("found 2 weights for 1 labels", "same length"),
    ),
    "negative weight": (
        *("toy.item", 5, "0.5 0.5", "0.5 -0.5", "influencer_content_visual_weights"),
        *("found -0.5", "correct the value"),
    ),
    **{
        f"{sign} in attributes": (
            *("toy.item", 5, "runner cook", f"runner{sign}cook", "influencer_attributes"),
            *(f"'{sign}' in 'runner{sign}cook'", "one space"),
        )
        for sign in ",;|/"
    },
    "two spaces in attributes": (
        *("toy.item", 5, "runner cook", "runner  cook", "influencer_attributes", "two spaces"),
        "one space",
    ),
    "attribute twice": (
        *("toy.item", 5, "runner cook", "cook cook", "influencer_attributes", "'cook' twice"),
        "remove the repetition",
    ),
    "influencer category of no brand": (
        *("toy.influencer_category", 5, "shoes", "shoe", "category", "'shoe', which no brand has"),
        "correct the spelling",
    ),
    "brand category of no influencer": (
        *("toy.user", 2, "food", "cafe", "brand_category", "'cafe', which no influencer has"),
        "correct the spelling",
    ),
    "influencer without category": (
        *("toy.influencer_category", 5, "m4\tshoes\n", "", "influencer_id", "no row for 'm4'"),
        "add the row",
    ),
    "category of an unknown influencer": (
        *("toy.influencer_category", 5, "m4", "m9", "influencer_id", "unknown account 'm9'"),
        "add the account to toy.item",
    ),
    "category twice": (
        *("toy.influencer_category", 5, "m4", "m1", "influencer_id", "'m1' again"),
        "remove one of the rows",
    ),
    "split pair of no interaction": (
        *(TRAIN, 3, "b1\tm2", "b1\tm3", "influencer_id", "not in toy.inter ('b1' with 'm3')"),
        "split again",
    ),
    "pair twice in a part": (
        *(TRAIN, 3, "b1\tm2", "b1\tm1", "influencer_id", "'b1' with 'm1' again"),
        "remove one of the rows",
    ),
    "brand in two parts": (
        *(VALID, 2, "b2\tm2", "b1\tm2", "brand_id", "a brand that stands in " + TRAIN),
        "split again",
    ),
    "pair in two parts": (
        *(KNOWN_VALID, 2, "b1\tm2", "b1\tm1", "influencer_id"),
        *("a pair that stands in toy.known-brand.train.inter", "split again"),
    ),
}


def spoil(path: Path, line: int, old: str, new: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    assert lines[line - 1].count(old) == 1, "the fault must be planted at one place"
    lines[line - 1] = lines[line - 1].replace(old, new)
    path.write_text("".join(lines))


def fault_of(folder: Path) -> AtomicFileError:
    with pytest.raises(AtomicFileError) as caught:
        read_atomic(folder, "toy")
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
    assert "Remedy: " in str(caught.value)
    return caught.value


def test_toy_is_without_fault(toy: Path) -> None:
    data = read_atomic(toy, "toy")
    assert list(data.brands["brand_id"]) == ["b1", "b2", "b3"]
    assert data.brands["brand_content_topics"][2] is None
    assert data.brands["brand_attributes"][0] == ["baker", "cook"]
    assert data.influencer_category is not None
    assert data.influencer_category["m4"] == "shoes"
    assert {p: list(parts) for p, parts in data.splits.items()} == {
        "new-brand": ["train", "valid"],
        "known-brand": ["train", "valid"],
    }


@pytest.mark.parametrize("case", CELL_FAULTS)
def test_fault_in_a_cell(toy: Path, case: str) -> None:
    file, line, old, new, field, found, remedy = CELL_FAULTS[case]
    spoil(toy / file, line, old, new)
    error = fault_of(toy)
    assert error.path == toy / file
    assert error.field == field
    assert error.line == (line if case != "influencer without category" else None)
    where = f", line {line}" if error.line else ""
    assert str(error).startswith(f"{toy / file}{where}, field '{field}': found ")
    assert found in str(error)
    assert remedy in str(error)


@pytest.mark.parametrize("file", ["toy.user", "toy.item", "toy.inter"])
def test_missing_and_empty_file(toy: Path, file: str) -> None:
    header = (toy / file).read_text().splitlines()[0]
    (toy / file).write_text(header + "\n")
    assert "found a header without rows; wanted a header and at least one row" in str(fault_of(toy))
    (toy / file).write_text("")
    assert f"{toy / file}: found an empty file" in str(fault_of(toy))
    (toy / file).unlink()
    assert f"{toy / file}: found no such file" in str(fault_of(toy))


@pytest.mark.parametrize(
    ("old", "new", "field", "found"),
    [
        ("brand_id:token", "brand:token", "brand:token", "an unknown header"),
        ("brand_id:token\t", "", "brand_id", "found no such header; wanted 'brand_id:token'"),
        ("topics:float_seq", "topics:float", "brand_content_topics:float", "topics:float_seq'"),
        ("topics:float_seq", "topics", "brand_content_topics", "'brand_content_topics:float_seq'"),
        ("brand_followers", "brand_folowers", "brand_folowers:float", "'brand_followers:float'"),
        ("brand_category:token", "brand_id:token", "brand_id", "the header twice"),
        ("brand_category", "xyz", "xyz:token", "an unknown header"),
    ],
)
def test_wrong_header(toy: Path, old: str, new: str, field: str, found: str) -> None:
    text = (toy / "toy.user").read_text()
    (toy / "toy.user").write_text(text.replace(old, new, 1))
    error = fault_of(toy)
    assert (error.path.name, error.line, error.field) == ("toy.user", 1, field)
    assert found in str(error)


def test_influencer_category_is_no_input(toy: Path) -> None:
    path = toy / "toy.item"
    path.write_text(
        path.read_text().replace("influencer_followers:float", "influencer_category:token")
    )
    error = fault_of(toy)
    assert error.field == "influencer_category:token"
    assert "move it to the side file '<name>.influencer_category'" in str(error)


def test_wrong_number_of_fields(toy: Path) -> None:
    spoil(toy / "toy.inter", 3, "\t0.02", "")
    assert "toy.inter, line 3: found 2 fields; wanted 3 fields" in str(fault_of(toy))
    spoil(toy / "toy.inter", 3, "b1\tm2", "")
    assert "toy.inter, line 3: found an empty line; wanted 3 fields" in str(fault_of(toy))


def test_not_utf8(toy: Path) -> None:
    (toy / "toy.inter").write_bytes(b"brand_id:token\tinfluencer_id:token\nb\xff\tm1\n")
    assert "line 2: found bytes that are not UTF-8; wanted UTF-8 text. Remedy: save" in str(
        fault_of(toy)
    )


def drop_column(path: Path, header: str) -> None:
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    at = rows[0].index(header)
    path.write_text("".join("\t".join(r[:at] + r[at + 1 :]) + "\n" for r in rows))


@pytest.mark.parametrize(
    ("file", "headers", "blamed", "found"),
    [
        (
            "toy.item",
            ["influencer_content_topics:float_seq"],
            ("toy.user", "brand_content_topics"),
            "wanted 'influencer_content_topics' in toy.item",
        ),
        (
            "toy.user",
            ["brand_attributes:token_seq"],
            ("toy.item", "influencer_attributes"),
            "wanted 'brand_attributes' in toy.user",
        ),
        (
            "toy.user",
            ["brand_content_visual_labels:token_seq", "brand_content_visual_weights:float_seq"],
            ("toy.item", "influencer_content_visual_labels"),
            "wanted 'brand_content_visual_labels' in toy.user",
        ),
        (
            "toy.user",
            ["brand_content_visual_weights:float_seq"],
            ("toy.user", "brand_content_visual_labels"),
            "found the column alone",
        ),
    ],
)
def test_modality_on_one_side(
    toy: Path, file: str, headers: list[str], blamed: tuple[str, str], found: str
) -> None:
    for header in headers:
        drop_column(toy / file, header)
    error = fault_of(toy)
    assert (error.path.name, error.field) == blamed
    assert found in str(error)


def test_dense_and_sparse_at_once(toy: Path) -> None:
    lines = (toy / "toy.user").read_text().splitlines()
    lines = [lines[0] + "\tbrand_content_visual:float_seq"] + [line + "\t1 2" for line in lines[1:]]
    (toy / "toy.user").write_text("\n".join(lines) + "\n")
    error = fault_of(toy)
    assert error.field == "brand_content_visual"
    assert "both dense and as labels with weights" in str(error)


def test_category_on_one_side(toy: Path) -> None:
    drop_column(toy / "toy.user", "brand_category:token")
    error = fault_of(toy)
    assert error.path.name == "toy.influencer_category"
    assert "found categories of the influencers only" in str(error)


def test_declared_side_file_is_missing(toy: Path) -> None:
    (toy / "toy.influencer_category").unlink()
    assert "toy.influencer_category: found no such file" in str(fault_of(toy))


def test_split_without_rows(toy: Path) -> None:
    (toy / VALID).write_text("brand_id:token\tinfluencer_id:token\n")
    assert f"{toy / VALID}: found a header without rows" in str(fault_of(toy))


def test_declared_split_is_missing(toy: Path) -> None:
    manifest = {"synthetic": False, "rows": {"new-brand.test": 5}}
    (toy / "manifest.json").write_text(json.dumps(manifest))
    assert "toy.new-brand.test.inter: found no such file" in str(fault_of(toy))


def test_split_without_training(toy: Path) -> None:
    (toy / VALID.replace("valid", "train")).unlink()
    error = fault_of(toy)
    assert error.path == toy / VALID.replace("valid", "train")
    assert "found no 'train' part beside the other parts of 'new-brand'" in str(error)


def test_splits_without_validation_and_brands_without_category_are_normal(toy: Path) -> None:
    (toy / VALID).unlink()
    users = (toy / "toy.user").read_text()
    (toy / "toy.user").write_text(users.replace("food", "", 1))
    data = read_atomic(toy, "toy")
    assert "valid" not in data.splits["new-brand"]
    assert "" in set(data.brands["brand_category"])


def test_unknown_protocol(toy: Path) -> None:
    (toy / VALID).rename(toy / "toy.new-brand.dev.inter")
    error = fault_of(toy)
    assert error.path.name == "toy.new-brand.dev.inter"
    assert "a split file of an unknown protocol or part" in str(error)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "found no such file; wanted the manifest of a data set"),
        ("{", "found no JSON"),
        ("[]", "field 'synthetic': found no such key; wanted true or false"),
        ('{"synthetic": "yes"}', "field 'synthetic'"),
        (
            '{"synthetic": true, "rows": [5]}',
            "field 'rows': found '[5]'; wanted an object that maps files to numbers of rows",
        ),
    ],
)
def test_manifest(toy: Path, text: str | None, found: str) -> None:
    if text is None:
        (toy / "manifest.json").unlink()
    else:
        (toy / "manifest.json").write_text(text)
    error = fault_of(toy)
    assert error.path == toy / "manifest.json"
    assert found in str(error)


@pytest.mark.parametrize(
    ("key", "file", "n_rows"),
    [
        ("brands", "toy.user", 3),
        ("influencers", "toy.item", 4),
        ("interactions", "toy.inter", 5),
        ("influencer_category", "toy.influencer_category", 4),
        ("new-brand.train", TRAIN, 2),
        ("known-brand.valid", KNOWN_VALID, 2),
    ],
)
@pytest.mark.parametrize("declared", [7, "7", None])
def test_number_of_rows_is_not_that_of_the_manifest(
    toy: Path, key: str, file: str, n_rows: int, declared: object
) -> None:
    def declare(count: object) -> None:
        manifest = {"synthetic": False, "rows": {key: count}}
        (toy / "manifest.json").write_text(json.dumps(manifest))

    declare(declared)
    error = fault_of(toy)
    assert error.path == toy / file
    assert f": found {n_rows} rows; wanted {json.dumps(declared)}, as manifest.json" in str(error)
    assert f"says for '{key}'" in str(error)
    assert "Remedy: convert the data set again, or correct the manifest" in str(error)
    declare(n_rows)
    assert len(read_atomic(toy, "toy").brands) == 3


def test_captions_and_biographies_face_each_other_in_one_length(toy: Path) -> None:
    def add(file: str, column: str, vector: str) -> None:
        head, *rows = (toy / file).read_text().splitlines()
        lines = [f"{head}\t{column}:float_seq", *(f"{row}\t{vector}" for row in rows)]
        (toy / file).write_text("\n".join(lines) + "\n")

    add("toy.user", "brand_content_text", "0.5 0.5")
    add("toy.item", "influencer_profile_text", "0.5 0.5 0.1")
    error = fault_of(toy)
    assert (error.path.name, error.field) == ("toy.user", "brand_content_text")
    assert "found 2 values; wanted 3, as in most rows of content_text and profile_text" in str(
        error
    )
