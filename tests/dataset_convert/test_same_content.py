"""One content as a release with images and as tables of any format: one and the same data."""

import csv
import json
import random
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
import tiny_models
import yaml
from PIL import Image
from written_release import write_release
from written_tables import write_tables

from dataset_convert import raw
from dataset_convert.convert import convert
from dataset_convert.features.pictures import ImageLabelExtractor
from dataset_convert.problems import Problems
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.settings import ConversionSettings, read_settings
from dataset_convert.sources import gan2019, tables

CATEGORIES = ("food", "shoes", "auto")
COLOURS = {"food": (255, 0, 0), "shoes": (0, 255, 0), "auto": (0, 0, 255)}
N_BRANDS, N_INFLUENCERS, N_POSTS, N_MEMBERS = 18, 29, 7, 5
WRITTEN = ("csv", "jsonl", "parquet")
DERIVED = ("utf-16", "zip", "json", "xlsx", "backwards")
FORMATS = (*WRITTEN, *DERIVED)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of a classifier of objects and one of scenes, which look at the mean colour."""
    folder = tmp_path_factory.mktemp("models")
    names = {"objects": ["cup", "golden retriever", "hat"], "scenes": ["bar", "sea"]}
    weights = {"objects": 3 * np.eye(3), "scenes": np.array([[2.0, -2], [0, 1], [-1, 2]])}
    for block, labels in names.items():
        tiny_models.colour_model(folder / f"{block}.onnx", weights[block])
        tiny_models.labels(folder / f"{block}.txt", labels)
    return {
        block: {
            "model": str(folder / f"{block}.onnx"),
            "labels": str(folder / f"{block}.txt"),
            "size": 17,
        }
        for block in names
    }


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> RawMaterial:
    """Brands and influencers of three categories, whose pictures have the category's colour."""
    folder = tmp_path_factory.mktemp("pictures")
    draw = random.Random(11)
    brands = {f"brand.{n}": CATEGORIES[n % 3] for n in range(N_BRANDS)}
    influencers = {f"in_{n}": CATEGORIES[n % 3] for n in range(N_INFLUENCERS)}
    pairs = [
        (brand, name, draw.random())
        for name, category in influencers.items()
        for brand in draw.sample([b for b, its in brands.items() if its == category], 2)
    ]
    pairs += [(brand, f"in_{n % 3}", np.nan) for n, brand in enumerate(brands)]
    pairs = list({pair[:2]: pair for pair in pairs}.values())
    draw.shuffle(pairs)
    words = {category: [f"{category}{n}word" for n in range(30)] for category in CATEGORIES}

    def post(account: str, category: str, number: int, **more: Any) -> Post:
        text = " ".join(draw.choices(words[category], k=8))
        image = picture(folder, category, number, draw)
        return Post(account, f"{text} 🍞\n#{category}", image=image, **more)

    # In the order of the release's workbooks: a model that is given images in other batches says
    # the same but for the last digits.
    posts = [
        post(name, category, n, timestamp=1.5e9 + n, n_likes=float(n), n_comments=2.0)
        for side in (brands, influencers)
        for name, category in sorted(side.items(), key=lambda one: one[1])
        for n in range(N_POSTS)
    ]
    audience = [
        post(name, category, n, member=f"fan{member}", timestamp=1.4e9 + n)
        for name, category in (brands | influencers).items()
        if name != "in_1"
        for member in range(N_MEMBERS)
        for n in range(2)
    ]
    return RawMaterial(
        accounts=accounts_of(brands, influencers),
        collaborations=pd.DataFrame(
            [(*pair, np.nan) for pair in pairs],
            columns=["brand_id", "influencer_id", "competence", "timestamp"],
        ),
        posts=lambda: iter(posts),
        audience_posts=lambda: iter(audience),
        brand_parts={brand: "test" if n < 4 else "train" for n, brand in enumerate(brands)},
        influencer_category_is_profile=False,
        vectors={},
        fingerprints={},
        synthetic=True,
    )


def accounts_of(brands: dict[str, str], influencers: dict[str, str]) -> pd.DataFrame:
    rows = [(name, "brand", "", f"The {c} 🍞\nhouse \\o/", c, np.nan) for name, c in brands.items()]
    rows += [
        (name, "influencer", "", f"Loves {category}", category, 5000.0 + n if n else np.nan)
        for n, (name, category) in enumerate(influencers.items())
    ]
    return pd.DataFrame(rows, columns=list(raw.ACCOUNT_COLUMNS))


def picture(folder: Path, category: str, number: int, draw: random.Random) -> Path | None:
    """Some posts have none, some pictures are grey, some are broken off."""
    if number == 3:
        return None
    path = folder / f"{category}-{draw.randrange(10**9)}.jpg"
    colour = tuple((x + draw.randrange(60)) % 256 for x in COLOURS[category])
    Image.new("RGB", (23, 19), colour).convert("L" if number == 4 else "RGB").save(path)
    if number == 5:
        path.write_bytes(path.read_bytes()[:-40])
    return path


def with_scores(material: RawMaterial, models: dict[str, Any]) -> RawMaterial:
    """The same with the scores of the pictures in their place."""

    def scored(of: str) -> Iterator[Post]:
        posts = material.posts() if of == "content" else material.audience_posts()
        extractor = ImageLabelExtractor(f"{of}_visual", **models)
        return (replace(post, image=None) for post in extractor.scored(list(posts))[0])

    return replace(
        material, posts=lambda: scored("content"), audience_posts=lambda: scored("audience")
    )


@pytest.fixture(scope="module")
def sources(
    material: RawMaterial, models: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RawMaterial]:
    """The content as it is read from a release and from tables of three formats."""
    folder = tmp_path_factory.mktemp("sources")
    write_release(material, folder / "release")
    problems = Problems()
    found = {"release": gan2019.read(folder / "release", {"synthetic": True}, problems)}
    labelled = with_scores(material, models)
    for kind in WRITTEN:
        write_tables(labelled, folder / kind, format=kind)  # type: ignore[arg-type]
    for kind in DERIVED:
        derive(kind, folder / "csv", folder / kind)
    for kind in FORMATS:
        options = yaml.safe_load((folder / kind / "convert.yaml").read_text())["source"]
        found[kind] = tables.read(folder / kind, options, problems)
    assert problems.n_skipped == 0
    return found


def derive(kind: str, tables_of: Path, folder: Path) -> None:
    """Writes CSV files as something else; `backwards` has their rows in another order."""
    folder.mkdir()
    (folder / "convert.yaml").write_bytes((tables_of / "convert.yaml").read_bytes())
    for path in tables_of.glob("*.csv"):
        text = path.read_bytes().decode()
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
        if kind == "utf-16":
            (folder / path.name).write_bytes(text.encode("utf-16"))
        elif kind == "zip":
            with zipfile.ZipFile(folder / f"{path.stem}.zip", "w") as archive:
                archive.writestr(path.name, text)
        elif kind == "json":
            objects = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
            (folder / f"{path.stem}.json").write_text(json.dumps(objects, indent=1))
        elif kind == "xlsx":
            book = openpyxl.Workbook()
            for row in rows:
                book.active.append([float(x) if x.isdecimal() else x or None for x in row])
            book.save(folder / f"{path.stem}.xlsx")
        else:
            with (folder / path.name).open("w", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows([rows[0], *reversed(rows[1:])])


def content_of(material: RawMaterial) -> tuple[object, ...]:
    frames = [
        frame.sort_values(list(frame)[:2]).fillna(-1).to_numpy().tolist()
        for frame in (material.accounts, material.collaborations)
    ]
    streams = [
        Counter(repr(replace(post, labels=sorted(post.labels.items()))) for post in posts())
        for posts in (material.posts, material.audience_posts)
    ]
    return (
        *frames,
        *streams,
        dict(material.brand_parts),
        material.influencer_category_is_profile,
        material.synthetic,
    )


def test_the_raw_material_is_the_same(
    material: RawMaterial, models: dict[str, Any], sources: dict[str, RawMaterial]
) -> None:
    expected = content_of(with_scores(material, models))
    labels = Counter(label for post in sources["csv"].posts() for label in post.labels)
    assert set(labels) == {"cup", "golden-retriever", "hat", "scene:bar", "scene:sea"}
    assert content_of(with_scores(sources["release"], models)) == expected
    for kind in FORMATS:
        assert content_of(sources[kind]) == expected, kind


def settings_of(path: Path, *, visual: dict[str, Any]) -> ConversionSettings:
    features = {
        "content_topics": {"n_topics": 3},
        "audience_topics": {"n_topics": 3},
        "content_visual": visual,
        "audience_visual": {**visual, "min_members": N_MEMBERS},
        "attributes": {"minimum_accounts": 2},
    }
    config = {"features": features, "pseudonyms": False, "n_jobs": 1}
    path.write_text(yaml.safe_dump(config))
    return read_settings(path)


def test_the_atomic_files_are_the_same_byte_by_byte(
    models: dict[str, Any], sources: dict[str, RawMaterial], tmp_path: Path
) -> None:
    written = {}
    for kind, found in sources.items():
        looks = {"extractor": "image-labels", **models} if kind == "release" else {}
        settings = settings_of(tmp_path / f"{kind}.yaml", visual=looks)
        place = tmp_path / kind / "same"
        convert(found, "same", settings, folder=place, problems=Problems(), tell=lambda _: None)
        written[kind] = {path.name: path.read_bytes() for path in sorted(place.glob("same.*"))}
    for kind in FORMATS:
        assert written[kind] == written["csv"], kind
    # A release has its pairs in an order of its own.
    pairs = [written[kind].pop("same.inter").splitlines() for kind in ("csv", "release")]
    assert sorted(pairs[0]) == sorted(pairs[1])
    assert written["csv"] == written["release"]
    accounts = written["release"]["same.item"].decode().splitlines()
    for field in ("content_topics", "content_visual_labels", "audience_visual_weights"):
        assert f"influencer_{field}:" in accounts[0]
    assert len(accounts) == 1 + N_INFLUENCERS
    assert {"same.user", "same.item", "same.new-brand.test.inter"} <= set(written["release"])
