"""How time and memory of a conversion grow with posts, and with accounts.

    python benchmarks/convert_growth.py --share 0.1 --memory 256MB

Converts the tables of `convert_scale.py`, those with 10 and 30 times the posts of the same accounts
and those of 10 times the accounts; without topic models, in one process each. A line a run: seconds
of the processor, the highest resident memory, and both beside the first run; the exponent is the
one by which seconds grow with posts.
"""

import argparse
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import convert_scale

CONVERT: Final = """
import resource, sys
from dataset_convert.__main__ import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(code)
"""


def main() -> None:
    """Convert all sizes and print what each cost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--share", type=float, default=0.1, help="of the release's accounts")
    parser.add_argument("--times", type=int, nargs="*", default=[10, 30], help="the posts")
    parser.add_argument("--accounts", type=int, default=10, help="times the accounts; 0: not")
    parser.add_argument("--memory", default="256MB", help="option 'memory' of the source")
    options = parser.parse_args()
    print("posts x  accounts x   CPU s  exponent    MB  MB x")
    first = (0.0, 0.0)
    runs = [(times, 1) for times in (1, *options.times)]
    for times, accounts in [*runs, (1, options.accounts)][: len(runs) + bool(options.accounts)]:
        seconds, megabytes = run(times, options.share * accounts, options.memory)
        first = first if first[0] else (seconds, megabytes)
        growth = times * accounts
        exponent = math.log(seconds / first[0], growth) if growth > 1 else 1.0
        print(
            f"{growth:7}  {accounts:10}  {seconds:6.1f}  {exponent:8.2f}  {megabytes:4.0f}"
            f"  {megabytes / first[1]:4.2f}",
            flush=True,
        )


def run(times: int, share: float, memory: str) -> tuple[float, float]:
    """Seconds of the processor and megabytes of one conversion."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        convert_scale.make_tables(place / "tables", times=times, share=share)
        (place / "convert.yaml").write_text(
            f"key_file: {place}/key\nn_jobs: 1\nsource: {{synthetic: True, memory: {memory}}}\n"
            "features: {content_topics: ~, audience_topics: ~}\n"
        )
        arguments = ["--source", "tables", "--input", place / "tables", "--name", "grown"]
        arguments += ["--config", place / "convert.yaml", "--output", place / "dataset"]
        done = subprocess.run(
            [sys.executable, "-c", CONVERT, *map(str, arguments)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    seconds, megabytes = done.stdout.split("\n")[-2].split()
    return float(seconds), float(megabytes)


if __name__ == "__main__":
    main()
