"""Random wrong values of every key: one line and exit code 2, or a run that is fine.

    python benchmarks/fuzz_settings.py [--n 2000] [--seed 2026] [--one NUMBER]

A warmed process forks a child a case, which runs the command. A case fails by a traceback, a
signal, an exit code other than 0 and 2, a line of more than 2,000 characters, a control character,
or by running for more than a minute.
"""

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import yaml

from recbole_mirec import cli
from recbole_mirec.config import known_keys
from recbole_mirec.experiment import prepare

# Model and data set of a case; ml-100k comes with RecBole.
MODELS = "MIRec BPR Cosine ContentTwoTower MIR LightGCN CAMERA MultiVAE"
TARGETS = [(model, "mirec-tiny") for model in MODELS.split()] + [("BPR", "ml-100k")]
QUICK: dict[str, object] = {
    "epochs": 1,
    "train_batch_size": 50_000,
    "torch_threads": 1,
    "gpu_id": "",
}
QUICK |= {"graph_n_walks": 1, "graph_epochs": 1, "metrics": ["Recall"]}
VALUES: tuple[object, ...] = (
    *(None, True, False, 0, 1, 3, -1, 2**31, 2**63, 10**30, "9" * 5000),
    *(0.5, -0.5, 1.5, "1e400", ".nan", "-.inf", "1e-320", "1e31"),
    *("", "x", "abc", "word with spaces", "../x", "/", "/dev/null", "/nowhere/at/all", "[0,inf)"),
    *("2026-01-01", "2026-01-01 10:00:00", "!!binary aGk=", "!!python/name:os.system", "12:30:00"),
    *("é漢😀", '"\\x1b[31mred"', '"\\0"', '"\\ud800"', "x" * 3000, "[unclosed", "{a: 1, a: 2}"),
    *([], [1], [0], ["x"], [None], [[1]], [5, 5], [10**30], list(range(5000)), {}, {"x": 1}),
    *({"inter": [1]}, {"inter": 3}, {"x": "[1,2]"}, {"rating": "x"}, {"x": None}, {"x": {}}),
    *("{1: 2}", "{null: x}", "{[a]: b}", "[" * 10_000, "[" * 35 + "]" * 35, "[&a [*a]]"),
)


def case(chance: random.Random) -> tuple[str, str, str, str]:
    """Model, data set, key, and the value as YAML."""
    model, dataset = chance.choice(TARGETS)
    value = chance.choice(VALUES)
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True)
    key = chance.choice(sorted(known_keys(model, dataset) - {"model"}))
    return model, dataset, key, text.removesuffix("\n...\n").strip("\n")


def run_case(model: str, dataset: str, key: str, text: str) -> int:
    """The command on one case, in this process: its key in a file or on the command line."""
    known = known_keys(model, dataset)
    shared = {"model": model, "dataset": dataset}
    shared |= {name: value for name, value in QUICK.items() if name in known}
    shared |= {"data_path": "data"} if dataset == "mirec-tiny" else {}
    shared.pop(key, None)
    Path("shared.yaml").write_text(yaml.safe_dump(shared))
    Path("one.yaml").write_text(f"{key}: {text}\n", encoding="utf-8", errors="replace")
    last = f"--{key}={text}" if len(text) % 2 else "one.yaml"
    return cli.main(["--config_files", "shared.yaml", last])


def outcome(work: Path, chosen: tuple[str, str, str, str]) -> str:
    """`accepted`, `refused`, or what is wrong."""
    told, child = work / "told", os.fork()
    if child == 0:
        os.chdir(work)
        handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        signal.alarm(60)
        try:
            code = run_case(*chosen)
        except BaseException:
            code = traceback.print_exc() or 1
        sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
    if code not in (0, 2) or any(line.startswith("Traceback") for line in lines):
        return f"code {code}: {lines[-1][:300] if lines else 'no word'}"
    if any(len(line) > 2000 for line in lines):
        return f"a line of {max(map(len, lines))} characters"
    if re.search("[\x00-\x08\x0b-\x1f]", "".join(lines)):
        return "a control character"
    return "refused" if code == 2 else "accepted"


def main() -> int:
    """Run the cases; returns 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--one", type=int, help="run this case alone, in this process")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    cases = [case(chance) for _ in range(options.n)]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # what all children share: the modules, and the data
        prepare({"model": "Cosine", "dataset": "mirec-tiny", "data_path": "data", "gpu_id": ""})
        if options.one is not None:
            print(cases[options.one])
            return run_case(*cases[options.one])
        for number, chosen in enumerate(cases):
            found = outcome(Path(folder), chosen)
            wrong = found not in ("accepted", "refused")
            counts["wrong" if wrong else found] += 1
            if wrong:
                print(f"case {number}: {' '.join(chosen)[:90]!r}: {found}", flush=True)
    print(f"seed {options.seed}: {options.n} cases, {dict(counts)}")
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
