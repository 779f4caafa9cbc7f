"""Switches of the whole test run: slow and real-data tests are skipped loudly unless asked for."""

import contextlib
import gc
import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Files of few and long tests. They come first, so that processes that share the files (-n 2 --dist
# loadfile) end together; by themselves those of many tests would come first.
LONG = (
    *("test_full_disk", "test_compat", "test_golden", "test_planted", "test_training"),
    *("test_synthesize", "test_same_content", "test_convert_fuzz", "test_convert_kill"),
    *("test_pipeline", "test_study", "test_benchmark_runs", "test_tuning_cli", "test_sweep"),
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

settings.register_profile("mirec", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("mirec")


@pytest.fixture(scope="module", autouse=True)
def log_level() -> Iterator[None]:
    """An experiment sets the level and handlers of all logs; each module starts from the usual."""
    root = logging.getLogger()
    before, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(before)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="session")
def data_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the synthetic data set mirec-tiny; tests leave it as it is."""
    from dataset_convert.synthetic import write_synthetic

    folder = tmp_path_factory.mktemp("data")
    write_synthetic("mirec-tiny", folder / "mirec-tiny")
    return folder


@pytest.fixture(scope="session")
def tiny(data_path: Path) -> Any:
    """mirec-tiny as it is read; tests leave it as it is."""
    from dataset_convert.atomic import read_atomic

    return read_atomic(data_path / "mirec-tiny", "mirec-tiny")


@pytest.fixture(scope="module")
def workplace(data_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of a module's tests, with mirec-tiny in it; runs and logs go there."""
    folder = tmp_path_factory.mktemp("work")
    shutil.copytree(data_path / "mirec-tiny", folder / "mirec-tiny")
    with contextlib.chdir(folder):
        yield folder


@pytest.fixture(scope="session")
def run(data_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of MIRec on mirec-tiny, with its bundle."""
    from little_data import TINY, settings

    from recbole_mirec.experiment import run_experiment
    from recbole_mirec.recommend.recommender import Recommender

    folder = tmp_path_factory.mktemp("recommend")
    shutil.copytree(data_path / TINY, folder / TINY)
    with contextlib.chdir(folder):
        found = run_experiment(settings(folder, epochs=5)).run_folder
        Recommender.load(found)
    return found


@pytest.fixture(scope="session")
def bundle_folder(run: Path) -> Path:
    """A model trained once, as a bundle; tests leave it as it is."""
    return run / "bundle"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for a module's tests of pages."""
    playwright = pytest.importorskip("playwright.sync_api", reason="browser: install playwright")
    with playwright.sync_playwright() as started:
        options = {"executable_path": CHROMIUM, "args": ["--no-sandbox", "--disable-gpu"]}
        made = started.chromium.launch(**options)
        yield made
        made.close()


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False
    # A shell that starts the tests in the background leaves them, and all that they start, deaf
    # to interrupts from the keyboard, which some of them are about.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is there before the first test stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONG)
    for item in items:
        if "slow" in item.keywords and not config.getoption("--run-slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --run-slow"))
        if "real" in item.keywords and not os.environ.get("MIREC_REAL_DATA"):
            item.add_marker(pytest.mark.skip(reason="real data: set MIREC_REAL_DATA to its folder"))
