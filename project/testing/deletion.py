"""Deletion: migrate a database once, keep one engine open, and DELETE every row after each test.

Each test finds the tables empty, and its commits are real. The connections stay open from test to
test, and emptying the tables is one statement that waits for no disk.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, text

from project.db.session_manager import DBSessionManager
from project.testing import SHARED_FIXTURES
from project.testing.database import naming_who_is_in_the_way, temporary_database
from project.testing.migrations import point_at

pytest_plugins = (*SHARED_FIXTURES, "project.testing.one_loop")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def create_test_db(
    os_environ_patch: None, keep_test_db: Callable[[], bool]
) -> AsyncIterator[str]:
    """Create the test database once, drop it at the end of the session; yield its DSN."""
    original, dsn = os.environ["POSTGRES_DSN_ORIGINAL"], os.environ["POSTGRES_DSN"]
    async with temporary_database(original, dsn, keep_test_db, force=True):
        yield dsn


@pytest.fixture(scope="session")
def migrate_db(
    create_test_db: str, alembic_config: Config, keep_test_db: Callable[[], bool]
) -> Iterator[None]:
    """Migrate to head once, and down to base at the end of the session."""
    config = point_at(alembic_config, create_test_db)
    command.upgrade(config, "head")
    yield
    if not keep_test_db():
        with naming_who_is_in_the_way(create_test_db):
            command.downgrade(config, "base")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_manager(create_test_db: str, migrate_db: None) -> AsyncIterator[DBSessionManager]:
    """Yield the session manager, and with it the engine, that all tests share."""
    manager = DBSessionManager(create_test_db)
    yield manager
    await manager.close()


@pytest_asyncio.fixture(loop_scope="session")
async def db(
    shared_manager: DBSessionManager,
    create_test_db: str,
    target_metadata: MetaData,
    keep_test_db: Callable[[], bool],
) -> AsyncIterator[DBSessionManager]:
    """Yield the session manager; after the test, delete every row."""
    yield shared_manager
    if not keep_test_db():
        with naming_who_is_in_the_way(create_test_db):
            await delete_rows(shared_manager, target_metadata)


async def delete_rows(manager: DBSessionManager, metadata: MetaData) -> None:
    """Empty every table of `metadata` in one statement, which is one round trip.

    Foreign keys are checked at a statement's end, so the tables' order doesn't matter. The commit
    doesn't wait for the disk: a crash could bring rows back, but only into a database that the
    next run drops.
    """
    async with manager.asessionmaker() as session:
        connection = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        quote = connection.dialect.identifier_preparer.format_table
        deletes = "".join(
            f", d{number} AS (DELETE FROM {quote(table)})"
            for number, table in enumerate(metadata.tables.values())
        )
        await connection.exec_driver_sql(
            "WITH no_wait AS (SELECT set_config('synchronous_commit', 'off', true))"
            f"{deletes} SELECT * FROM no_wait"
        )


@pytest_asyncio.fixture(loop_scope="session")
async def reset_sequences(db: DBSessionManager) -> None:
    """Have every sequence begin anew: for a test that asks for it. DELETE doesn't touch them."""
    async with db.asessionmaker() as session:
        await session.execute(text("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"))
        await session.commit()
