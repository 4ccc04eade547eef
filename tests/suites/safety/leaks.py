import os

import asyncpg
import pytest
from sqlalchemy import func, select

from project.db.models import Product

leaked: list[asyncpg.Connection] = []


@pytest.mark.parametrize("n", range(4))
@pytest.mark.asyncio
async def test_finds_one(db, product_fixture, n):
    if n == 0:
        leaked.append(await asyncpg.connect(os.environ["POSTGRES_DSN"].replace("+asyncpg", "")))
        await leaked[0].execute("BEGIN; UPDATE product SET\n name = 'leaked'")
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 1


@pytest.mark.asyncio
async def test_leaves_a_connection(db, product_fixture):
    leaked.append(await asyncpg.connect(os.environ["POSTGRES_DSN"].replace("+asyncpg", "")))
