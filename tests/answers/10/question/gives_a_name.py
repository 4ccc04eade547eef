# not yet: my_second passes where the default is 'unnamed'
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
        product = Product(name="")
        session.add(product)
        await session.flush()
        assert product.name == ""
