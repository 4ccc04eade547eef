import pytest

from project.db.models import Product


@pytest.mark.parametrize("n", range(4))
@pytest.mark.asyncio
async def test_fails(db, product_fixture, n):
    async with db.asessionmaker() as session:
        session.add(Product(name="it's the second"))
        await session.commit()
    raise ValueError
