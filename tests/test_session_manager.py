"""The session manager's contract."""

import pytest
from sqlalchemy import QueuePool, func, select

from project.db.models import Product
from project.db.session_manager import DBSessionManager


@pytest.mark.asyncio
async def test_an_object_can_be_read_after_commit(db: DBSessionManager) -> None:
    async with db.asessionmaker() as session:
        product = Product(name="readable")
        session.add(product)
        await session.commit()
        assert product.name == "readable"  # expire_on_commit would load it again, and fail


@pytest.mark.asyncio
async def test_without_commit_nothing_stays(db: DBSessionManager) -> None:
    async with db.asessionmaker() as session:
        session.add(Product())
        await session.flush()
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 0


@pytest.mark.asyncio
async def test_close_ends_the_connections(db: DBSessionManager) -> None:
    async with db.asessionmaker() as session:
        await session.execute(select(1))
    pool = db._engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedin() == 1
    await db.close()
    assert isinstance(db._engine.pool, QueuePool)  # a new one
    assert db._engine.pool.checkedin() == 0


def test_nothing_connects_before_the_first_statement() -> None:
    DBSessionManager("postgresql+asyncpg://nobody@localhost:1/nowhere")
