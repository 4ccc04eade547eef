"""Rollback: migrate a database once, run each test in a transaction, and roll it back.

Nothing that a test does is ever committed, though the code under test may commit and roll back: it
does so to a savepoint. All of a test is one connection and one transaction, and that shows: NOW()
stands still, and no other connection sees a row.
"""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from . import SHARED_FIXTURES
from .deletion import create_test_db, migrate_db
from .tasks import no_task_left

__all__ = ["create_test_db", "migrate_db"]  # as under deletion

pytest_plugins = (*SHARED_FIXTURES, f"{__package__}.one_loop")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _clean_db_engine(create_test_db: str, migrate_db: None) -> AsyncIterator[AsyncEngine]:
    """Yield the engine that all tests share."""
    engine = create_async_engine(create_test_db)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def db(
    _clean_db_engine: AsyncEngine, keep_test_db: Callable[[], bool]
) -> AsyncIterator["OneTransaction"]:
    """Yield a session manager on one connection in a transaction; roll back after the test.

    A test database that is kept for a look keeps the failed test's rows.
    """
    async with _clean_db_engine.connect() as connection, connection.begin() as transaction:
        async with no_task_left():
            yield OneTransaction(connection)
        if keep_test_db():
            await transaction.commit()
        else:
            await transaction.rollback()


@pytest.fixture
def test_dsn(db: object) -> str:
    """Fail: another connection than `db`'s sees nothing of the transaction, and outlives it."""
    pytest.fail(
        "Under rollback a test's rows are in one transaction on db's own connection, and no DSN"
        " leads there. Take the sessions from `db`, or another strategy.",
        pytrace=False,
    )


class OneTransaction:
    """A session manager whose sessions share one connection, already in a transaction.

    A session's commit releases a savepoint, and its rollback goes back to one.

    Args:
        connection: the connection, in a transaction that outlives the sessions.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self.asessionmaker: async_sessionmaker[AsyncSession] = async_sessionmaker(
            connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        )

    async def close(self) -> None:
        """Leave the connection open: it belongs to whoever has opened it."""
