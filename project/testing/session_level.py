"""Session level: migrate a database once for the session, and TRUNCATE its tables after each test.

Each test finds the tables empty. The migrations run once, whatever the number of tests.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData

from project.db.session_manager import DBSessionManager
from project.testing import SHARED_FIXTURES
from project.testing.database import SecretDsn, naming_who_is_in_the_way, temporary_database
from project.testing.migrations import only_on, point_at

pytest_plugins = SHARED_FIXTURES


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def create_test_db(
    os_environ_patch: None, keep_test_db: Callable[[], bool]
) -> AsyncIterator[str]:
    """Create the test database once, drop it at the end of the session; yield its DSN.

    FORCE ends connections that a test has left open: one of them would keep the database.
    """
    original, dsn = os.environ["POSTGRES_DSN_ORIGINAL"], os.environ["POSTGRES_DSN"]
    async with temporary_database(original, dsn, keep_test_db, force=True):
        yield SecretDsn(dsn)


@pytest.fixture(scope="session")
def migrate_db(
    create_test_db: str, alembic_config: Config, keep_test_db: Callable[[], bool]
) -> Iterator[None]:
    """Migrate to head once, and down to base at the end of the session."""
    config = point_at(alembic_config, create_test_db)
    with only_on(create_test_db):
        command.upgrade(config, "head")
    yield
    if not keep_test_db():
        with naming_who_is_in_the_way(create_test_db):
            command.downgrade(config, "base")


@pytest_asyncio.fixture(loop_scope="function")
async def db(
    create_test_db: str,
    migrate_db: None,
    target_metadata: MetaData,
    keep_test_db: Callable[[], bool],
) -> AsyncIterator[DBSessionManager]:
    """Yield a session manager on the test database; after the test, empty the tables, close it."""
    manager = DBSessionManager(create_test_db)
    yield manager
    try:
        if not keep_test_db():
            with naming_who_is_in_the_way(create_test_db):
                await truncate_tables(manager, target_metadata)
    finally:
        await manager.close()


async def truncate_tables(manager: DBSessionManager, metadata: MetaData) -> None:
    """Empty every table of `metadata` in one statement.

    `alembic_version` isn't in the metadata and keeps its row. CASCADE empties tables without a
    model, too, where they refer to one of these: TRUNCATE would be refused otherwise.
    """
    async with manager.asessionmaker() as session:
        connection = await session.connection()
        quote = connection.dialect.identifier_preparer.format_table
        if tables := ", ".join(quote(table) for table in metadata.tables.values()):
            await connection.exec_driver_sql("SET LOCAL statement_timeout = '60s'")
            await connection.exec_driver_sql(f"TRUNCATE TABLE {tables} CASCADE")
            await session.commit()
