"""A conversion that is killed, or meets a full disk, leaves the old data set or the new one."""

import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from dataset_convert.__main__ import main
from dataset_convert.atomic import read_atomic
from dataset_convert.common import files
from dataset_convert.convert import makers

CONFIG = """
features: {content_topics: {n_topics: 3}, attributes: {minimum_accounts: 2}}
key_file: pseudonym.key
n_jobs: 1
"""


def write_tables(folder: Path, *, competence: float) -> None:
    folder.mkdir()
    brands = [f"labelhouse{n}" for n in range(12)]
    influencers = [f"qreator{n}" for n in range(30)]
    (folder / "accounts.csv").write_text(
        "id,role,biography\n"
        + "".join(f"{one},brand,a chef\n" for one in brands)
        + "".join(f"{one},influencer,a chef\n" for one in influencers)
    )
    (folder / "posts.csv").write_text(
        "account,text,labels\n"
        + "".join(
            f"{one},word{n % 3} word{n % 7} tail{n % 5},cup:0.5\n"
            for n, one in enumerate([*brands, *influencers] * 200)
        )
    )
    (folder / "collaborations.csv").write_text(
        "brand,influencer,competence\n"
        + "".join(
            f"{one},{influencers[(n + step) % 30]},{competence}\n"
            for n, one in enumerate(brands)
            for step in range(4)
        )
    )


def convert(source: str, about_to_replace: Event) -> None:
    put_in_place = files._put_in_place

    def announced(making: Path, folder: Path) -> None:
        about_to_replace.set()
        put_in_place(making, folder)

    files._put_in_place = announced
    arguments = ["--source", "tables", "--input", source, "--name", "own", "--config", "c.yaml"]
    raise SystemExit(main(arguments))


def started(source: str) -> tuple[BaseProcess, Event]:
    fork = multiprocessing.get_context("fork")
    about_to_replace = fork.Event()
    process = fork.Process(target=convert, args=(source, about_to_replace))
    process.start()
    return process, about_to_replace


def finished(source: str) -> float:
    """Seconds that a whole conversion takes."""
    begun = time.monotonic()
    process, _ = started(source)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - begun


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("n_kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_kills: int
) -> None:
    monkeypatch.chdir(tmp_path)
    # Once, here: somebody may edit the code while the test runs.
    makers()
    (tmp_path / "c.yaml").write_text(CONFIG)
    sources = ("one", "two")
    outcome, seconds = {}, {}
    for number, source in enumerate(sources, start=1):
        write_tables(tmp_path / source, competence=number / 10)
        seconds[source] = finished(source)
        outcome[source] = contents(tmp_path / "dataset" / "own")
    assert outcome["one"] != outcome["two"]
    draw = random.Random(4)
    current, n_killed, n_replaced = "two", 0, 0
    while n_killed < n_kills:
        source = sources[1 - sources.index(current)]
        process, about_to_replace = started(source)
        if n_killed % 2:
            time.sleep(draw.uniform(0, seconds["two"]))
        else:
            # The moments at which the old data set goes and the new one comes.
            about_to_replace.wait(60)
            time.sleep(draw.uniform(0, 0.004))
        process.kill()
        process.join()
        found = contents(tmp_path / "dataset" / "own")
        assert found in outcome.values()
        current = next(one for one in sources if found == outcome[one])
        n_killed += process.exitcode != 0
        n_replaced += process.exitcode != 0 and current == source
    # Of many kills some come before the exchange and some after it.
    assert n_kills < 9 or 0 < n_replaced < n_killed
    # The next run finishes and clears away what was left.
    for source in sources:
        finished(source)
        assert contents(tmp_path / "dataset" / "own") == outcome[source]
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["own"]
    read_atomic(tmp_path / "dataset" / "own", "own")


# A limit on the size of files stands in for the disk.
LIMITED = """
import contextlib, io, resource, sys
from dataset_convert.__main__ import main
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
if __name__ == "__main__":
    for limit in map(int, sys.argv[1].split()):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        said = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            code = main(sys.argv[2:])
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        (line,) = [x for x in said.getvalue().splitlines() if x.lower().startswith("error: ")]
        print(code, line)
"""


def test_a_full_disk_is_one_line_that_names_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    for number, source in enumerate(("one", "two"), start=1):
        write_tables(tmp_path / source, competence=number / 10)
    finished("one")
    before = contents(tmp_path / "dataset" / "own")
    (tmp_path / "limited.py").write_text(LIMITED)
    words = ["--source", "tables", "--input", "two", "--name", "own", "--config", "c.yaml"]
    limits = [4_000, 40_000, 100_000, 400_000]
    program = [sys.executable, "limited.py", " ".join(map(str, limits))]
    done = subprocess.run([*program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(limits)
    for line in lines:
        assert line.startswith("2 ")
        assert "File too large" in line
        assert tempfile.gettempdir() in line
    assert contents(tmp_path / "dataset" / "own") == before
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["own"]
