"""Raw material written as tables and read back: the same content in every format."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from written_tables import CONFIG_FILE, write_tables

from dataset_convert import raw, schema
from dataset_convert.problems import Problems
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.sources import tables

FORMATS = ("csv", "jsonl", "parquet")
ACCOUNTS = [
    ("b1", "brand", 'The, "first"', "line\nbreak \\n and ✨", "food", 12.0),
    ("m1", "influencer", "", "", None, np.nan),
    ("m2", "influencer", "Zoë", " = 1 + 1", "shoes", 300.0),
]
PAIRS = [("b1", "m2", 1 / 3, np.nan), ("b1", "m1", np.nan, 1.7e9)]
POSTS = [
    Post("b1", "hello", timestamp=1.5e9, n_likes=3.0, labels={"cup": 0.1, "scene:bar": 1 / 3}),
    Post("m1", ""),
]
AUDIENCE = [Post("m2", '#yes, "sir"', member="fan 1", timestamp=1.4e9, labels={"{cup": 0.5})]


def made(
    posts: Sequence[Post] = POSTS, audience: Sequence[Post] = AUDIENCE, **changes: Any
) -> RawMaterial:
    accounts = pd.DataFrame(ACCOUNTS, columns=list(raw.ACCOUNT_COLUMNS), dtype=object)
    pairs = pd.DataFrame(PAIRS, columns=list(schema.INTERACTION_TYPES))
    fields: dict[str, Any] = {
        "accounts": accounts.assign(followers=accounts[raw.FOLLOWERS].astype(np.float64)),
        "collaborations": pairs,
        "posts": lambda: iter(posts),
        "audience_posts": lambda: iter(audience),
        "brand_parts": {"b1": "valid"},
        "influencer_category_is_profile": True,
        "vectors": {},
        "fingerprints": {},
        "synthetic": True,
    }
    return RawMaterial(**(fields | changes))


def read_back(folder: Path) -> RawMaterial:
    options = yaml.safe_load((folder / CONFIG_FILE).read_text(encoding="utf-8"))["source"]
    problems = Problems()
    material = tables.read(folder, options, problems)
    assert problems.lines() == []
    return material


def counted(posts: Iterable[Post]) -> Counter[str]:
    return Counter(repr(replace(one, labels=dict(sorted(one.labels.items())))) for one in posts)


def assert_same(found: RawMaterial, wanted: RawMaterial) -> None:
    # text is one type in pandas 3, objects before
    exact: dict[str, Any] = {"check_exact": True, "check_dtype": False}
    accounts = wanted.accounts.sort_values(raw.ACCOUNT, ignore_index=True)
    pd.testing.assert_frame_equal(found.accounts, accounts, **exact)
    numbers = {schema.COMPETENCE: np.float64, schema.TIMESTAMP: np.float64}
    pairs = wanted.collaborations.astype(numbers)
    pairs = pairs.sort_values([schema.BRAND_ID, schema.INFLUENCER_ID], ignore_index=True)
    pd.testing.assert_frame_equal(found.collaborations, pairs, **exact)
    assert counted(found.posts()) == counted(wanted.posts())
    assert counted(found.audience_posts()) == counted(wanted.audience_posts())
    assert found.brand_parts == wanted.brand_parts
    assert found.synthetic == wanted.synthetic
    assert found.influencer_category_is_profile == wanted.influencer_category_is_profile
    assert found.vectors.keys() == wanted.vectors.keys()
    for modality, vectors in wanted.vectors.items():
        assert found.vectors[modality].keys() == vectors.keys()
        for account, vector in vectors.items():
            np.testing.assert_array_equal(found.vectors[modality][account], vector)


@pytest.mark.parametrize("format_", FORMATS)
def test_reading_back_gives_the_same(tmp_path: Path, format_: Any) -> None:
    picture = tmp_path / "pictures" / "1.jpg"
    vectors = {
        "content_topics": {
            "m1": np.array([0.25, 0.75], np.float32),
            "b1": np.array([0.1, 1 / 3], np.float32),
        }
    }
    wanted = made([replace(POSTS[0], image=picture), POSTS[1]], vectors=vectors)
    write_tables(wanted, tmp_path, format=format_)
    assert_same(read_back(tmp_path), wanted)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [
            *(
                f"{n}.{format_}"
                for n in ("accounts", "audience", "collaborations", "posts", "splits")
            ),
            "content_topics.npy",
            "content_topics_ids.txt",
            "convert.yaml",
        ]
    )
