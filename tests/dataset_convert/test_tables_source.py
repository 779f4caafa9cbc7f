"""Folders of tables: what becomes of their values, partial data, everything that is wrong."""

import csv
import io
import json
import os
import pickle
import re
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataset_convert import engine
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.sources import find_source, source_names, tables

Rows = list[dict[str, Any]]

ACCOUNTS: Rows = [
    {"id": "acme", "role": "brand", "biography": "Bakers,\nsince 1900 🍞", "category": "food"},
    {"id": "bolt", "role": "brand", "name": "Bolt", "category": "shoes", "followers": 300},
    {"id": "cyan", "role": "influencer", "biography": 'I say "hi"', "followers": 7000},
    {"id": "dora", "role": "influencer", "category": "food", "followers": 5500},
    {"id": "17841400000000001", "role": "influencer"},
]
POSTS: Rows = [
    {"account": "acme", "text": "bread; and, butter", "likes": 3, "labels": {"cup": 0.5}},
    {"account": "cyan", "text": "run\n#run", "timestamp": 1700000000, "image": "cyan/1.jpg"},
    {"account": "cyan", "timestamp": "2023-11-14T22:13:20+0000", "comments": 11},
    {"account": "17841400000000001", "text": "é", "labels": {"plate": 0.25, "cup": 1.0}},
]
AUDIENCE: Rows = [
    {"account": "dora", "member": "eve", "text": "yum", "labels": {"cup": 0.75}},
    {"account": "dora", "member": "fay", "timestamp": 1500000000.5, "image": "fay.jpg"},
]
COLLABORATIONS: Rows = [
    {"brand": "acme", "influencer": "dora", "competence": 0.5, "timestamp": 1600000000},
    {"brand": "bolt", "influencer": "cyan"},
    {"brand": "bolt", "influencer": "17841400000000001", "competence": -2},
]
SPLITS: Rows = [{"brand": "acme", "part": "train"}, {"brand": "bolt", "part": "test"}]
TABLES = {
    "accounts": ACCOUNTS,
    "posts": POSTS,
    "audience": AUDIENCE,
    "collaborations": COLLABORATIONS,
    "splits": SPLITS,
}


def write_csv(path: Path, rows: Rows, delimiter: str = ",", encoding: str = "utf-8") -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter)
        writer.writeheader()
        for row in rows:
            cells = dict(row)
            if isinstance(cells.get("labels"), dict):
                cells["labels"] = " ".join(f"{k}:{x}" for k, x in cells["labels"].items())
            writer.writerow(cells)


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(path: Path, rows: Rows) -> None:
    frame = pd.DataFrame(rows)
    if "timestamp" in frame and any(isinstance(row.get("timestamp"), str) for row in rows):
        # A column has one type there: times, instead of seconds and text.
        moments = [
            datetime.fromtimestamp(t, UTC)
            if isinstance(t, int)
            else t and datetime.fromisoformat(t)
            for t in (row.get("timestamp") for row in rows)
        ]
        frame["timestamp"] = pd.Series(moments, dtype=object)
    frame.to_parquet(path)


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    ".csv": write_csv,
    ".jsonl": write_jsonl,
    ".parquet": write_parquet,
}


def write_tables(folder: Path, suffix: str = ".csv", **replaced: Rows) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in {**TABLES, **replaced}.items():
        WRITERS[suffix](folder / f"{name}{suffix}", rows)
    return folder


def read(folder: Path, **options: Any) -> tuple[RawMaterial, Problems]:
    problems = Problems()
    return tables.read(folder, options, problems), problems


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        read(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tables(tmp_path / "material")


def add_row(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line + "\n")


def assert_equal(one: RawMaterial, other: RawMaterial) -> None:
    pd.testing.assert_frame_equal(one.accounts, other.accounts)
    pd.testing.assert_frame_equal(one.collaborations, other.collaborations)
    assert list(one.posts()) == list(other.posts())
    assert list(one.audience_posts()) == list(other.audience_posts())
    assert one.brand_parts == other.brand_parts
    assert (one.synthetic, one.influencer_category_is_profile) == (
        other.synthetic,
        other.influencer_category_is_profile,
    )


def test_sources_are_found_by_name() -> None:
    assert "tables" in source_names()
    assert {"tables", "matrices", "feature-arrays"} <= set(source_names())
    assert find_source("tables") is tables
    with pytest.raises(ConversionError, match="Unknown source 'table'; wanted 'tables'"):
        find_source("table")
    with pytest.raises(ConversionError, match="Unknown source 'matrix'; wanted 'matrices'"):
        find_source("matrix")


def test_all_values(folder: Path) -> None:
    material, problems = read(folder)
    assert problems.n_skipped == 0
    frame = material.accounts
    assert list(frame) == ["account_id", "role", "name", "biography", "category", "followers"]
    rows = [[None if cell != cell else cell for cell in row] for row in frame.to_numpy().tolist()]
    assert rows == [
        ["17841400000000001", "influencer", "", "", None, None],
        ["acme", "brand", "", "Bakers,\nsince 1900 🍞", "food", None],
        ["bolt", "brand", "Bolt", "", "shoes", 300],
        ["cyan", "influencer", "", 'I say "hi"', None, 7000],
        ["dora", "influencer", "", "", "food", 5500],
    ]
    assert material.collaborations.fillna(-1).to_numpy().tolist() == [
        ["acme", "dora", 0.5, 1600000000],
        ["bolt", "17841400000000001", -2, -1],
        ["bolt", "cyan", -1, -1],
    ]
    assert list(material.posts()) == [
        Post("17841400000000001", "é", labels={"cup": 1, "plate": 0.25}),
        Post("acme", "bread; and, butter", n_likes=3, labels={"cup": 0.5}),
        Post("cyan", "", timestamp=1700000000, n_comments=11),
        Post("cyan", "run\n#run", timestamp=1700000000, image=folder / "cyan/1.jpg"),
    ]
    assert list(material.audience_posts()) == [
        Post("dora", "", member="fay", timestamp=1500000000.5, image=folder / "fay.jpg"),
        Post("dora", "yum", member="eve", labels={"cup": 0.75}),
    ]
    assert material.brand_parts == {"acme": "train", "bolt": "test"}
    assert not material.synthetic
    assert not material.influencer_category_is_profile
    assert material.vectors == {}


def test_three_formats_give_equal_material(tmp_path: Path) -> None:
    folder = tmp_path / "material"
    found = []
    for suffix in WRITERS:
        for path in folder.glob("*"):
            path.unlink()
        material, problems = read(write_tables(folder, suffix))
        assert problems.n_skipped == 0
        # Read before the next format takes the files' place.
        posts, audience = list(material.posts()), list(material.audience_posts())
        assert posts and audience
        found.append((material, posts, audience))
    for material, posts, audience in found[1:]:
        pd.testing.assert_frame_equal(material.accounts, found[0][0].accounts)
        pd.testing.assert_frame_equal(material.collaborations, found[0][0].collaborations)
        assert material.brand_parts == found[0][0].brand_parts
        assert (posts, audience) == found[0][1:]
        assert material.fingerprints != found[0][0].fingerprints


@pytest.mark.parametrize(
    ("delimiter", "encoding", "options"),
    [
        (";", "utf-8-sig", {}),
        ("\t", "utf-8", {}),
        ("|", "utf-8-sig", {"encoding": "UTF-8", "delimiter": "|"}),
        ("\t", "utf-16", {"encoding": "utf-16"}),
        (",", "gb18030", {"encoding": "gb18030"}),
    ],
)
def test_delimiters_and_encodings(
    folder: Path, tmp_path: Path, delimiter: str, encoding: str, options: dict[str, str]
) -> None:
    expected, _ = read(folder)
    before = list(expected.posts())
    for name, rows in TABLES.items():
        write_csv(folder / f"{name}.csv", rows, delimiter, encoding)
    material, problems = read(folder, **options)
    assert problems.n_skipped == 0
    assert list(material.posts()) == before
    assert_equal(material, expected) if encoding.startswith("utf-8") and not options else None
    pd.testing.assert_frame_equal(material.accounts, expected.accounts)


def test_columns_files_and_switches(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    write_tables(tmp_path)
    (tmp_path / "posts.csv").unlink()
    graph = [{"owner": {"username": row["account"]}, "caption": row.get("text")} for row in POSTS]
    write_jsonl(tmp_path / "feed/b.jsonl", graph[2:])
    write_jsonl(tmp_path / "feed/a.jsonl", graph[:2])
    material, problems = read(
        tmp_path,
        files={"posts": "feed/*.jsonl", "splits": ["splits.csv", "splits.csv"]},
        columns={"posts": {"account": "owner.username", "text": "caption"}},
        category_of_influencers="profile",
        synthetic=True,
    )
    assert problems.n_skipped == 0
    assert [(post.account, post.text) for post in material.posts()] == sorted(
        (row["account"], row.get("text", "")) for row in POSTS
    )
    assert material.synthetic
    assert material.influencer_category_is_profile


def partial_data(folder: Path) -> dict[str, Any]:
    """Writes two brands and three influencers with matrices, as released without any posts."""
    folder.mkdir(exist_ok=True)
    (folder / "brands.csv").write_text("brand_id,category\nb0,food\nb1,auto\n")
    (folder / "influencers.csv").write_text("influencer_id,category\nm0,food\nm1,food\nm2,auto\n")
    (folder / "collaborations.csv").write_text("brand_id,influencer_id\nb0,m0\nb1,m2\n")
    (folder / "names.txt").write_text("b0\nb1\n")
    np.save(folder / "brand_topics.npy", np.array([[0.5, 0.5], [1, 0]], dtype=np.float32))
    topics = np.array([[0.25, 0.75], [0, 0], [np.nan, np.nan]])
    np.save(folder / "influencer_topics.npy", topics)
    np.save(folder / "brand_visual.npy", np.arange(14).reshape(2, 7))
    document = yaml.safe_load(example("real"))
    document["vectors"]["content_visual"] = {"matrix": "brand_visual.npy", "ids": "names.txt"}
    return dict(document)


def example(name: str) -> str:
    """Returns the YAML block under the heading that holds a word."""
    page = (Path(__file__).parents[2] / "docs/convert_tables.md").read_text()
    headings = {"real": "## Matrices", "tool": "## A tool's export", "graph": "## The Graph API"}
    block = page.split(headings[name], 1)[1].split("```yaml\n", 1)[1].split("```", 1)[0]
    return yaml.safe_dump(yaml.safe_load(block)["source"])


def test_matrices_as_partial_data(tmp_path: Path) -> None:
    options = partial_data(tmp_path)
    material, problems = read(tmp_path, **options)
    assert problems.n_skipped == 0
    assert list(material.accounts["role"]) == ["brand"] * 2 + ["influencer"] * 3
    assert list(material.posts()) == list(material.audience_posts()) == []
    topics = material.vectors["content_topics"]
    assert {account: vector.tolist() for account, vector in topics.items()} == {
        "b0": [0.5, 0.5],
        "b1": [1, 0],
        "m0": [0.25, 0.75],
    }
    visual = material.vectors["content_visual"]
    assert list(visual) == ["b0", "b1"]
    assert visual["b1"].dtype == np.float32
    assert visual["b1"].tolist() == [7, 8, 9, 10, 11, 12, 13]


@pytest.mark.real
def test_real_matrices() -> None:
    options = yaml.safe_load(example("real"))
    options["vectors"]["attribute_vector"] = [
        {"matrix": f"{side}_attribute_vector.npy", "ids": f"{side}s.csv", "column": f"{side}_id"}
        for side in ("brand", "influencer")
    ]
    one_side = {"matrix": "brand_visual.npy", "ids": "brands.csv", "column": "brand_id"}
    options["vectors"]["content_visual"] = one_side
    material, problems = read(Path(os.environ["MIREC_REAL_DATA"]), **options)
    assert problems.n_skipped == 0
    assert material.accounts["role"].value_counts().to_dict() == {"influencer": 3075, "brand": 286}
    assert len(material.collaborations) == 3385
    assert material.collaborations["competence"].notna().all()
    widths = {name: len(next(iter(found.values()))) for name, found in material.vectors.items()}
    assert widths == {"content_topics": 19, "attribute_vector": 128, "content_visual": 1365}
    assert len(material.vectors["content_visual"]) <= 286


@pytest.mark.parametrize("name", ["tool", "graph"])
def test_examples_of_the_documentation(tmp_path: Path, name: str) -> None:
    """The mappings are run on files that have exactly the columns they name."""
    options = yaml.safe_load(example(name))
    ours = {
        "id": "acme",
        "brand": "acme",
        "part": "train",
        "influencer": "cyan",
        "account": "cyan",
        "member": "eve",
        "timestamp": "2024-05-31T18:00:00+0000",
        "followers": 5,
        "likes": 7,
        "comments": 11,
        "competence": 0.5,
    }
    for table, columns in options["columns"].items():
        values = {**ours, "id": "cyan"} if table == "influencers" else ours
        row: dict[str, Any] = {}
        for column, path in columns.items():
            *parents, last = path.split(".") if name == "graph" else [path]
            place = row
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = values.get(column, "some text")
        pattern = options.get("files", {}).get(table, f"{table}.csv").replace("*", "1")
        path = tmp_path / pattern
        path.parent.mkdir(exist_ok=True)
        write_jsonl(path, [row]) if path.suffix == ".jsonl" else write_csv(path, [row], ";")
    for table, row in {
        "brands": {"id": "acme"},
        "collaborations": {"brand": "acme", "influencer": "cyan"},
    }.items():
        if table not in options["columns"]:
            write_csv(tmp_path / f"{table}.csv", [row])
    material, problems = read(tmp_path, **options)
    assert problems.n_skipped == 0
    assert list(material.accounts["account_id"]) == ["acme", "cyan"]
    (post,) = material.posts()
    assert (post.account, post.n_likes, post.timestamp) == ("cyan", 7, 1717178400)


ADDED = [
    ("accounts.csv", ",brand,,,,", "id", "a value in every row"),
    ("accounts.csv", "zoe,owner,,,,", "role", "brand or influencer"),
    ("accounts.csv", "cyan,brand,,,,", "id", "one role an account"),
    ("accounts.csv", "bolt,Brand,,shoes,Bolt,300.0", "id", "identical row was merged"),
    ("accounts.csv", "bolt,brand,,shoes,Bolt,301", "id", "the same content in every row"),
    ("accounts.csv", "zoe,brand", "", "as many cells as the header has"),
    ("collaborations.csv", "acme,zoe,,", "influencer", "the id of a known influencer"),
    ("collaborations.csv", "zoe,cyan,,", "brand", "the id of a known brand"),
    ("collaborations.csv", "cyan,dora,,", "brand", "the id of a known brand"),
    ("collaborations.csv", "bolt,cyan,,", "influencer", "identical row was merged"),
    ("collaborations.csv", "@Bolt,https://instagram.com/Cyan/,,", "influencer", "was merged"),
    ("collaborations.csv", "acme,dora,1,", "influencer", "every pair once: the fullest row"),
    ("collaborations.csv", "acme,1.78414E+16,,", "influencer", "a spreadsheet has damaged"),
    ("splits.csv", "zoe,train", "brand", "the id of a known brand"),
    ("posts.csv", "zoe,hi,,,,,", "account", "the id of a known account"),
    ("audience.csv", "dora,,yum,,,", "member", "a value in every row"),
]


@pytest.mark.parametrize(("file", "line", "column", "wanted"), ADDED)
def test_a_bad_row_is_skipped_and_told(
    folder: Path, tmp_path: Path, file: str, line: str, column: str, wanted: str
) -> None:
    (folder / "out").symlink_to(tmp_path)
    before, _ = read(folder)
    add_row(folder / file, line)
    material, problems = read(folder)
    assert_equal(material, before)
    assert problems.n_skipped == 1
    told = problems.lines()[0]
    with (folder / file).open(newline="") as stream:
        row = len(list(csv.reader(stream)))
    assert f"{file}, row {row}" in told
    assert wanted in told
    assert f"column '{column}'" in told or not column


NOTED = [
    ("posts.csv", "cyan,hi,many,,,,", "likes", "a count such as"),
    ("posts.csv", "cyan,hi,,cup:1.5,,,", "labels", "labels with scores from 0 to 1"),
    ("posts.csv", "cyan,hi,,,31.31.2024,,", "timestamp", "a date such as"),
    ("posts.csv", "cyan,hi,,,,../../etc/passwd,", "image", "no link that leads out of it"),
    ("posts.csv", "cyan,hi,,,,/etc/passwd,", "image", "no link that leads out of it"),
    ("posts.csv", "cyan,hi,,,,C:\\secret.jpg,", "image", "no link that leads out of it"),
    ("posts.csv", "cyan,hi,,,,..\\x.jpg,", "image", "no link that leads out of it"),
    ("posts.csv", "cyan,hi,,,,out/x.jpg,", "image", "no link that leads out of it"),
    ("posts.csv", "cyan,hi,,,,https://host/x.jpg,", "image", "a path within the folder"),
]


@pytest.mark.parametrize(("file", "line", "column", "wanted"), NOTED)
def test_an_optional_value_that_cannot_be_read_is_missing(
    folder: Path, tmp_path: Path, file: str, line: str, column: str, wanted: str
) -> None:
    (folder / "out").symlink_to(tmp_path)
    add_row(folder / file, line)
    material, problems = read(folder)
    assert Post("cyan", "hi") in list(material.posts())
    assert (problems.n_skipped, len(problems)) == (0, 1)
    told = problems.lines()[0]
    assert f"column '{column}'" in told
    assert wanted in told
    assert told.endswith("the row stays without it")


def test_values_as_people_write_them(folder: Path) -> None:
    write_csv(
        folder / "accounts.csv",
        [
            {"id": "@Acme", "role": "Brand", "category": "N/A", "followers": "12,4 Tsd."},
            {"id": "bolt", "role": "brand", "category": "shoes", "followers": "-"},
            {"id": "instagram.com/Cyan?hl=de", "role": "influencer", "followers": "15.004"},
            {"id": "dora ", "role": "influencer", "biography": "(blank)", "name": "null"},
        ],
    )
    write_csv(
        folder / "collaborations.csv",
        [
            {"brand": "ACME", "influencer": "@cyan & @dora", "competence": "3,4 %"},
            {"brand": "bolt", "influencer": "Dora", "timestamp": "26.10.2025"},
        ],
    )
    write_csv(
        folder / "posts.csv",
        [
            {"account": "Cyan", "text": "a", "likes": -1, "timestamp": "26.10.2025 18:46"},
            {"account": "cyan", "text": "N/A", "likes": "1.2K", "timestamp": "1698345960000"},
        ],
    )
    (folder / "audience.csv").unlink()
    material, problems = read(folder)
    assert problems.lines() == []
    accounts = material.accounts.set_index("account_id")
    assert accounts["followers"].fillna(-1).to_dict() == {
        "acme": 12400,
        "bolt": -1,
        "cyan": 15004,
        "dora": -1,
    }
    assert accounts["category"].dropna().to_dict() == {"bolt": "shoes"}
    assert set(accounts["biography"]) == set(accounts["name"]) == {""}
    assert material.collaborations.fillna(0).to_numpy().tolist() == [
        ["acme", "cyan", 0.034, 0],
        ["acme", "dora", 0.034, 0],
        ["bolt", "dora", 0, 1761436800],
    ]
    assert [(post.text, post.n_likes, post.timestamp) for post in material.posts()] == [
        ("", 1200, 1698345960),
        ("a", None, 1761504360),
    ]
    (folder / "collaborations.csv").write_text("brand,influencer\nAcme,@Cyan\nACME,dora\n")
    exact, problems = read(folder, handles="exact")
    assert set(exact.accounts["account_id"]) == {"Acme", "bolt", "Cyan", "dora"}
    assert exact.collaborations.to_numpy().tolist()[0][:2] == ["Acme", "Cyan"]
    assert "found 'ACME'; wanted the id of a known brand" in problems.lines()[0]


def test_long_captions_are_cut_and_counted(folder: Path) -> None:
    before, _ = read(folder)
    posts = list(before.posts())
    add_row(folder / "posts.csv", "cyan," + "ab" * 5_000_000 + ",,,,,")
    add_row(folder / "accounts.csv", "zoe,influencer," + "c" * 10_001 + ",,,")
    material, problems = read(folder)
    *same, long = material.posts()
    assert same == posts
    assert long.text == "ab" * 5000
    assert material.accounts["biography"].str.len().max() == 10_000
    assert (len(problems), problems.n_skipped) == (2, 0)
    assert "found '10,000,000 characters'; wanted at most 10,000 characters" in str(
        problems.lines()
    )


def spoil(file: str, text: str | bytes) -> Callable[[Path], object]:
    content = text if isinstance(text, bytes) else text.encode()
    return lambda folder: (folder / file).write_bytes(content)


def remove(*files: str) -> Callable[[Path], None]:
    def unlink(folder: Path) -> None:
        for file in files:
            (folder / file).unlink()

    return unlink


ALL = [f"{name}.csv" for name in TABLES]


REFUSED: list[tuple[Callable[[Path], Any], str]] = [
    (spoil("posts.csv", ""), r"posts\.csv: found ''; wanted a header in row 1"),
    (spoil("posts.csv", "account,text\n"), r"posts\.csv: found 'no rows'; wanted at least one"),
    (spoil("posts.csv", "account,text\n\n,\n"), "found 'no rows'"),
    (spoil("posts.csv", "accounts,text\ncyan,hi\n"), r"holds 'account' in .* such as 'accounts'"),
    (spoil("posts.csv", "account,text;likes\n"), "row 1: .* one delimiter throughout"),
    (spoil("posts.csv", "account,text\ncyan,a\ncyan;b\n"), "row 3: .* one delimiter throughout"),
    (spoil("posts.csv", 'account,text\ncyan,"a\ncyan,b\n'), "row 2: .* every quote closed"),
    (spoil("posts.csv", 'account,text\ncyan,"a"b\n'), "row 2: .* every quote closed"),
    (spoil("posts.csv", "account,text\nzoe,a\nyan,b\n"), "all left out'; .*row 2, .*'zoe'"),
    (spoil("posts.parquet", "nothing"), r"posts\.csv, posts\.parquet.*one file"),
    (spoil("splits.csv", "brand,part\nacme,tset\n"), "row 2, column 'part': found 'tset'"),
    (spoil("splits.csv", "brand,part\nacme,\n"), "found ''; wanted one of train, valid, test"),
    (spoil("splits.csv", "brand,part\nacme,test\nacme,train\n"), "row 3, .*one part a brand"),
    (spoil("accounts.csv", "id,role\nacme,brand\n"), "found 'no influencer'"),
    (spoil("accounts.csv", "id,role\ncyan,influencer\n"), "found 'no brand'"),
    (spoil("accounts.csv", "id,name\nacme,brand\n"), "column 'role': .*this column, or the one"),
    (remove("accounts.csv"), "the table accounts or brands or infl"),
    (remove("collaborations.csv"), "wanted the table collaborations"),
    (remove(*ALL), "found 'nothing'"),
    (lambda folder: folder.rename(folder.with_name("moved")), "no such folder"),
]


@pytest.mark.parametrize(("ruin", "match"), REFUSED)
def test_a_file_that_cannot_be_trusted_is_refused(
    folder: Path, ruin: Callable[[Path], Any], match: str
) -> None:
    ruin(folder)
    assert re.search(match, refusal(folder))


def test_files_outside_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "outside.csv", POSTS)
    (folder / "link.csv").symlink_to(tmp_path / "outside.csv")
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    for name in ("../outside.csv", str(tmp_path / "outside.csv"), "link.csv"):
        assert "a path within the folder" in refusal(folder, files={"posts": name})
    assert "link.csv: found 'a link out of it'" in refusal(folder, files={"posts": "lin*.csv"})
    reason = refusal(folder, files={"posts": "loop.csv"})
    assert "found 'loop.csv'; wanted the name of a file" in reason
    assert "found 'p.csv'; wanted the name of a file" in refusal(folder, files={"posts": "p.csv"})
    assert "found 'a.**'; wanted the name of a file" in refusal(folder, files={"posts": "a.**"})
    (folder / "posts.csv").unlink()
    (folder / "posts.csv").symlink_to(tmp_path / "outside.csv")
    assert "a path within the folder" in refusal(folder)


def test_a_mapped_column_that_is_nowhere_is_refused(folder: Path) -> None:
    columns = {"posts": {"likes": "like_count"}}
    assert re.search("column 'like_count': .*holds 'likes'", refusal(folder, columns=columns))
    (folder / "posts.csv").unlink()
    assert "found 'no posts'; wanted a file such as posts.csv" in refusal(folder, columns=columns)
    write_jsonl(folder / "posts.jsonl", [{"account": "cyan", "likes": 3, "owner": {"id": 1}}])
    assert re.search("column 'like_count'.* such as 'likes'", refusal(folder, columns=columns))
    assert "column 'owner.name'" in refusal(folder, columns={"posts": {"likes": "owner.name"}})
    material, _ = read(folder, columns={"posts": {"text": "owner.id"}})
    assert [post.text for post in material.posts()] == ["1"]


def test_vectors_that_cannot_be_trusted_are_refused(tmp_path: Path) -> None:
    options = partial_data(tmp_path)
    topics = tmp_path / "brand_topics.npy"

    def reason() -> str:
        return refusal(tmp_path, **options)

    np.save(topics, np.ones((2, 2, 2)))
    assert (
        "brand_topics.npy: found 'float64 values of shape (2, 2, 2)'; wanted a .npy file"
        in reason()
    )
    np.save(topics, np.array([["a"], ["b"]]))
    assert "found '<U1 values" in reason()
    np.save(topics, np.ones((3, 2)))
    assert "found '3 rows of 2 numbers'; wanted 2 rows, as in brands.csv, of 2 numbers" in reason()
    np.save(topics, np.ones((2, 3)))
    assert re.search(
        r"influencer_topics\.npy: found '3 rows of 2 numbers'; wanted 3 rows, .* of 3 numbers",
        reason(),
    )
    np.save(topics, np.array([[{}], [[]]], dtype=object), allow_pickle=True)
    assert "without Python objects" in reason()
    topics.write_bytes(pickle.dumps(np.ones((2, 2))))
    assert "without Python objects" in reason()
    for broken in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x06\x00((((((", b"PK\x03\x04"):
        topics.write_bytes(broken)
        assert "without Python objects" in reason()
    with topics.open("wb") as stream:
        np.savez(stream, np.ones((2, 2)))
    assert "without Python objects" in reason()
    topics.unlink()
    assert "option 'vectors.content_topics': found 'brand_topics.npy'" in reason()
    np.save(topics, np.ones((2, 2)))
    (tmp_path / "names.txt").write_text("b0\n")
    assert "found '2 rows of 7 numbers'; wanted 1 rows, as in names.txt" in reason()
    options["vectors"]["content_visual"]["matrix"] = "../x.npy"
    assert "a path within the folder" in reason()
    options["vectors"]["content_visual"] = {"matrix": "brand_visual.npy", "ids": "ids.jsonl"}
    (tmp_path / "ids.jsonl").write_text('{"id": "b0"}\n{"id": \n')
    assert re.search(r"ids\.jsonl, row 2: .*one JSON object a line", reason())


def test_bad_rows_of_a_matrix_are_skipped(tmp_path: Path) -> None:
    options = partial_data(tmp_path)
    vectors = np.array([[1, 2], [np.nan, 2], [3, 4], [3, 5], [3, 4], [9, 9], [1e300, 0]])
    np.save(tmp_path / "influencer_topics.npy", vectors)
    ids = ["m0", "m1", "m2", "m2", "m2", "zoe", "m1"]
    (tmp_path / "ids.txt").write_text("".join(f"{name}\r\n" for name in ids))
    options["vectors"] = {
        "content_topics": {"matrix": "influencer_topics.npy", "ids": "ids.txt"},
    }
    material, problems = read(tmp_path, **options)
    assert list(material.vectors["content_topics"]) == ["m0", "m2"]
    assert [line.split("wanted ")[1][:19] for line in problems.lines()] == [
        "finite numbers, or ",
        "one vector an accou",
        "the id of a known a",
        "finite numbers, or ",
    ]
    assert problems.lines()[1].startswith("influencer_topics.npy, row 4: found 'm2'")


def test_fingerprints_are_of_each_parts_bytes_and_options(folder: Path) -> None:
    before = dict(read(folder)[0].fingerprints)
    assert {"accounts", "collaborations", "posts"} <= set(before)
    assert read(folder)[0].fingerprints == before

    def changed(**options: Any) -> set[str]:
        now = read(folder, **options)[0].fingerprints
        return {part for part in before if now[part] != before[part]}

    assert changed(synthetic=True) == {"accounts"}
    add_row(folder / "posts.csv", "cyan,more,,,,,")
    assert changed() == {"posts"}


@pytest.mark.parametrize("suffix", WRITERS)
def test_posts_are_streamed(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BATCH", 500)
    peaks = []
    for n_posts in (1_500, 9_000):
        posts: Rows = [{"account": "cyan", "text": f"{i} " * 20} for i in range(n_posts)]
        write_tables(tmp_path, suffix, posts=posts)
        material, _ = read(tmp_path)
        tracemalloc.start()
        assert sum(1 for _ in material.posts()) == n_posts
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_the_order_of_rows_changes_nothing(folder: Path) -> None:
    before, _ = read(folder, memory="1GB")
    for name in TABLES:
        path = folder / f"{name}.csv"
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([rows[0], *reversed(rows[1:])])
    assert_equal(read(folder)[0], before)


ANY_TEXT = st.text(max_size=12)
ODD = st.sampled_from(
    [
        "",
        "acme",
        "cyan",
        "brand",
        "influencer",
        "nan",
        "1e999",
        "../x",
        "a:1",
        '{"a": 1}',
        '"',
        "2024-01-01",
        "1_0",
        "train",
        ";,;",
        "0001-01-01T00:00:00+23:00",
        "\0",
        "\ud800",
        "\u0661",
        "\r",
    ]
)
CELLS = st.one_of(ANY_TEXT, ODD, st.floats(), st.integers(), st.none(), st.booleans())
NESTED = st.recursive(
    CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


TYPES: list[st.SearchStrategy[Any]] = [
    ANY_TEXT,
    st.sampled_from(["acme", "cyan", "brand", "influencer", "train", None]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.binary(max_size=5),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.times(),
    st.decimals(min_value=-9, max_value=9, places=2),
    st.lists(st.integers(0, 9), max_size=3),
    st.fixed_dictionaries({"cup": st.floats(), "plate": st.none() | st.floats(0, 1)}),
]
COLUMNS = st.one_of([st.lists(kind, min_size=3, max_size=3) for kind in TYPES])


def table_bytes(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, bytes]]:
    def as_csv(rows: list[list[Any]]) -> tuple[str, bytes]:
        lines = [",".join(names), *(",".join(map(str, row)) for row in rows)]
        return ".csv", "\n".join(lines).encode("utf-8", "surrogatepass")

    def as_jsonl(rows: list[list[Any]]) -> tuple[str, bytes]:
        lines = [json.dumps(dict(zip(names, row, strict=False))) for row in rows]
        return ".jsonl", "\n".join(lines).encode()

    def as_parquet(columns: list[list[Any]]) -> tuple[str, bytes]:
        buffer = io.BytesIO()
        pd.DataFrame(dict(zip(names, columns, strict=True)), dtype=object).to_parquet(buffer)
        return ".parquet", buffer.getvalue()

    return st.one_of(
        st.lists(COLUMNS, min_size=len(names), max_size=len(names)).map(as_parquet),
        st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=4).map(as_csv),
        st.lists(st.lists(CELLS, max_size=9), max_size=4).map(as_csv),
        st.lists(st.lists(NESTED, max_size=9), max_size=4).map(as_jsonl),
        st.tuples(st.sampled_from([".csv", ".jsonl", ".parquet"]), st.binary(max_size=60)),
    )


FUZZED = {
    "accounts": ("id", "role", "followers", "biography"),
    "posts": ("account", "text", "timestamp", "labels", "image", "likes"),
    "audience": ("account", "member", "text"),
    "collaborations": ("brand", "influencer", "competence", "timestamp"),
    "splits": ("brand", "part"),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.data())
def test_random_tables_are_read_or_refused(folder: Path, data: st.DataObject) -> None:
    write_tables(folder)
    name = data.draw(st.sampled_from(list(FUZZED)))
    suffix, content = data.draw(table_bytes(FUZZED[name]))
    (folder / f"{name}.csv").unlink()
    path = folder / f"{name}{suffix}"
    path.write_bytes(content)
    try:
        material, problems = read(folder)
    except ConversionError as error:
        assert "\n" not in str(error)
    else:
        assert all("\n" not in line for line in problems.lines(99))
        accounts = set(material.accounts["account_id"])
        for post in [*material.posts(), *material.audience_posts()]:
            assert post.account in accounts
            assert all(0 <= score <= 1 for score in post.labels.values())
            post.text.encode()
    finally:
        path.unlink()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.binary(max_size=200), st.booleans())
def test_random_matrices_are_refused(tmp_path: Path, content: bytes, has_magic: bool) -> None:
    options = partial_data(tmp_path)
    magic = b"\x93NUMPY\x01\x00" if has_magic else b""
    (tmp_path / "brand_visual.npy").write_bytes(magic + content)
    assert "brand_visual" in refusal(tmp_path, **options)


WRONG: list[tuple[dict[Any, Any], str]] = [
    ({"fils": {}}, "Unknown key 'fils'. Did you mean 'files'?"),
    ({"zzz": {}}, "Unknown key 'zzz'"),
    ({3: {}}, "Keys should be strings"),
    ({"files": []}, r"Option 'files': found \[\]; wanted a mapping"),
    ({"files": {"post": "a"}}, "Received: 'post'. Did you mean 'posts'?"),
    ({"files": {"posts": 5}}, "'tables: posts: files' must be a file's name, a pattern"),
    ({"files": {"posts": []}}, "'tables: posts: files' must be a file's name, a pattern"),
    ({"columns": {"posts": {"like": "x"}}}, "columns': found 'like'; wanted 'likes'"),
    ({"columns": {"posts": {"likes": ""}}}, "must have a name in quotes for every column"),
    ({"columns": {"posts": "x"}}, "'tables: posts: columns' must be a mapping"),
    ({"encoding": "utf-9"}, "'source': Key 'encoding' must be the name of an encoding"),
    ({"encoding": "a\0b"}, "'source': Key 'encoding' must be the name of an encoding"),
    ({"encoding": 8}, "'source': Key 'encoding' must be a text. Received: 8"),
    ({"delimiter": "tab"}, "'source': Key 'delimiter' must be one character"),
    ({"category_of_influencers": True}, "must be one of profile, collaborations"),
    ({"synthetic": "no"}, "Key 'synthetic' must be True or False"),
    ({"vectors": {"attributes": {"x": 1}}}, "Did you mean 'attribute_vector'?"),
    ({"vectors": {"content_topics": []}}, "be a mapping of matrix and ids, or a list"),
    ({"vectors": {"content_topics": {"ids": "x"}}}, r"content_topics\[0\]: matrix' is missing"),
    ({"vectors": {"content_topics": [{"id": "x"}]}}, "id'. Did you mean 'ids'"),
    ({"tables": {"posts": {"shet": "x"}}}, "'tables: posts: shet'. Did you mean 'sheet'?"),
    ({"tables": {"posts": {"where": 5}}}, "'tables: posts: where' must be a mapping"),
    ({"decimal": "x"}, "Key 'decimal' must be one of"),
    ({"memory": "x"}, "Option 'memory': found 'x'; wanted an amount such as '2GB'"),
]


@pytest.mark.parametrize(("options", "match"), WRONG)
def test_wrong_options_are_refused(folder: Path, options: dict[Any, Any], match: str) -> None:
    with pytest.raises(ConversionError, match=match):
        tables.read(folder, options, Problems())


KEYS = st.sampled_from(["files", "columns", "encoding", "delimiter", "vectors", "synthetic"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=st.dictionaries(KEYS | ANY_TEXT, NESTED, max_size=3))
def test_random_options_are_refused_in_one_line(folder: Path, options: Mapping[str, Any]) -> None:
    try:
        tables.read(folder, options, Problems())
    except ConversionError as error:
        assert "\n" not in str(error)
