"""The tables are those of orders, in a database of their own. Runs under every strategy."""

import pytest
from sqlalchemy import select

from orders.models import Order
from project.testing.session_manager import Manager


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["one", "two"])
async def test_it_is_stored(db: Manager, name: str) -> None:
    async with db.asessionmaker() as session:
        session.add(Order(name=name))
        await session.commit()
    async with db.asessionmaker() as session:
        assert list(await session.scalars(select(Order.name))) == [name]
