"""Seconds and memory of reading and converting a release of workbooks, beside other versions.

    python benchmarks/convert_release.py                            # full size: 410,800 posts
    python benchmarks/convert_release.py --share 0.1 --times 10     # few accounts, many posts
    python benchmarks/convert_release.py --read-only --package ../before --package .  --rounds 3

Writes a release of the source `gan2019` (synthetic, always the same for a size) by the writer of
the tests; reads it, goes through all posts, and converts it, each in a process of its own. Several
packages take turns. Memory is the highest sum of the resident memory of a process and all that it
started. A release that is named stays, and is found again.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from convert_scale import Sampler, make_tables

from dataset_convert.problems import Problems
from dataset_convert.sources.tables import read

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "dataset_convert"))
from written_release import write_release

HERE: Final = Path(__file__).resolve().parent.parent
READ: Final = """
import pathlib, sys
from dataset_convert.problems import Problems
from dataset_convert.sources import find_source
material = find_source("gan2019").read(pathlib.Path(sys.argv[1]), {"synthetic": True}, Problems())
posts = sum(1 for stream in (material.posts, material.audience_posts) for _ in stream())
print(posts, "posts of", len(material.accounts), "accounts")
"""


def main() -> None:
    """Write the release, and measure every package as often as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the accounts")
    parser.add_argument("--times", type=int, default=1, help="this many times the posts")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="n_jobs of the conversion")
    parser.add_argument("--read-only", action="store_true", help="no conversion")
    parser.add_argument("--release", type=Path, help="where the release stays")
    parser.add_argument(
        "--package", type=Path, action="append", help="folder of a dataset_convert; may be repeated"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        release = options.release or Path(scratch) / "release"
        if not release.exists():
            started = time.perf_counter()
            make_release(release, Path(scratch) / "tables", options.share, options.times)
            print(f"release written in {time.perf_counter() - started:.0f} s")
        config = Path(scratch) / "convert.yaml"
        config.write_text(
            f"key_file: {scratch}/key\nn_jobs: {options.jobs}\nsource: {{synthetic: True}}\n"
            "features: {content_topics: {n_topics: 22}, audience_topics: {n_topics: 21}}\n"
        )
        convert = ["-m", "dataset_convert", "--source", "gan2019", "--input", str(release)]
        convert += ["--name", "scale", "--config", str(config), "--output"]
        for number in range(options.rounds):
            for package in options.package or [HERE]:
                measure("reading", package, ["-c", READ, str(release)])
                if not options.read_only:
                    output = Path(scratch) / f"{package.resolve().name}-{number}"
                    measure("conversion", package, [*convert, str(output)])


def make_release(folder: Path, tables: Path, share: float, times: int) -> None:
    """Write a release; a run that is killed leaves none of its name."""
    building = folder.with_name(f"{folder.name}.building")
    make_tables(tables, times=times, share=share)
    write_release(read(tables, {"synthetic": True}, Problems()), building)
    building.rename(folder)


def measure(what: str, package: Path, arguments: list[str]) -> None:
    """Run Python on a package and print what it cost."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(package.resolve())},
        stdout=subprocess.PIPE,
        text=True,
    )
    sampler = Sampler(process.pid)
    sampler.start()
    printed, _ = process.communicate()
    seconds = time.perf_counter() - started
    sampler.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    last = printed.strip().splitlines()[-1] if printed.strip() else "nothing printed"
    print(
        f"{package.resolve().name:12} {what:10} exit {process.returncode}  {seconds:7.1f} s  "
        f"{used:7.1f} s of processors  {sampler.highest:6.0f} MB  {last}",
        flush=True,
    )


if __name__ == "__main__":
    main()
