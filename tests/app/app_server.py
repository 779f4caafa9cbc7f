"""The app in a process of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(bundle: Path, folder: Path, *options: str) -> Iterator[tuple[str, str]]:
    """A server in a process of its own: its address, and what it has printed."""
    decisions = ["--decisions", str(folder / "decisions.sqlite")]
    line = [sys.executable, "-m", "recbole_mirec.app", str(bundle), "--port", "0", *decisions]
    process = subprocess.Popen([*line, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        told += process.stdout.readline() if "--host" in options else ""
        yield re.findall(r"http://\S+?/", told)[0], told
    finally:
        process.kill()
        process.communicate()
