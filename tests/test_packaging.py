"""What a wheel holds, and that it works away from the checkout."""

import configparser
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_package_folder_is_listed() -> None:
    listed = set(_setup()["options"]["packages"].split())
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("recbole_mirec", "dataset_convert")
        for path in (ROOT / top).rglob("__init__.py")
    }
    found |= {
        ".".join(("recbole_mirec", *path.parent.relative_to(ROOT).parts))
        for path in (ROOT / "properties").rglob("__init__.py")
    }
    assert listed == found


def test_every_file_of_properties_travels() -> None:
    patterns = _setup()["options.package_data"]
    for path in (ROOT / "properties").rglob("*.*"):
        if path.suffix in (".yaml", ".hyper"):
            package = ".".join(("recbole_mirec", *path.parent.relative_to(ROOT).parts))
            assert f"*{path.suffix}" in patterns[package].split(", "), path


def test_nothing_is_bounded_above_and_recbole_is_installed_without_its_pins() -> None:
    requirements = _setup()["options"]["install_requires"]
    assert "<" not in requirements
    assert "recbole" not in requirements
    for text in ("README.md", ".ci/run"):
        lines = (ROOT / text).read_text(encoding="utf-8")
        assert re.search(r"pip install (--quiet --no-compile )?--no-deps recbole==1\.2\.1", lines)


@pytest.mark.slow
def test_a_wheel_runs_from_another_directory(tmp_path: Path) -> None:
    built = tmp_path / "wheel"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", built, ROOT], check=True)
    (wheel,) = built.glob("*.whl")
    # The dependencies are taken from the running environment, the project from the wheel alone.
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    site = next(environment.glob("lib/python*/site-packages"))
    target = [*pip, "install", "-q", "--no-deps", "--target", site, wheel]
    subprocess.run(target, check=True)
    outside = next(path for path in sys.path if path.endswith("site-packages"))
    away = tmp_path / "away"
    away.mkdir()
    done = subprocess.run(
        [
            environment / "bin" / "python",
            "-m",
            "recbole_mirec",
            "--model=MIRec",
            "--dataset=mirec-tiny",
            "--epochs=1",
            "--graph_method=netmf",
        ],
        cwd=away,
        env={**os.environ, "PYTHONPATH": outside},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "MIRec on mirec-tiny (synthetic data)" in done.stdout
    assert list(away.glob("saved/MIRec-mirec-tiny-new-brand-*/best.safetensors"))


def test_the_readme_is_finished_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "@@" not in text
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", text)
    assert len(links) >= 5
    assert [link for link in links if not (ROOT / link).exists()] == []
