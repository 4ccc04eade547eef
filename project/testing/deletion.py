"""Deletion: migrate a database once, keep one engine open, and DELETE every row after each test.

Each test finds the tables empty, and its commits are real. The connections stay open from test to
test, and emptying the tables is one statement that waits for no disk.
"""

from collections.abc import AsyncIterator, Callable

import pytest_asyncio
from sqlalchemy import MetaData, text

from project.db.session_manager import DBSessionManager
from project.testing import SHARED_FIXTURES
from project.testing.database import naming_who_is_in_the_way
from project.testing.session_level import create_test_db, migrate_db

__all__ = ["create_test_db", "migrate_db"]  # as under session level

pytest_plugins = (*SHARED_FIXTURES, "project.testing.one_loop")


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
    next run drops. Triggers of yours on DELETE fire, and rows that one writes may stay.
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
