"""The series' two tests. They run unchanged under every isolation strategy."""

import pytest
from sqlalchemy import func, select

from project.db.models import Product
from project.db.session_manager import DBSessionManager


@pytest.mark.asyncio
async def test_get_record(db: DBSessionManager, product_fixture: Product) -> None:
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 1
        product = await session.get(Product, product_fixture.id)
        assert product is not None
        assert product.name == "Test product"


@pytest.mark.asyncio
async def test_create_record(db: DBSessionManager, product_fixture: Product) -> None:
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 1
        session.add(Product(name="New product"))
        await session.commit()
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 2
        newest = await session.scalar(select(Product).order_by(Product.created_at.desc()).limit(1))
        assert newest is not None
        assert newest.name == "New product"
