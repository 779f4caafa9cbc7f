"""What every command shares: exit codes, one line for wrong input, keys of files and line."""

import argparse
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from dataset_convert.checks import AtomicFileError
from dataset_convert.common.commands import CommandParser, count, run_command
from dataset_convert.common.errors import DivergedError, UsageError
from recbole_mirec.cli import COMMANDS, config_paths, parse


@pytest.fixture(autouse=True)
def terminable() -> Iterator[None]:
    """A command handles SIGTERM for the rest of its process; the tests' process gets its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_s_own_code(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: code) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UsageError("Unknown key 'x'."), 2, "error: Unknown key 'x'.\n"),
        (DivergedError("The loss is NaN."), 2, "error: The loss is NaN.\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted.\n"),
        (KeyboardInterrupt("Go on with: x"), 130, "\nInterrupted. Go on with: x\n"),
        (
            PermissionError(13, "Permission denied", "a/b.csv"),
            2,
            "error: 'a/b.csv': Permission denied. Check the path, its permissions and the space "
            "left.\n",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: No space left on device.\n"),
        (
            MemoryError(),
            2,
            "error: Not enough memory: MemoryError. Ask for smaller batches, models or data.\n",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"),
            2,
            "error: Not enough memory: [enforce fail] DefaultCPUAllocator: not enough memory: you "
            "tried. Ask for smaller batches, models or data.\n",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory."),
            2,
            "error: Not enough memory: CUDA out of memory. Ask for smaller batches, models or "
            "data.\n",
        ),
        # nothing that a terminal would obey, and no line without end
        (UsageError("a\x1b[2Jb\x07\u202ec\td"), 2, "error: a\\x1b[2Jb\\x07\\u202ec    d\n"),
        (UsageError("x" * 10**6 + "\n  y"), 2, f"error: {'x' * 1990}...\n  y\n"),
    ],
)
def test_what_goes_wrong_is_one_line(
    error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(raising(error)) == code
    assert capsys.readouterr() == ("", told)


def test_a_broken_data_file_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    error = AtomicFileError(
        Path("little.user"), line=3, found="'b1' again", wanted="each once. Remove one."
    )
    assert run_command(raising(error)) == 2
    told = "error: little.user, line 3: found 'b1' again; wanted each once. Remove one.\n"
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize(
    "error",
    [ValueError("shape"), RuntimeError("x"), OSError("no file"), KeyError("x"), SystemExit(3)],
)
def test_a_defect_keeps_its_traceback(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        run_command(raising(error))
    assert caught.value is error


def test_being_terminated_is_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("still running")

    assert run_command(command) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


def test_a_command_that_goes_on_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(raising(KeyboardInterrupt()), goes_on=True) == 130
    told = "\nInterrupted. Go on with the same command.\n"
    assert capsys.readouterr().err == told


def test_a_terminal_without_unicode_and_a_reader_that_leaves(tmp_path: Path) -> None:
    code = (
        "import sys; from dataset_convert.common.commands import run_command\n"
        "text = sys.argv[1]\n"
        r"sys.exit(run_command(lambda: print('\u00e9\u6f22', text * 10**6) or 0))"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code]
    env = os.environ | plain
    done = subprocess.run([*command, ""], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\xe9\\u6f22 \n", "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*command, ""], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: No space left on device.")
    with subprocess.Popen([*command, "x"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b"error: Broken pipe.\n"
    assert run.returncode == 2


def test_a_parser_s_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    parser = CommandParser(prog="x")
    parser.add_argument("--jobs", type=count)
    for text in ("two", "0", "-1", "1.5", "\u0663", "9" * 10):
        with pytest.raises(UsageError) as caught:
            parser.parse_args([f"--jobs={text}"])
        words = f"must be a whole number above 0. Received: '{text}'; see --help."
        assert str(caught.value) == f"argument --jobs: {words}"
    assert parser.parse_args(["--jobs=20"]).jobs == 20
    assert capsys.readouterr() == ("", "")


# The keys and options of ours

RUN = "run_recbole_mirec.py"


def test_the_line_wins_over_the_files_and_later_files_over_earlier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("epochs: 3\nseed: 1\nrate: 1e-2\nmodel: FM\n")
    Path("b.yaml").write_text("seed: 2\nlayers: [8, 4]\nmodel: NCF\n")
    words = ["--epochs=5", "--name=a=b", "--topk=[5,10]", "--gpu_id=", "-m", "BPR"]
    options, found = parse(RUN, ["--config_files", "a.yaml  b.yaml", *words, "--dataset=ml-100k"])
    assert found == {
        "epochs": 5,
        "seed": 2,
        "rate": 0.01,
        "model": "BPR",
        "layers": [8, 4],
        "name": "a=b",
        "topk": [5, 10],
        "gpu_id": None,
        "dataset": "ml-100k",
    }
    assert (options.model, options.top, options.resume) == ("BPR", 20, None)
    assert parse(RUN, [])[1] == {}
    words = ["--config_files", "a.yaml", "b.yaml", "--seed=9", "--config_files=a.yaml"]
    assert parse(RUN, words)[1]["model"] == "FM"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["word"], "'word' is not understood: write keys as --key=value"),
        (["-seed=1"], "'-seed=1' is not understood"),
        (["--seed"], "'--seed' is not understood"),
        (["--=1"], "'--=1' is not understood"),
        (["--seed=1", "--epochs=2", "--seed=1"], "Key 'seed' is set twice on the command line"),
        (["-d", "x", "--dataset=x"], "--dataset is given twice; leave one out"),
        (["--config_files=no.yaml"], "Configuration file 'no.yaml' cannot be read"),
    ],
)
def test_words_that_are_no_keys(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(RUN, arguments)


def test_a_file_with_a_space_in_its_name_is_one_and_a_list_is_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b.yaml", "a.yaml b.yaml", "my c.yaml"):
        Path(name).touch()
    assert config_paths(["a.yaml b.yaml"]) == [Path("a.yaml b.yaml")]
    Path("a.yaml b.yaml").unlink()
    assert config_paths(["a.yaml b.yaml"]) == [Path("a.yaml"), Path("b.yaml")]
    found = config_paths(["a.yaml  'my c.yaml'", "my c.yaml"])
    assert found == [Path("a.yaml"), Path("my c.yaml"), Path("my c.yaml")]
    assert config_paths(["it's.yaml no.yaml"]) == [Path("it's.yaml"), Path("no.yaml")]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_quick_and_needs_no_torch(command: str) -> None:
    names = {"run_recbole_mirec.py": "main", "python -m recbole_mirec.tuning": "tuning_main"}
    code = (
        f"import sys, time; started = time.perf_counter()\n"
        f"from recbole_mirec.cli import {names.get(command, 'benchmark_main')} as main\n"
        f"try: main(['--help'])\n"
        f"except SystemExit as end: print(end.code, 'torch' in sys.modules, "
        f"time.perf_counter() - started < 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("0 False True\n")
    assert done.stdout.startswith(f"usage: {command} [-h]")
    for names_of_option, words, _ in COMMANDS[command][1]:
        assert (names_of_option.split()[0] in done.stdout) == (words != argparse.SUPPRESS)
