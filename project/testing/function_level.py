"""Function level: migrate a database to head before each test, and to base after it.

The database is made once for the session. Each test finds the tables new, and also runs every
migration up and down: slow, thorough, and with little to go wrong.
"""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from . import SHARED_FIXTURES
from .database.lifecycle import naming_who_is_in_the_way, temporary_database
from .database.names import DsnPair
from .database.proof import confine, only_on
from .session_manager import Manager

pytest_plugins = (*SHARED_FIXTURES, f"{__package__}.clean_dsn")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def create_test_db(
    dsn_pair: DsnPair, os_environ_patch: None, keep_test_db: Callable[[], bool]
) -> AsyncIterator[str]:
    """Create the test database once, drop it at the end of the session; yield its DSN."""
    async with temporary_database(dsn_pair, keep_test_db):
        yield dsn_pair.test


@pytest.fixture
def migrate_db(
    create_test_db: str,
    dsn_pair: DsnPair,
    upgrade_schema: Callable[[str], None],
    downgrade_schema: Callable[[str], None],
    keep_test_db: Callable[[], bool],
) -> Iterator[None]:
    """Migrate to head before the test, and down to base after it."""
    with only_on(dsn_pair):
        upgrade_schema(create_test_db)
    yield
    if not keep_test_db():
        with only_on(dsn_pair), naming_who_is_in_the_way(dsn_pair):
            downgrade_schema(create_test_db)


@pytest_asyncio.fixture(loop_scope="function")
async def db(
    create_test_db: str,
    migrate_db: None,
    dsn_pair: DsnPair,
    session_manager_factory: Callable[[str], Manager],
) -> AsyncIterator[Manager]:
    """Yield a session manager on the test database; close it after the test."""
    manager = session_manager_factory(create_test_db)
    confine(manager, dsn_pair)
    yield manager
    await manager.close()
