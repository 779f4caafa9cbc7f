"""Time and memory of the conversion of a full-size synthetic release: every step, every process.

    python benchmarks/convert_scale.py                       # all features
    python benchmarks/convert_scale.py --without-topics      # reading, visual semantics, attributes
    python benchmarks/convert_scale.py --times 10            # ten times the posts
    python benchmarks/convert_scale.py --text wordllama      # and sentence vectors of all texts

Makes CSV tables of 360 brands and 3,748 influencers, 50 posts each, and of 25 members of each
audience, 2 posts each, all synthetic; converts them by the command in a process of its own; prints
the seconds of every step that the command tells, and the highest sum of the resident memory of all
its processes (pages that processes share count in each of them). Captions have a Zipfian vocabulary
with a tail without end, as real ones do: the memory that a long tail costs is what is looked for.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

N_BRANDS, N_INFLUENCERS, N_POSTS = 360, 3_748, 50
N_MEMBERS, N_MEMBER_POSTS = 25, 2
N_CATEGORIES, N_TOPICS = 12, 22
N_WORDS, N_OBJECTS, N_SCENES = 100_000, 1_000, 365
BIOGRAPHY_WORDS: Final = """
runner baker photographer coffee skincare makeup lipstick travel dog mother yoga vegan wine fashion
sneaker gaming music film food chef blogger coach student designer model jewelry car
"""
TEXTS: Final = ("content_text", "profile_text", "audience_text")
EMOJI: Final = ("😍", "🔥", "☕", "✨", "🇮🇹", "👍🏽", "❤️", "👩‍🍳")
SAMPLE_SECONDS: Final = 0.1
Sampled = list[tuple[float, float, str]]


def main() -> None:
    """Make the tables, convert them and print the profile."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=1, help="this many times the posts")
    parser.add_argument("--share", type=float, default=1.0, help="of the accounts")
    parser.add_argument("--without-topics", action="store_true")
    parser.add_argument("--text", help="model of sentence vectors (default: none are made)")
    parser.add_argument("--engine", default="local", help="of the conversion: local or ray")
    parser.add_argument("--jobs", type=int, default=2, help="n_jobs of the conversion")
    parser.add_argument("--tables", type=Path, help="where the tables stay, and are found again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tables = options.tables or Path(scratch) / "tables"
        if not tables.exists():
            started = time.perf_counter()
            make_tables(tables, times=options.times, share=options.share)
            print(f"tables made in {time.perf_counter() - started:.0f} s: {tables}")
        config = Path(scratch) / "convert.yaml"
        config.write_text(configuration(Path(scratch) / "key", options))
        profile(tables, config, Path(scratch) / "dataset", options.engine)


def configuration(key: Path, options: argparse.Namespace) -> str:
    """The YAML of the conversion."""
    topics = ("~", "~") if options.without_topics else ("{n_topics: 22}", "{n_topics: 21}")
    return (
        f"key_file: {key}\nn_jobs: {options.jobs}\nsource: {{synthetic: True}}\nfeatures:\n"
        f"  content_topics: {topics[0]}\n  audience_topics: {topics[1]}\n"
        + "".join(f"  {name}: {{models: {options.text}}}\n" for name in TEXTS if options.text)
    )


def make_tables(folder: Path, *, times: int, share: float, seed: int = 2026) -> None:
    """Write accounts, pairs, posts and the audience's posts, one account at a time."""
    building = folder.with_name(f"{folder.name}.building")
    building.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    brands = [f"brand.{i:04d}" for i in range(max(N_CATEGORIES * 3, int(N_BRANDS * share)))]
    influencers = [f"influencer_{i:05d}" for i in range(int(N_INFLUENCERS * share))]
    accounts = [*brands, *influencers]
    category_of = {account: i % N_CATEGORIES for i, account in enumerate(accounts)}
    write(building / "accounts.csv", account_rows(accounts, category_of, len(brands), rng))
    write(building / "collaborations.csv", pair_rows(brands, influencers, category_of, rng))
    is_test = [i // N_CATEGORIES % 5 == 0 for i in range(len(brands))]
    parts = zip(brands, ("test" if test else "train" for test in is_test), strict=True)
    write(building / "splits.csv", chain([("brand", "part")], parts))
    captions = Captions(rng)
    header = ("text", "timestamp", "likes", "comments", "labels")
    write(
        building / "posts.csv",
        post_rows(("account", *header), accounts, captions, 0, N_POSTS * times),
    )
    write(
        building / "audience.csv",
        post_rows(
            ("account", "member", *header), accounts, captions, N_MEMBERS, N_MEMBER_POSTS * times
        ),
    )
    building.rename(folder)


def write(path: Path, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def account_rows(
    accounts: list[str], category_of: dict[str, int], n_brands: int, rng: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    """Header and accounts; a biography has five words of which the lexicon knows most."""
    words = BIOGRAPHY_WORDS.split()
    yield "id", "role", "name", "biography", "category", "followers"
    for i, account in enumerate(accounts):
        role = "brand" if i < n_brands else "influencer"
        biography = " ".join(rng.choice(words, 5))
        category, name = f"category{category_of[account]}", f"{account} & co"
        yield account, role, name, biography, category, int(rng.integers(5_000, 100_000))


def pair_rows(
    brands: list[str],
    influencers: list[str],
    category_of: dict[str, int],
    rng: np.random.Generator,
) -> Iterator[tuple[Any, ...]]:
    """Header and pairs: one brand an influencer, of its category, every brand in turn."""
    yield "brand", "influencer", "competence", "timestamp"
    for i, influencer in enumerate(influencers):
        own = [brand for brand in brands if category_of[brand] == category_of[influencer]]
        brand = own[i // N_CATEGORIES % len(own)]
        yield brand, influencer, f"{rng.random():.4f}", 1_600_000_000


def post_rows(
    header: tuple[str, ...], accounts: list[str], captions: "Captions", n_members: int, n_posts: int
) -> Iterator[tuple[Any, ...]]:
    """Header and posts of every account, or of the members of its audience."""
    yield header
    for account in accounts:
        for member in range(max(1, n_members)):
            who = (account, f"{account}.fan{member}") if n_members else (account,)
            for row in captions.posts(account, n_posts):
                yield *who, *row


class Captions:
    """Captions and labels of a topic or two an account, in words drawn by Zipf's law."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._words = [_word(i) for i in range(N_WORDS)]
        self._cumulative = np.cumsum(1 / np.arange(1, N_WORDS + 1))
        self._topics: dict[str, Any] = {}

    def posts(self, account: str, n_posts: int) -> Iterator[tuple[Any, ...]]:
        """Yield text, timestamp, likes, comments and labels of posts."""
        rng = self._rng
        topics = self._topics.setdefault(account, rng.integers(N_TOPICS, size=2))
        lengths = rng.integers(8, 21, n_posts)
        total = int(lengths.sum())
        ranks = np.searchsorted(self._cumulative, rng.random(total) * self._cumulative[-1])
        of_topic = (ranks * N_TOPICS + topics[rng.integers(2, size=total)]) % N_WORDS
        ids = np.where(rng.random(total) < 0.5, of_topic, ranks).tolist()
        objects = (np.repeat(topics[0], 3) * 40 + rng.integers(120, size=(n_posts, 3))) % N_OBJECTS
        scenes = ((topics[1] * 15 + rng.integers(30, size=n_posts)) % N_SCENES).tolist()
        scores = rng.random((n_posts, 4)).round(3).tolist()
        extras, likes = rng.random(n_posts).tolist(), rng.integers(1_000, size=n_posts).tolist()
        start = 0
        for i, length in enumerate(lengths.tolist()):
            words = [self._words[j] for j in ids[start : start + length]]
            start += length
            _decorate(words, extras[i])
            pairs = zip(dict.fromkeys(objects[i].tolist()), scores[i], strict=False)
            seen = " ".join(f"object{label}:{score}" for label, score in pairs)
            scene = f"scene:place{scenes[i]}:{scores[i][3]}"
            yield " ".join(words), 1_600_000_000 + start, likes[i], start % 40, f"{seen} {scene}"


def _decorate(words: list[str], draw: float) -> None:
    """Hashtags, emoji, a mention or an address, and in one caption of twenty a word of its own."""
    words[0] = words[0].capitalize()
    words[-1] = f"#{words[-1]}"
    if draw < 0.4:
        words.append(EMOJI[int(draw * 1000) % len(EMOJI)])
    if draw < 0.1:
        words.append(f"@{words[1]}")
    if draw < 0.05:
        words.append(f"#{words[1]}{words[2]}{words[3]}")
    if draw > 0.97:
        words.append(f"https://www.{words[1]}.com/{words[2]}")


def _word(number: int) -> str:
    """A word of consonants and vowels, another one for every number."""
    number += 21 * 5 * 21
    letters = []
    for bases in ("bcdfghjklmnpqrstvwxyz", "aeiou") * 4:
        number, digit = divmod(number, len(bases))
        letters.append(bases[digit])
        if not number:
            break
    return "".join(letters)


def profile(folder: Path, config: Path, output: Path, engine: str) -> None:
    """Convert in a process of its own and print what it cost."""
    command = [sys.executable, "-m", "dataset_convert", "--source", "tables"]
    command += ["--input", folder, "--name", "scale", "--config", config, "--output", output]
    command += ["--engine", engine]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    sampler = Sampler(process.pid)
    sampler.start()
    last = started
    for line in process.stdout or ():
        now = time.perf_counter()
        print(
            f"{now - started:7.1f} s (+{now - last:6.1f})  {sampler.high():6.0f} MB  {line}", end=""
        )
        last = now
    code = process.wait()
    seconds = time.perf_counter() - started
    sampler.stop()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"exit {code}, {seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of processors, "
        f"at most {sampler.highest:.0f} MB in all processes"
    )


class Sampler(threading.Thread):
    """Looks at the resident memory of a process and of all that it started."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._done = threading.Event()
        self._since = 0.0
        self.highest = 0.0

    def run(self) -> None:
        """Look until told to stop."""
        while not self._done.wait(SAMPLE_SECONDS):
            now = _megabytes(self._root)
            self._since, self.highest = max(self._since, now), max(self.highest, now)

    def high(self) -> float:
        """The highest sum since this was last asked, in MB."""
        high, self._since = self._since, 0.0
        return high

    def stop(self) -> None:
        """End the looking."""
        self._done.set()
        self.join()


def _megabytes(root: psutil.Process) -> float:
    total = 0
    try:
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total / 1e6


if __name__ == "__main__":
    main()
