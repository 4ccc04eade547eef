"""Function level: migrate a database to head before each test, and to base after it.

The database is made once for the session. Each test finds the tables new, and also runs every
migration up and down: slow, thorough, and with little to go wrong.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config

from project.db.session_manager import DBSessionManager
from project.testing import SHARED_FIXTURES
from project.testing.database import SecretDsn, naming_who_is_in_the_way, temporary_database
from project.testing.migrations import only_on, point_at

pytest_plugins = SHARED_FIXTURES


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def create_test_db(
    os_environ_patch: None, keep_test_db: Callable[[], bool]
) -> AsyncIterator[str]:
    """Create the test database once, drop it at the end of the session; yield its DSN."""
    original, dsn = os.environ["POSTGRES_DSN_ORIGINAL"], os.environ["POSTGRES_DSN"]
    async with temporary_database(original, dsn, keep_test_db):
        yield SecretDsn(dsn)


@pytest.fixture
def migrate_db(
    create_test_db: str, alembic_config: Config, keep_test_db: Callable[[], bool]
) -> Iterator[None]:
    """Migrate to head before the test, and down to base after it."""
    config = point_at(alembic_config, create_test_db)
    with only_on(create_test_db):
        command.upgrade(config, "head")
    yield
    if not keep_test_db():
        with naming_who_is_in_the_way(create_test_db):
            command.downgrade(config, "base")


@pytest_asyncio.fixture(loop_scope="function")
async def db(create_test_db: str, migrate_db: None) -> AsyncIterator[DBSessionManager]:
    """Yield a session manager on the test database; close it after the test."""
    manager = DBSessionManager(create_test_db)
    yield manager
    await manager.close()
