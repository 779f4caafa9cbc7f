"""The app around the bundle of mirec-tiny, asked without a server; skipped loudly without [app]."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recbole_mirec.app.desk import Served
from recbole_mirec.app.store import Store

HOST = "testserver"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "decisions.sqlite")
    yield made
    made.close()


@pytest.fixture(scope="session")
def shop(bundle_folder: Path) -> Served:
    return Served("shop", bundle_folder)


@pytest.fixture
def client_of(store: Store) -> Callable[..., Any]:
    """A client of the app around a bundle, with or without a token."""
    for needed in ("fastapi", "python_multipart", "httpx2"):
        pytest.importorskip(needed, reason=f"app: {needed} is not installed (extra [app])")
    from fastapi.testclient import TestClient

    from recbole_mirec.app.gate import Door
    from recbole_mirec.app.server import create_app

    def made(served: Served, token: str | None = None) -> Any:
        door = Door(frozenset({HOST}), 80, token)
        app = create_app({served.name: served}, store, door)
        return TestClient(app, base_url=f"http://{HOST}", raise_server_exceptions=False)

    return made


@pytest.fixture
def client(shop: Served, client_of: Callable[..., Any]) -> Any:
    return client_of(shop)


@pytest.fixture
def brand(shop: Served) -> str:
    return shop.recommender.brands[0]


@pytest.fixture
def asked(client: Any, brand: str) -> dict[str, Any]:
    """A list of ten for the first brand."""
    answer = client.post("/api/bundles/shop/lists", json={"brand": brand, "top": 10})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found
