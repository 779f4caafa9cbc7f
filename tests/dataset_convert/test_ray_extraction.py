"""Batches on Ray: the local files, one line for what a user can mend, and nothing left behind."""

import contextlib
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import psutil
import pytest
import tiny_models

from dataset_convert.__main__ import main
from dataset_convert.features import ray_engine
from dataset_convert.features.labels import LabelExtractor
from dataset_convert.raw import Post
from dataset_convert.settings import read_settings

pytest.importorskip("ray.data")

WORDS = ["coffee", "roast", "latte", "sneaker", "trail", "running"]
CONFIG = """
features:
  content_topics: {n_topics: 2, vocabulary: {max_share: 1}}
  content_visual: {extractor: labels}
  audience_visual: {extractor: labels, min_members: 2}
  audience_topics: ~
  content_text: {extractor: sentences, models: models, max_posts: 3}
  attributes: {minimum_accounts: 2, hashtag_posts: 2}
key_file: pseudonym.key
n_jobs: 2
"""
COMMAND = ["--source", "tables", "--input", "raw", "--name", "own", "--config", "convert.yaml"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: tables, a model, and a configuration that names it relative to it."""
    monkeypatch.chdir(tmp_path)
    tiny_models.sentence_model(Path("models"), np.random.default_rng(3).standard_normal((8, 5)))
    tiny_models.tokenizer(Path("models"), WORDS)
    Path("convert.yaml").write_text(CONFIG)
    draw, raw = random.Random(5), Path("raw")
    raw.mkdir()
    brands, influencers = ([f"{side}x{n}" for n in range(15)] for side in ("label", "qreator"))
    accounts = [f"{one},brand,a chef" for one in brands]
    accounts += [f"{one},influencer,coffee lover" for one in influencers]
    pairs = [f"{one},{two}" for one in brands for two in draw.sample(influencers, 3)]

    def post(one: str, number: int) -> str:
        text = " ".join(draw.choices(WORDS[3 * (number % 2) :][:3], k=5))
        return f"{one},{text} #dog labelx3,cup:{draw.random()} scene:sea:{draw.random()}"

    posts = [post(one, number) for number, one in enumerate([*brands, *influencers] * 20)]
    of_fans = [
        post(f"{one},fan{fan}", fan) for fan in range(3) for one in [*brands, *influencers] * 3
    ]
    for name, header, rows in (
        ("accounts", "id,role,biography", accounts),
        ("collaborations", "brand,influencer", pairs),
        ("posts", "account,text,labels", posts),
        ("audience", "account,member,text,labels", of_fans),
    ):
        (raw / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    return tmp_path


def started(*more: str) -> subprocess.Popen[str]:
    Path("home").mkdir()
    command = [sys.executable, "-m", "dataset_convert", *COMMAND, "--output", "onray"]
    return subprocess.Popen(
        [*command, "--engine", "ray", *more],
        env={**os.environ, "HOME": str(Path("home").resolve()), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def differs(one: str, other: str) -> bool:
    """Whether two words are neither equal nor numbers a unit of the sixth digit apart."""
    if one == other:
        return False
    try:
        numbers = float(one), float(other)
    except ValueError:
        return True
    unit = 10 ** (math.floor(math.log10(max(map(abs, numbers)))) - 5)
    return abs(numbers[0] - numbers[1]) > 1.01 * unit


def assert_same_files(one: Path, other: Path) -> None:
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    tables = [x for x in files if x.suffix in (".inter", ".user", ".item")]
    assert len(tables) == 9
    for file in tables:
        words = zip(
            (one / file).read_text().split(), (other / file).read_text().split(), strict=True
        )
        assert not [pair for pair in words if differs(*pair)]


@pytest.mark.slow
def test_two_workers_of_ray_give_the_local_files_and_leave_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "--output", "local"]) == 0
    here = capsys.readouterr()
    process = started()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert err == here.err
    assert len(out.splitlines()) == len(here.out.splitlines()) - 1  # the key is made once
    assert_same_files(Path("local/own"), Path("onray/own"))
    assert [path.name for path in Path("onray").iterdir()] == ["own"]
    assert list(Path("home").iterdir()) == []


class Rows:
    """What is used of Ray Data, by this process."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self._rows, self.context = rows, MagicMock()

    def map(self, work: Callable[[dict[str, Any]], dict[str, Any]]) -> "Rows":
        return Rows(map(work, self._rows))

    def iter_rows(self) -> Iterable[dict[str, Any]]:
        return self._rows


def test_sums_by_parts_give_the_local_files(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("convert.yaml").write_text(CONFIG.replace("n_jobs: 2", "n_jobs: 1"))
    assert main([*COMMAND, "--output", "local"]) == 0
    passes = []

    def from_items(rows: list[dict[str, Any]], *, override_num_blocks: int) -> Rows:
        assert override_num_blocks == min(len(rows), 8)
        passes.append(len(rows))
        return Rows(rows)

    ray = MagicMock()
    ray.cluster_resources.return_value = {"CPU": 2.0}
    ray.data.from_items = from_items
    monkeypatch.setattr(ray_engine, "import_ray", lambda _: ray)
    monkeypatch.setattr(ray_engine, "ray_session", lambda *_, **__: contextlib.nullcontext())
    assert main([*COMMAND, "--output", "onray", "--engine", "ray"]) == 0
    assert len(passes) == 5 and min(passes) > 10
    assert_same_files(Path("local/own"), Path("onray/own"))
    assert [path.name for path in Path("onray").iterdir()] == ["own"]


@pytest.mark.slow
def test_nothing_of_ray_outlives_a_conversion_that_is_killed(place: Path) -> None:
    process = started()
    assert process.stdout is not None
    for line in process.stdout:
        if "made in" in line:  # Ray is there
            break
    begun = psutil.Process(process.pid).children(recursive=True)
    assert len(begun) > 3
    process.kill()
    process.communicate(timeout=30)
    assert psutil.wait_procs(begun, timeout=10)[1] == []
    (left,) = Path("onray").iterdir()
    assert left.stat().st_mode & 0o77 == 0
    assert main([*COMMAND, "--output", "onray"]) == 0
    assert [path.name for path in Path("onray").iterdir()] == ["own"]


def test_without_ray_or_without_its_engine_there_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*COMMAND, "--ray_address", "localhost:1"]) == 2
    assert "add --engine ray, or leave it out." in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*COMMAND, "--engine", "ray"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'pip install -e ".[ray]", or leave --engine out.' in line
    assert not Path("dataset").exists()


def posts() -> list[Post]:
    labels = {"cup \ud83d": 0.25, "scene:sea": 1.0}
    return [
        Post(f"account{n % 7}", f"text {n} \udc00", f"fan{n}", labels=labels) for n in range(60)
    ] + [Post("account1", "", image=Path("a picture.png"))]


def test_a_part_has_all_posts_of_an_account_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_WAITING", 8)
    parts = [list(ray_engine._read(Path(x))) for x in ray_engine._write(posts(), tmp_path / "p")]
    assert len(parts) > 1
    accounts = [{post.account for post in part} for part in parts]
    assert sum(map(len, accounts)) == len(set().union(*accounts)) == 7
    for part, names in zip(parts, accounts, strict=True):
        assert part == [post for post in posts() if post.account in names]


def test_a_folder_that_a_worker_does_not_see_and_a_worker_that_died_are_told(
    tmp_path: Path,
) -> None:
    extractor = LabelExtractor("content_visual")
    extractor.fitted = LabelExtractor.learns(labels=["cup"], report={})
    (part, *_) = ray_engine._write(posts(), tmp_path / "parts")
    elsewhere = ray_engine._sum_up(extractor, tmp_path / "elsewhere", {"part": part})["problem"]
    assert "elsewhere: No such file or directory on a machine of the Ray cluster" in elsewhere
    assert not ray_engine._sum_up(extractor, tmp_path, {"part": part})["problem"]
    again = ray_engine._sum_up(extractor, tmp_path, {"part": part})["problem"]
    assert again.startswith("A worker of Ray died, often for want of memory;")


def test_each_stream_is_written_once_and_without_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Read(Exception):
        pass

    def begin(_: str) -> None:
        raise Read

    n_read = []

    def nameless() -> list[Post]:
        n_read.append(1)
        return [replace(post, text="nameless") for post in posts()]

    monkeypatch.setattr(ray_engine, "import_ray", begin)
    engine = ray_engine.RayEngine(read_settings(None), tmp_path / "work", contextlib.ExitStack())
    extractor = LabelExtractor("content_visual")
    extractor.fitted = LabelExtractor.learns(labels=["cup"], report={})
    stream = engine.parted("content", posts, nameless)()
    assert list(stream) == posts()
    for _ in range(2):
        with pytest.raises(Read):
            extractor.sums(stream)
    assert n_read == [1]
    files = sorted((tmp_path / "work" / "content").iterdir())
    assert {post.text for file in files for post in ray_engine._read(file)} == {"nameless"}
