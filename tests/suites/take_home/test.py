import pytest
from shop.models import Item
from sqlalchemy import func, select


@pytest.mark.parametrize("n", range(3))
@pytest.mark.asyncio
async def test_items(db, n):
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Item)) == 0
        session.add(Item(name="one"))
        await session.commit()
