"""How many small defects the tests notice: seeded mutants of the rooms of mathematics and data.

    python benchmarks/mutants.py --seed 12 --count 100 --root CHECKOUT [--jobs 2]

A mutant is one changed operator, comparison, number, boolean, condition or function, or a deleted
statement, in a temporary copy. One that survives changes nothing, or shows what no test looks at.
"""

import argparse
import ast
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROOMS = ("nn", "graph", "evaluation", "data", "model")
_PAIRS = [(ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitAnd, ast.BitOr), (ast.And, ast.Or)]
_PAIRS += [(ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.In, ast.NotIn)]
_PAIRS += [(ast.Is, ast.IsNot), (ast.FloorDiv, ast.Mod)]
_WORDS = [("min", "max"), ("argmin", "argmax"), ("minimum", "maximum"), ("any", "all")]
_WORDS += [("zeros", "ones"), ("zeros_like", "ones_like"), ("floor", "ceil"), ("sum", "mean")]
SWAPS: dict[Any, Any] = {
    old: new() if isinstance(new, type) else new
    for a, b in _PAIRS + _WORDS
    for old, new in ((a, b), (b, a))
}
DELETED = (ast.AugAssign, ast.Raise, ast.Continue, ast.Break)
VALUES: dict[type, Callable[[Any], Any]] = {bool: lambda v: not v, int: lambda v: v + 1}
VALUES[float] = VALUES[int]
# What says something to a reader or to a type checker alone.
UNREAD = ("annotation", "returns", "decorator_list", "bases")


# Kind of node -> the field that changes, and what it becomes; None: nothing.
RULES: dict[type[ast.AST], tuple[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(
        (ast.BinOp, ast.AugAssign, ast.BoolOp), ("op", lambda n: SWAPS.get(type(n.op)))
    ),
    **dict.fromkeys((ast.If, ast.While), ("test", lambda n: ast.UnaryOp(ast.Not(), n.test))),
    ast.Compare: ("ops", lambda n: (new := SWAPS.get(type(n.ops[0]))) and [new, *n.ops[1:]]),
    ast.Constant: ("value", lambda n: VALUES.get(type(n.value), lambda _: None)(n.value)),
    ast.Name: ("id", lambda n: SWAPS.get(n.id)),
    ast.Attribute: ("attr", lambda n: SWAPS.get(n.attr)),
    # twice is as good as dropped
    ast.UnaryOp: ("operand", lambda n: ast.UnaryOp(n.op, n.operand)),
}


def changes(node: ast.AST) -> Iterator[tuple[Any, Callable[[], None]]]:
    """All changes of a tree in the order of its nodes: what changes, and how to do it."""
    field, rule = RULES.get(type(node), ("", lambda _: None))
    new = rule(node)
    if new is not None:
        yield node, partial(setattr, node, field, new)
    for name, value in ast.iter_fields(node):
        for position, child in enumerate(value if isinstance(value, list) else [value]):
            is_call = isinstance(child, ast.Expr) and not isinstance(child.value, ast.Constant)
            if is_call or isinstance(child, DELETED):
                yield child, partial(value.__setitem__, position, ast.Pass())
            if isinstance(child, ast.AST) and name not in UNREAD:
                yield from changes(child)


def chosen(root: Path, count: int, seed: int) -> list[tuple[str, Path, int]]:
    """Mutants spread evenly over the rooms: room, file, and the number of the change in it."""
    rng, found = random.Random(seed), []
    for position, room in enumerate(ROOMS):
        sites = [
            (room, path.relative_to(root), number)
            for path in sorted((root / "recbole_mirec" / room).rglob("*.py"))
            for number, _ in enumerate(changes(ast.parse(path.read_text(encoding="utf-8"))))
        ]
        share = (count + len(ROOMS) - 1 - position) // len(ROOMS)
        found += rng.sample(sites, min(share, len(sites)))
    return found


def tests_fail(copy: Path, room: str, patience: float) -> bool:
    """Whether a test of a room fails, or hangs, in a copy of the checkout."""
    command = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider", f"tests/{room}"]
    own = {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    silent: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
    with subprocess.Popen(
        command, cwd=copy, env=os.environ | own, start_new_session=True, **silent
    ) as process:
        try:
            return process.wait(patience) != 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return True


def is_killed(
    mutant: tuple[str, Path, int], copies: "queue.Queue[Path]", patience: dict[str, float]
) -> bool:
    """Make a mutant in a free copy, run its room's tests, and take it back; prints its fate."""
    room, relative, number = mutant
    copy = copies.get()
    text = (copy / relative).read_text(encoding="utf-8")
    tree = ast.parse(text)
    node, make = list(changes(tree))[number]
    before = ast.unparse(node).splitlines()[0]
    make()
    (copy / relative).write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
    killed = tests_fail(copy, room, patience[room])
    (copy / relative).write_text(text, encoding="utf-8")
    copies.put(copy)
    after = ast.unparse(node).splitlines()[0]
    change = f"deleted {before}" if after == before else f"{before} -> {after}"
    print("killed  " if killed else "SURVIVED", f"{relative}:{node.lineno}: {change}", flush=True)
    return killed


def main() -> None:
    """Make the mutants, and say how many each room's tests killed."""
    parser = argparse.ArgumentParser(description="seeded mutants")
    for name, default in (("seed", 12), ("count", 100), ("jobs", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--root", type=Path, default=Path.cwd())
    options = parser.parse_args()
    mutants = chosen(options.root.resolve(), options.count, options.seed)
    rooms = Counter(room for room, *_ in mutants)
    with tempfile.TemporaryDirectory() as work:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(options.jobs):
            place = Path(work, str(number))
            shutil.copytree(
                options.root, place, ignore=shutil.ignore_patterns(".*", "saved", "log")
            )
            copies.put(place)
        patience = {}
        for room in rooms:
            started = time.monotonic()
            if tests_fail(Path(work, "0"), room, 1800.0):
                parser.error(f"the tests of {room} fail, or hang, with nothing changed")
            patience[room] = 60 + 4 * (time.monotonic() - started)
        with ThreadPoolExecutor(options.jobs) as pool:
            fates = list(pool.map(lambda mutant: is_killed(mutant, copies, patience), mutants))
    killed = Counter(room for (room, *_), fate in zip(mutants, fates, strict=True) if fate)
    for room, total in rooms.items():
        print(f"{room}: {killed[room]} of {total} killed")
    print(f"all: {killed.total()} of {rooms.total()} killed")


if __name__ == "__main__":
    main()
