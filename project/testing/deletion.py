"""Deletion: migrate a database once, keep one engine open, and DELETE every row after each test.

Each test finds the tables empty, and its commits are real. The connections stay open from test to
test, and emptying the tables is one statement that waits for no disk. The migrations are not
undone at the end: their database is dropped, so irreversible ones do no harm.
"""

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import pytest_asyncio
from sqlalchemy import MetaData, text

from . import SHARED_FIXTURES
from .database.lifecycle import naming_who_is_in_the_way
from .database.names import DsnPair
from .database.proof import only_on, prove
from .session_level import create_test_db
from .session_manager import Manager, SessionManager

__all__ = ["create_test_db"]  # as under session level

pytest_plugins = (
    *SHARED_FIXTURES,
    f"{__package__}.clean_dsn",
    f"{__package__}.one_loop",
)


@pytest.fixture(scope="session")
def migrate_db(
    create_test_db: str, dsn_pair: DsnPair, upgrade_schema: Callable[[str], None]
) -> None:
    """Migrate to head once."""
    with only_on(dsn_pair):
        upgrade_schema(create_test_db)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _clean_db_manager(
    create_test_db: str, migrate_db: None, session_manager_factory: Callable[[str], Manager]
) -> AsyncIterator[Manager]:
    """Yield the session manager, and with it the engine, that all tests share."""
    if session_manager_factory is SessionManager:  # not one of your own: keep the connections
        session_manager_factory = partial(SessionManager, pooled=True)
    manager = session_manager_factory(create_test_db)
    yield manager
    await manager.close()


@pytest_asyncio.fixture(loop_scope="session")
async def db(
    _clean_db_manager: Manager,
    dsn_pair: DsnPair,
    target_metadata: MetaData,
    keep_test_db: Callable[[], bool],
) -> AsyncIterator[Manager]:
    """Yield the session manager; after the test, delete every row."""
    yield _clean_db_manager
    if not keep_test_db():
        with naming_who_is_in_the_way(dsn_pair):
            await delete_rows(_clean_db_manager, target_metadata, dsn_pair)


async def delete_rows(manager: Manager, metadata: MetaData, pair: DsnPair) -> None:
    """Empty every table of `metadata` in one statement, which is one round trip.

    Foreign keys are checked at a statement's end, so the tables' order doesn't matter. The commit
    doesn't wait for the disk: a crash could bring rows back, but only into a database that the
    next run drops. Triggers of yours on DELETE fire, and rows that one writes may stay.
    """
    async with manager.asessionmaker() as session:
        connection = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        await prove(connection, pair)  # asked once in a connection's life
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
async def reset_sequences(db: Manager, dsn_pair: DsnPair) -> None:
    """Have every sequence begin anew: for a test that asks for it. DELETE doesn't touch them."""
    async with db.asessionmaker() as session:
        await prove(session, dsn_pair)
        await session.execute(text("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"))
        await session.commit()
