"""Tools are added, lent and brought back."""

from httpx import AsyncClient


async def test_there_is_no_tool(client: AsyncClient) -> None:
    assert (await client.get("/tools")).json() == []


async def test_an_unknown_tool(client: AsyncClient) -> None:
    assert (await client.post("/loans/saw?to=Ada")).status_code == 404


async def test_it_is_added(client: AsyncClient) -> None:
    assert (await client.post("/tools/drill")).status_code == 201


async def test_it_is_listed(client: AsyncClient) -> None:
    assert (await client.get("/tools")).json() == ["drill"]


async def test_it_is_added_once(client: AsyncClient) -> None:
    assert (await client.post("/tools/drill")).status_code == 409


async def test_nobody_has_it(client: AsyncClient) -> None:
    assert (await client.get("/loans/drill")).status_code == 404


async def test_it_is_lent(client: AsyncClient) -> None:
    assert (await client.post("/loans/drill?to=Ada")).status_code == 201


async def test_it_is_lent_once(client: AsyncClient) -> None:
    assert (await client.post("/loans/drill?to=Ben")).status_code == 409


async def test_somebody_has_it(client: AsyncClient) -> None:
    assert (await client.get("/loans/drill")).json() == "Ada"


async def test_it_comes_back(client: AsyncClient) -> None:
    assert (await client.delete("/loans/drill")).status_code == 204


async def test_it_is_removed(client: AsyncClient) -> None:
    assert (await client.delete("/tools/drill")).status_code == 204


async def test_it_is_gone(client: AsyncClient) -> None:
    assert (await client.get("/tools")).json() == []
