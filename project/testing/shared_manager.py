"""A session manager that all tests share, and what a test may leave on its connections."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest_asyncio
from asyncpg import Connection, InterfaceError, InternalClientError, PostgresError
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from .database import proof
from .database.names import DsnPair
from .database.proof import confine, engine_of
from .session_manager import Manager, SessionManager

# What the driver raises where a test has broken the connection, or the statement can't be run.
BROKEN = (PostgresError, InterfaceError, InternalClientError, OSError, TimeoutError)

SET_BY_APPLICATION = (
    "SELECT count(*) > 0 OR current_user <> session_user FROM pg_settings"
    " WHERE source = 'session' AND setting IS DISTINCT FROM reset_val"
)
# What asyncpg's own pool does, and more. The last part counts what is left then: statements that a
# test has prepared in SQL, and LISTEN, of which the driver keeps a record.
RESET = (
    "SELECT pg_advisory_unlock_all(); CLOSE ALL; RESET ALL; RESET SESSION AUTHORIZATION;"
    " DISCARD TEMP; DISCARD SEQUENCES; SELECT FROM pg_prepared_statements WHERE from_sql"
    " UNION ALL SELECT FROM pg_listening_channels()"
)


class SharedManager:
    """The session manager of one database, with connections that stay open from test to test.

    Args:
        factory: what makes the manager, given a DSN.
        pair: the run's databases.
    """

    def __init__(self, factory: Callable[[str], Manager], pair: DsnPair) -> None:
        if factory is SessionManager:  # not one of your own: keep the connections
            factory = partial(SessionManager, pooled=True)
        self._factory, self._pair = factory, pair
        self.manager = self._new()
        self._set_up: bool | None = None

    def _new(self) -> Manager:
        manager = self._factory(self._pair.test)
        confine(manager, self._pair)
        self._idle: dict[Any, Connection] = {}
        if (engine := engine_of(manager)) and kept_by_asyncpg(engine):
            event.listen(engine.sync_engine, "checkin", self._comes_back)
            event.listen(engine.sync_engine, "checkout", self._goes_out)
            event.listen(engine.sync_engine, "close", self._goes_out)
        return manager

    def _comes_back(self, adapted: Any, record: object) -> None:
        if adapted is not None:  # else it is broken
            self._idle[adapted] = adapted.driver_connection

    def _goes_out(self, adapted: Any, *_: object) -> None:
        self._idle.pop(adapted, None)

    async def renew(self) -> None:
        """Close the manager, and make another."""
        old, self.manager = self.manager, self._new()
        await old.close()

    async def begin_test(self) -> None:
        """See, once, whether your application sets up its connections as they are made."""
        engine = engine_of(self.manager)
        if self._set_up is None and engine and kept_by_asyncpg(engine):
            if any(map(is_applications, engine.sync_engine.pool.dispatch.connect)):
                self._set_up = True
                return
            async with engine.connect() as connection:
                self._set_up = (await connection.exec_driver_sql(SET_BY_APPLICATION)).scalar()

    async def reset_connections(self) -> int:
        """Take back what a test has left on the connections: settings, locks, temporary tables.

        Connections that your application has set up itself are closed instead, since a reset would
        undo that too. So are those that can't be reset. Return how many are in the pool.
        """
        try:
            engine = engine_of(self.manager)
        except Exception:  # the test has closed your manager, and it is of no use then
            self.manager = self._new()
            return 0
        if engine:
            as_new = kept_by_asyncpg(engine) and not self._set_up
            for driver in list(self._idle.values()):
                try:
                    as_new = as_new and await driver.execute(RESET) == "SELECT 0"
                except BROKEN:  # a test may have had the server end it
                    as_new = False
            if not as_new:
                await engine.dispose()
        return len(self._idle)


def kept_by_asyncpg(engine: AsyncEngine) -> bool:
    """Tell whether an engine keeps connections of asyncpg for the next session."""
    return engine.dialect.driver == "asyncpg" and isinstance(engine.pool, QueuePool)


def is_applications(listener: Callable[..., object]) -> bool:
    """Tell whether what is called for each new connection is neither SQLAlchemy's nor our own."""
    module = getattr(listener, "__module__", "")
    return module != proof.__name__ and not module.startswith("sqlalchemy.")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _clean_db_manager(
    create_test_db: str,
    migrate_db: None,
    dsn_pair: DsnPair,
    session_manager_factory: Callable[[str], Manager],
) -> AsyncIterator[SharedManager]:
    """Yield the session manager, and with it the engine, that all tests share."""
    shared = SharedManager(session_manager_factory, dsn_pair)
    yield shared
    await shared.manager.close()
