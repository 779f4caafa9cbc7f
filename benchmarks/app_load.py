"""The app under load, and killed: how long answers take, and whether a decision is ever lost.

    python benchmarks/app_load.py BUNDLE [--clients 50] [--seconds 60] [--kills 20]

Starts `python -m recbole_mirec.app` on the loopback. Each client, a thread with a connection of
its own, asks for lists of a few brands, opens them as JSON and as pages, and decides, in turn and
without pause. Then the server is killed by SIGKILL again and again while decisions are sent; each
that was answered must be there when it starts again.
"""

import argparse
import http.client
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

N_BRANDS, TOP = 5, 20


class Server:
    """The app in a process of its own."""

    def __init__(self, bundle: Path, decisions: Path):
        line = [sys.executable, "-m", "recbole_mirec.app", bundle, "--port", "0"]
        command = [*map(str, line), "--decisions", str(decisions)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().split("127.0.0.1:")[1].partition("/")[0])

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


class Client:
    """One connection."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __call__(self, path: str, body: Any = None) -> Any:
        """What is answered; an answer that refuses is an error."""
        method = "GET" if body is None else "POST"
        content = None if body is None else json.dumps(body)
        kind = {"content-type": "application/json"}
        self.connection.request(method, path, content, kind)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{answer.status} {text[:200]!r}")
        return json.loads(text) if path.startswith("/api/") else text


def lists_of(port: int, bundle: str) -> list[Any]:
    """A list of each of a few brands."""
    client = Client(port)
    brands = client(f"/api/bundles/{bundle}/brands?limit={N_BRANDS}")
    address = f"/api/bundles/{bundle}/lists"
    return [client(address, {"brand": brand, "top": TOP}) for brand in brands]


def load(port: int, lists: list[Any], until: float, seed: int) -> tuple[list[Any], list[str]]:
    """What a client does until a time: kinds and seconds of answers, and errors."""
    client, draw = Client(port), random.Random(seed)
    took, errors = [], []
    while time.monotonic() < until:
        one = draw.choice(lists)
        picked = draw.choice(one["candidates"])["id"]
        said = {"influencer": picked, "decision": draw.choice(["yes", "no"]), "who": f"c{seed}"}
        kind, path, body = draw.choice(
            [
                ("ask", f"/api/bundles/{one['bundle']}/lists", {"brand": one["brand"], "top": TOP}),
                ("open", f"/api/lists/{one['id']}", None),
                ("page", f"/lists/{one['id']}", None),
                ("decide", f"/api/lists/{one['id']}/decisions", said),
            ]
        )
        start = time.monotonic()
        try:
            client(path, body)
        except Exception as error:  # each is counted, whatever it is
            errors.append(f"{kind}: {error!r}")
            client = Client(port)
        took.append((kind, time.monotonic() - start))
    return took, errors


def told(title: str, seconds: Any) -> str:
    """Median and 99th percentile in words."""
    half, most = 1000 * np.quantile(seconds, [0.5, 0.99])
    return f"{title}: {len(seconds)} answers, median {half:.0f} ms, 99th percentile {most:.0f} ms"


def under_load(bundle: Path, folder: Path, n_clients: int, seconds: float) -> None:
    """Many clients at once."""
    server = Server(bundle, folder / "load.sqlite")
    lists = lists_of(server.port, bundle.resolve().name)
    for one in lists:
        Client(server.port)(f"/lists/{one['id']}")
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(n_clients) as pool:
        jobs = [pool.submit(load, server.port, lists, until, seed) for seed in range(n_clients)]
        found = [job.result() for job in jobs]
    server.kill()
    took = [one for some, _ in found for one in some]
    errors = Counter(error for _, some in found for error in some)
    print(f"{n_clients} clients, {seconds:.0f} s: {sum(errors.values())} errors", *errors)
    print(told("all", [x for _, x in took]))
    for kind in sorted({kind for kind, _ in took}):
        print(told(f"  {kind}", [x for other, x in took if other == kind]))


def killed(bundle: Path, folder: Path, n_kills: int) -> None:
    """Decisions while the server is killed: those answered, those found, those lost."""
    answered, draw = set(), random.Random(0)
    path = folder / "killed.sqlite"
    for turn in range(n_kills + 1):
        server = Server(bundle, path)
        (one, *_) = lists_of(server.port, bundle.resolve().name)
        client, address = Client(server.port), f"/api/lists/{one['id']}/decisions"
        there = {(x["influencer"], x["who"]) for x in client(address)}
        lost = answered - there
        if lost:
            raise SystemExit(f"kill {turn}: {len(lost)} of {len(answered)} decisions are lost")
        if turn < n_kills:
            pause = draw.uniform(0.05, 0.5)
            with ThreadPoolExecutor(1) as pool:
                sent = pool.submit(decide_until_killed, server.port, address, one, turn)
                time.sleep(pause)
                server.kill()
                answered |= sent.result()
    server.kill()
    print(f"{n_kills} kills: all {len(answered)} decisions that were answered are there, 0 lost")


def decide_until_killed(port: int, address: str, one: Any, turn: int) -> set[tuple[str, str]]:
    """Decide until nobody answers: what was answered."""
    client, done, n = Client(port), set[tuple[str, str]](), 0
    while True:
        said = {"influencer": one["candidates"][n % TOP]["id"], "who": f"turn {turn}, {n}"}
        try:
            client(address, {**said, "decision": "yes"})
        except (OSError, http.client.HTTPException):
            return done
        done.add((said["influencer"], said["who"]))
        n += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.seconds:
            under_load(options.bundle, Path(folder), options.clients, options.seconds)
        if options.kills:
            killed(options.bundle, Path(folder), options.kills)


if __name__ == "__main__":
    main()
