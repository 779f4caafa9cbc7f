"""How long lists take: as whole processes, after loading, and among a million influencers.

    python benchmarks/recommend_speed.py BUNDLE [--brand ID] [--influencers N]

Whole processes are `python -m recbole_mirec.recommend`. The million has random vectors of the
bundle's own widths; its memory is told beside what the vectors take.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dataset_convert import schema
from recbole_mirec.recommend.bundle import Accounts, Bundle, read_bundle
from recbole_mirec.recommend.recommender import Recommender

TEXT = "vegan skincare and yoga for young mothers who love to travel, Germany"


def fastest(what: str, work: Callable[[], object], n: int = 5) -> None:
    """Print the fastest and the median of some calls, in seconds."""
    seconds = []
    for _ in range(n):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    print(f"{what}: {min(seconds):.3f} s, median {sorted(seconds)[n // 2]:.3f} s", flush=True)


def crowd(bundle: Bundle, n: int) -> Bundle:
    """A bundle of so many influencers with random vectors, of whom nothing else is known."""
    rng, side = np.random.default_rng(0), schema.INFLUENCER
    widths = {part: rows.shape[1] for part, rows in bundle.sides[side].vectors.items()}
    vectors = {
        part: rng.standard_normal((n, width), dtype=np.float32) for part, width in widths.items()
    }
    names = pd.DataFrame({"account": [f"influencer_{row:07}" for row in range(n)], "side": side})
    return bundle.with_side(side, Accounts(names, vectors, {}))


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--brand")
    parser.add_argument("--influencers", type=int, default=1_000_000)
    options = parser.parse_args()
    bundle = read_bundle(options.bundle)
    recommender = Recommender(bundle)
    brand = options.brand or recommender.brands[0]
    command = [sys.executable, "-m", "recbole_mirec.recommend", "--bundle", str(options.bundle)]
    for what, given in (("known brand", ["--brand", brand]), ("brief", ["--text", TEXT])):
        work = partial(subprocess.run, [*command, *given], capture_output=True, check=True)
        fastest(f"a process, {what}", work)
    fastest("after loading, 10 influencers", lambda: recommender.recommend(brand), n=50)
    fastest("after loading, with reasons", lambda: recommender.listed(recommender.recommend(brand)))
    account = recommender.account(brand)
    many = crowd(bundle, options.influencers)
    recommender = Recommender(many)
    fastest(
        f"{options.influencers:,} influencers",
        lambda: recommender.recommend(replace(account, notes=())),
    )
    taken = sum(rows.nbytes for rows in many.sides[schema.INFLUENCER].vectors.values())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"vectors {taken / 1e9:.3f} GB, the process at most {most / 1e9:.3f} GB")


if __name__ == "__main__":
    main()
