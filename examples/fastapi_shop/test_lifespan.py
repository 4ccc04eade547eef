"""The application starts as it does in production. Runs under every strategy but rollback."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient

from fastapi_shop.app import app


@pytest.fixture
def client(test_dsn: str) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("name", ["pen", "ink"])
def test_an_item_is_listed(client: TestClient, name: str) -> None:
    assert client.post(f"/items/{name}").status_code == 200
    assert client.get("/items").json() == [name]


@pytest.mark.asyncio
async def test_the_same_without_a_thread(test_dsn: str) -> None:
    transport = ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        assert (await client.post("/items/pen")).status_code == 200
        assert (await client.get("/items")).json() == ["pen"]
