import pytest
from shop.models import Item
from sqlalchemy import func, select


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("n", range(2))
async def test_anyio(db, n):
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Item)) == 0
        session.add(Item(name="one"))
        await session.commit()
