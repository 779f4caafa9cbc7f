"""`python -m recbole_mirec.app`: a server of its own, and one line for what is wrong."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from app_server import serving

from recbole_mirec.app import __main__ as command

httpx2 = pytest.importorskip("httpx2", reason="app: install httpx2")
pytest.importorskip("uvicorn", reason="app: install the extra [app]")


def test_a_server_that_is_killed_has_kept_what_it_answered(
    bundle_folder: Path, tmp_path: Path
) -> None:
    with serving(bundle_folder, tmp_path) as (address, _):
        asked = {"brand": "brand_01", "top": 3}
        made = httpx2.post(f"{address}api/bundles/bundle/lists", json=asked).json()
        place = f"api/lists/{made['id']}/decisions"
        said = {"influencer": made["candidates"][0]["id"], "decision": "yes", "who": "Ann"}
        assert httpx2.post(address + place, json=said).status_code == 201
    with serving(bundle_folder, tmp_path) as (address, _):
        (found,) = httpx2.get(address + place).json()
        assert found.items() >= said.items()
        foreign = httpx2.get(address, headers={"host": "evil.example"})
        assert foreign.status_code == 400
        assert "server" not in foreign.headers


def test_other_hosts_demand_a_token(bundle_folder: Path, tmp_path: Path) -> None:
    with serving(bundle_folder, tmp_path, "--host", "0.0.0.0") as (address, told):
        address = address.replace("0.0.0.0", "127.0.0.1")
        token = told.split()[-1]
        assert httpx2.get(f"{address}api/bundles").status_code == 401
        headers = {"authorization": f"Bearer {token}"}
        assert httpx2.get(f"{address}api/bundles", headers=headers).is_success


@pytest.fixture
def call(
    bundle_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Calls the command, which must refuse; its only line."""

    def called(*options: object, bundle: Path = bundle_folder) -> str:
        given = ["app", bundle, "--decisions", tmp_path / "kept.sqlite", *options]
        monkeypatch.setattr(sys, "argv", [str(x) for x in given])
        assert command.main() == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return called


def test_a_port_in_use_is_one_line(call: Callable[..., str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Cannot listen on port {port} of 127.0.0.1" in call("--port", port)


def test_what_is_wrong_is_one_line(call: Callable[..., str], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("short\n")
    assert "16 characters" in call("--token-file", token)
    assert "Cannot listen" in call("--port", 99999)
    assert "Cannot listen" in call("--host", "no.such.host.invalid")
    decisions = tmp_path / "decisions.txt"
    decisions.write_text("a text of some length, and no database " * 20)
    assert "cannot keep decisions" in call("--port", 0, "--decisions", decisions)
    assert "is no bundle" in call("--port", 0, bundle=tmp_path)


def test_without_the_extra_one_line_says_what_to_install(
    call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'recbole-mirec[app]'" in call()
