# not yet: under restore, which undoes a default, test_second
import pytest
from sqlalchemy import text

from project.db.models import Product
from project.testing.session_manager import Manager


@pytest.mark.asyncio
async def my_first(db: Manager) -> None:
    async with db.asessionmaker.begin() as session:
        await session.execute(text("ALTER TABLE product ALTER COLUMN name SET DEFAULT 'unnamed'"))


@pytest.mark.asyncio
async def my_second(db: Manager) -> None:
    async with db.asessionmaker.begin() as session:
        product = Product()
        session.add(product)
        await session.flush()
        await session.refresh(product)
        assert product.name == "unnamed"
