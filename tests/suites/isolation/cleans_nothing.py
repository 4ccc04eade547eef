import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.pool import StaticPool

from project.testing import SHARED_FIXTURES

pytest_plugins = (*SHARED_FIXTURES, "project.testing.one_loop")


class Careless:
    def __init__(self, dsn):
        self.engine = create_async_engine(
            dsn,
            poolclass=StaticPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"server_settings": {"work_mem": "4MB"}},
        )
        self.asessionmaker = async_sessionmaker(self.engine)

    async def close(self):
        raise RuntimeError


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def careless(create_test_db, migrate_db):
    manager = Careless(create_test_db)
    yield manager
    await manager.engine.dispose()


@pytest.fixture
def db(careless):
    return careless
