"""Who is let in: host, origin, token and size, on every address."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from recbole_mirec.app.desk import Served

gate = pytest.importorskip("recbole_mirec.app.gate", reason="app: install the extra [app]")

TOKEN = "a token of more than sixteen letters"
ADDRESSES = ["/", "/api", "/openapi.json", "/api/bundles", "/login", "/nothing"]


@pytest.fixture
def closed(shop: Served, client_of: Callable[..., Any]) -> Any:
    return client_of(shop, TOKEN)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "testserver:81", ""])
def test_a_foreign_host_is_refused(client: Any, address: str, host: str) -> None:
    answer = client.get(address, headers={"host": host})
    assert answer.status_code == 400 and "Host" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver:8080"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_pages_of_other_sites_may_not_ask(client: Any, headers: dict[str, str]) -> None:
    for address in ("/lists", "/api/bundles/shop/reload", "/login"):
        answer = client.post(address, headers=headers)
        assert answer.status_code == 403 and "Origin" in answer.text


def test_our_own_pages_may(client: Any) -> None:
    headers = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert client.post("/api/bundles/shop/reload", headers=headers).status_code == 200


@pytest.mark.parametrize("address", [x for x in ADDRESSES if x != "/login"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer \u00fc".encode()},
        {"cookie": f"recbole-mirec={TOKEN}"},
        {"cookie": "recbole-mirec"},
    ],
)
def test_without_the_token_nothing_is_told(closed: Any, address: str, headers: Any) -> None:
    answer = closed.get(address, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "mirec-tiny" not in answer.text


def test_the_token_lets_programs_in(closed: Any) -> None:
    assert closed.get("/api/bundles", headers={"authorization": f"bearer {TOKEN}"}).is_success


def test_a_login_lets_a_browser_in_and_does_not_leave_the_token_there(closed: Any) -> None:
    html = {"accept": "text/html"}
    answer = closed.get("/", headers=html, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert closed.post("/login", data={"token": "wrong"}).status_code == 401
    assert closed.get("/api/bundles").status_code == 401
    answer = closed.post("/login", data={"token": TOKEN}, follow_redirects=False)
    told = answer.headers["set-cookie"]
    assert "HttpOnly" in told and "SameSite=strict" in told and TOKEN not in told
    assert closed.get("/", headers=html).status_code == 200


def test_what_is_too_large_is_refused_however_it_comes(client: Any) -> None:
    files = [("files", ("posts.csv", b"x" * (gate.MOST_BODY + 1)))]
    answer = client.post("/api/bundles/shop/uploads", files=files)
    assert answer.status_code == 413 and "16 MiB" in answer.json()["detail"]
    assert "16 MiB" in client.post("/lists", files=files).text

    def stream() -> Iterator[bytes]:
        for _ in range(17):
            yield b" " * 2**20

    kind = {"content-type": "application/json"}
    answer = client.post("/api/bundles/shop/lists", content=stream(), headers=kind)
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1_0"])
def test_a_length_that_is_none_is_refused(client: Any, length: str) -> None:
    headers = {"content-length": length}
    assert client.post("/api/bundles/shop/lists", headers=headers).status_code == 413


@pytest.mark.parametrize("address", [*ADDRESSES, "/favicon.ico"])
def test_every_answer_says_what_a_browser_may(client: Any, address: str) -> None:
    headers = client.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "http" not in policy and "unsafe-eval" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_hosts_are_names_with_the_right_port() -> None:
    door = gate.Door(frozenset({"127.0.0.1", "::1", "localhost"}), 8000)
    known = {"127.0.0.1:8000", "[::1]:8000", "LOCALHOST:8000", "10.0.0.7:8000"}
    for host in (
        *known,
        "localhost",
        "localhost:80",
        "::1",
        "localhost:8000:8000",
        "a@localhost:8000",
    ):
        assert door.knows(host, own="10.0.0.7") == (host in known), host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_only_loopback_needs_no_token(host: str) -> None:
    assert gate.is_loopback(host)
    for other in ("0.0.0.0", "::", "10.0.0.1", "localhost.example", ""):
        assert not gate.is_loopback(other)
