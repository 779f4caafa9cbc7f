"""A disk that is full: one line that names the file, nothing half written, and a way on.

A limit on the size of files stands in for the disk, in one process for all cases.
"""

import errno
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from little_data import settings

from dataset_convert.common.files import naming, write_whole
from recbole_mirec import cli
from recbole_mirec.compat import LOG_HANDLER
from recbole_mirec.runs import start_logging

FULL = OSError(errno.ENOSPC, "No space left on device")
# Name -> the limit in bytes, the file that meets it first, and what the run is given besides.
CASES: dict[str, tuple[int, str, list[str]]] = {
    "curves": (60, "log_tensorboard", ["--model=BPR", "--state=critical"]),
    "log": (150, "/log/BPR/", ["--model=BPR"]),
    "configuration": (1_500, "/config.yaml", ["--model=BPR", "--state=error"]),
    "best": (20_000, "/best.safetensors", ["--model=BPR"]),
    "last": (90_000, "/last.safetensors", ["--model=BPR"]),
    "embeddings": (30_000, "/node-embeddings-", ["--model=MIRec"]),
}
PROGRAM = """
import contextlib, io, json, resource, sys
from recbole_mirec import cli
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
def run(limit, words):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    with contextlib.redirect_stderr(io.StringIO()) as err:
        code = cli.main(words)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    return code, err.getvalue()
common, cases = json.loads(sys.argv[1])
found = {}
for name, (limit, _, words) in cases.items():
    found[name] = run(limit, [*words, *common, "--checkpoint_dir=saved/" + name.ljust(80, "_")])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def runs(workplace: Path) -> dict[str, tuple[int, str]]:
    """Exit code and standard error of each case."""
    given = settings(workplace, "BPR", epochs=3)
    del given["model"], given["checkpoint_dir"]
    common = [f"--{key}={value}".replace(" ", "") for key, value in given.items()]
    command = [sys.executable, "-c", PROGRAM, json.dumps([common, CASES])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # a thread's traceback would go past the redirection
    assert "Traceback" not in done.stderr
    found: dict[str, tuple[int, str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("case", list(CASES))
def test_a_full_disk_is_one_line_that_names_the_file(
    runs: dict[str, tuple[int, str]], case: str
) -> None:
    code, err = runs[case]
    assert code == 2, err
    assert "Traceback" not in err
    assert "Logging error" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert err.rstrip().endswith(line)
    assert CASES[case][1] in line
    assert "File too large" in line


def test_nothing_is_left_half_written_and_the_run_goes_on_once_there_is_room(
    runs: dict[str, tuple[int, str]], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs
    assert list(workplace.rglob("*.part")) == []
    (folder,) = workplace.glob("saved/last_*/BPR-*")
    assert not (folder / "last.safetensors").exists()
    assert (folder / "run.json").is_file()
    assert cli.main(["--resume", str(folder)]) == 0
    assert f"Files: {folder}" in capsys.readouterr().out


# The pieces


def failing(error: OSError) -> Callable[..., Any]:
    def fail(*_: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_writer_names_its_file_and_cleans_up(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "x", b"old")
    monkeypatch.setattr(Path, step, failing(FULL))
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(tmp_path / "x", b"new", b"er")
    monkeypatch.undo()
    assert caught.value.filename == str(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"
    write_whole(tmp_path / "x", b"new", memoryview(b"er"))
    assert (tmp_path / "x").read_bytes() == b"newer"


@pytest.mark.parametrize("error", [ConnectionResetError(), PermissionError(13, "Denied", "other")])
def test_other_errors_keep_their_names(error: OSError) -> None:
    with pytest.raises(type(error)) as caught, naming(Path("mine")):
        raise error
    assert caught.value is error


@pytest.fixture
def log_handler(tmp_path: Path) -> Iterator[logging.Handler]:
    """The handler that writes the run's log to `log.txt`."""
    start_logging("BPR", "little", "info", only_file=tmp_path / "log.txt")
    (handler,) = [one for one in logging.getLogger().handlers if one.name == LOG_HANDLER]
    yield handler
    handler.close()


def test_a_log_line_without_room_is_an_error_of_the_log(
    log_handler: logging.Handler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger().info("first")
    monkeypatch.setattr(log_handler, "flush", failing(FULL))
    with pytest.raises(OSError, match="No space left") as caught:
        logging.getLogger().info("second")
    assert caught.value.filename == str(tmp_path / "log.txt")
    monkeypatch.setattr(log_handler, "close", failing(FULL))
    start_logging("BPR", "little", "info", only_file=tmp_path / "next.txt")


def test_a_defect_in_a_log_line_stays_a_traceback(
    log_handler: logging.Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    log_handler.handle(logging.LogRecord("x", logging.INFO, "x.py", 1, "%d", ("no number",), None))
    assert "--- Logging error ---" in capsys.readouterr().err
