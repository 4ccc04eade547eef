"""Deletion: migrate a database once, keep one engine open, and DELETE every row after each test.

Each test finds the tables empty, and its commits are real. The connections stay open from test to
test, and emptying the tables is one statement that waits for no disk. The migrations are not
undone at the end: their database is dropped, so irreversible ones do no harm.

PYTEST_DONT_REWRITE: another strategy imports this module before pytest may load it as a plugin.
"""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from . import SHARED_FIXTURES
from .database.lifecycle import naming_who_is_in_the_way
from .database.names import DsnPair
from .database.proof import only_on, prove
from .session_level import create_test_db
from .session_manager import Manager
from .shared_manager import SharedManager, _clean_db_manager
from .tables import Tables
from .tasks import no_task_left

__all__ = ["_clean_db_manager", "create_test_db"]  # the latter as under session level

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


@pytest_asyncio.fixture(loop_scope="session")
async def db(
    _clean_db_manager: SharedManager,
    dsn_pair: DsnPair,
    _clean_db_tables: Tables,
    keep_test_db: Callable[[], bool],
) -> AsyncIterator[Manager]:
    """Yield the session manager; after the test, delete every row."""
    await _clean_db_manager.begin_test()
    async with no_task_left():
        yield _clean_db_manager.manager
    if not keep_test_db():
        await _clean_db_manager.reset_connections()
        with naming_who_is_in_the_way(dsn_pair):
            await delete_rows(_clean_db_manager.manager, _clean_db_tables, dsn_pair)


async def delete_rows(manager: Manager, tables: Tables, pair: DsnPair) -> None:
    """Empty the tables of `target_metadata` in one statement, which is one round trip.

    Foreign keys are checked at a statement's end, so the tables' order doesn't matter. The commit
    doesn't wait for the disk: a crash could bring rows back, but only into a database that the
    next run drops. A table that may keep its rows from a DELETE is truncated once it has some.
    """
    async with manager.asessionmaker() as session:
        connection = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        await prove(connection, pair)  # asked once in a connection's life
        found = await tables.read(connection)
        if found.keeping:
            await truncate_filled(connection, found.keeping)
        deletes = "".join(
            f", d{number} AS (DELETE FROM {name})"
            for number, name in enumerate(found.names)
            if name not in found.keeping
        )
        await connection.exec_driver_sql(
            "WITH no_wait AS (SELECT set_config('synchronous_commit', 'off', true))"
            f"{deletes} SELECT * FROM no_wait"
        )
        for view in found.views:
            await connection.exec_driver_sql(f"REFRESH MATERIALIZED VIEW {view}")


async def truncate_filled(connection: AsyncConnection, names: list[str]) -> None:
    """Truncate those of some tables that have grown: by their size, which everybody may see."""
    filled = await connection.exec_driver_sql(
        "SELECT name FROM unnest($1::text[]) AS name"
        " WHERE pg_relation_size(name) > 0 OR EXISTS"
        " (SELECT FROM pg_inherits WHERE inhparent = name::regclass)",
        (names,),
    )
    if listed := ", ".join(filled.scalars()):
        await connection.exec_driver_sql(f"TRUNCATE TABLE {listed} CASCADE")


@pytest_asyncio.fixture(loop_scope="session")
async def reset_sequences(db: Manager, dsn_pair: DsnPair) -> None:
    """Have every sequence begin anew: for a test that asks for it. DELETE doesn't touch them."""
    async with db.asessionmaker() as session:
        await prove(session, dsn_pair)
        await session.execute(text("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"))
        await session.commit()
