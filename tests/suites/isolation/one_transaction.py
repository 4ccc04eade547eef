import pytest_asyncio
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from project.testing import SHARED_FIXTURES

pytest_plugins = SHARED_FIXTURES


class Naive:
    def __init__(self, connection):
        self.asessionmaker = async_sessionmaker(connection)


@pytest_asyncio.fixture(loop_scope="function")
async def db(create_test_db, migrate_db):
    engine = create_async_engine(create_test_db)
    async with engine.connect() as connection, connection.begin() as transaction:
        yield Naive(connection)
        await transaction.rollback()
    await engine.dispose()
