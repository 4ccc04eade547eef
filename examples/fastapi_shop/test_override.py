"""A dependency is overridden: requests get the sessions of `db`. Runs under every strategy."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_shop.app import app, get_session
from project.testing.session_manager import Manager


@pytest_asyncio.fixture
async def client(db: Manager) -> AsyncIterator[AsyncClient]:
    async def session_of_db() -> AsyncIterator[AsyncSession]:
        async with db.asessionmaker() as session:
            yield session

    app.dependency_overrides[get_session] = session_of_db
    async with AsyncClient(transport=ASGITransport(app), base_url="http://shop") as client:
        yield client
    app.dependency_overrides.clear()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["pen", "ink"])
async def test_an_item_is_listed(client: AsyncClient, name: str) -> None:
    assert (await client.post(f"/items/{name}")).status_code == 200
    assert (await client.get("/items")).json() == [name]
