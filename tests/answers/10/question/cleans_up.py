# not yet: my_first leaves another default
import pytest
from sqlalchemy import text

from project.db.models import Product
from project.testing.session_manager import Manager

DEFAULT = "ALTER TABLE product ALTER COLUMN name SET DEFAULT "


@pytest.mark.asyncio
async def my_first(db: Manager) -> None:
    async with db.asessionmaker.begin() as session:
        await session.execute(text(DEFAULT + "'unnamed'"))
    async with db.asessionmaker.begin() as session:
        await session.execute(text(DEFAULT + "''"))


@pytest.mark.asyncio
async def my_second(db: Manager) -> None:
    async with db.asessionmaker.begin() as session:
        product = Product()
        session.add(product)
        await session.flush()
        await session.refresh(product)
        assert product.name == ""
