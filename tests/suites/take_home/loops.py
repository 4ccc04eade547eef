import asyncio
import logging
import unittest
from concurrent.futures import ThreadPoolExecutor

import pytest
from shop.models import Item
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool


async def use(dsn):
    engine = create_async_engine(dsn, poolclass=NullPool)
    async with AsyncSession(engine) as session:
        assert await session.scalar(select(func.count()).select_from(Item)) == 0
        session.add(Item(name="one"))
        await session.commit()


@pytest.mark.asyncio
async def test_on_its_own_loop(test_dsn):
    await use(test_dsn)


@pytest.mark.asyncio(loop_scope="module")
async def test_on_the_modules_loop(test_dsn):
    await use(test_dsn)


def test_asyncio_run(test_dsn):
    asyncio.run(use(test_dsn))


def test_a_thread(test_dsn):
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, use(test_dsn)).result()


class TestCase(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def keep(self, test_dsn):
        self.dsn = test_dsn

    async def test_in_a_class(self):
        await use(self.dsn)


LOGGER = logging.getLogger("shop")


@pytest.mark.asyncio
async def test_its_loggers_speak(test_dsn, caplog):
    LOGGER.warning("heard")
    assert caplog.messages == ["heard"]
