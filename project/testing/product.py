"""The one fixture that knows the models: a product to test with."""

import pytest_asyncio

from project.db.models import Product
from project.db.session_manager import DBSessionManager


@pytest_asyncio.fixture(loop_scope="function")
async def product_fixture(db: DBSessionManager) -> Product:
    """Return a product that is in the database, committed."""
    async with db.asessionmaker() as session:
        product = Product(name="Test product")
        session.add(product)
        await session.commit()
        await session.refresh(product)
    return product
