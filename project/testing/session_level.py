"""Session level: migrate a database once for the session, and TRUNCATE its tables after each test.

Each test finds the tables empty. The migrations run once, whatever the number of tests.

PYTEST_DONT_REWRITE: another strategy imports this module before pytest may load it as a plugin.
"""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from . import SHARED_FIXTURES
from .database.lifecycle import naming_who_is_in_the_way, temporary_database
from .database.names import DsnPair
from .database.proof import confine, only_on, prove
from .session_manager import Manager
from .tables import Tables

pytest_plugins = (*SHARED_FIXTURES, f"{__package__}.clean_dsn")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def create_test_db(
    dsn_pair: DsnPair, os_environ_patch: None, keep_test_db: Callable[[], bool]
) -> AsyncIterator[str]:
    """Create the test database once, drop it at the end of the session; yield its DSN.

    FORCE ends connections that a test has left open: one of them would keep the database.
    """
    async with temporary_database(dsn_pair, keep_test_db, force=True):
        yield dsn_pair.test


@pytest.fixture(scope="session")
def migrate_db(
    create_test_db: str,
    dsn_pair: DsnPair,
    upgrade_schema: Callable[[str], None],
    downgrade_schema: Callable[[str], None],
    keep_test_db: Callable[[], bool],
) -> Iterator[None]:
    """Migrate to head once, and down to base at the end of the session."""
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
    _clean_db_tables: Tables,
    session_manager_factory: Callable[[str], Manager],
    keep_test_db: Callable[[], bool],
) -> AsyncIterator[Manager]:
    """Yield a session manager on the test database; after the test, empty the tables, close it."""
    manager = session_manager_factory(create_test_db)
    confine(manager, dsn_pair)
    yield manager
    try:
        if not keep_test_db():
            with naming_who_is_in_the_way(dsn_pair):
                await truncate_tables(manager, _clean_db_tables, dsn_pair)
    finally:
        await manager.close()


async def truncate_tables(manager: Manager, tables: Tables, pair: DsnPair) -> None:
    """Empty the tables of `target_metadata` in one statement, on this run's database alone.

    `alembic_version` isn't in the metadata and keeps its row. CASCADE empties tables without a
    model, too, where they refer to one of these: TRUNCATE would be refused otherwise.
    """
    async with manager.asessionmaker() as session:
        await prove(session, pair)
        connection = await session.connection()
        if names := ", ".join((await tables.read(connection)).names):
            await connection.exec_driver_sql("SET LOCAL statement_timeout = '60s'")
            await connection.exec_driver_sql(f"TRUNCATE TABLE {names} CASCADE")
            await session.commit()
