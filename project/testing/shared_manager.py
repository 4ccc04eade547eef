"""A session manager that all tests share, and what a test may leave on its connections."""

from collections.abc import Callable
from functools import partial
from typing import Any

from asyncpg import Connection, InterfaceError, PostgresError
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from .database.names import DsnPair
from .database.proof import confine
from .session_manager import Manager, SessionManager

SET_BY_APPLICATION = (
    "SELECT count(*) > 0 OR current_user <> session_user FROM pg_settings"
    " WHERE source = 'session' AND setting IS DISTINCT FROM reset_val"
)
# After what asyncpg's own pool does: locks, cursors, LISTEN and settings. The last part counts the
# statements that a test has prepared in SQL; the driver's own stay.
RESET = (
    "RESET SESSION AUTHORIZATION; DISCARD TEMP; SELECT FROM pg_prepared_statements WHERE from_sql"
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
        if engine := pooled_engine(manager):
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
        await self.manager.close()
        self.manager = self._new()

    async def begin_test(self) -> None:
        """See, once, whether your application has settings of its own for each connection."""
        if self._set_up is None and (engine := pooled_engine(self.manager)):
            async with engine.connect() as connection:
                self._set_up = (await connection.exec_driver_sql(SET_BY_APPLICATION)).scalar()

    async def reset_connections(self) -> int:
        """Take back what a test has left on the connections: settings, locks, temporary tables.

        Connections that your application has set up itself are closed instead, since a reset would
        undo that too. Return how many are in the pool.
        """
        engine = pooled_engine(self.manager)
        if engine and self._set_up:
            await engine.dispose()
        for driver in list(self._idle.values()):
            try:
                as_new = await driver.execute(driver.get_reset_query() + RESET) == "SELECT 0"
            except (PostgresError, InterfaceError, OSError):
                as_new = False
            if engine and not as_new:
                await engine.dispose()
                break
        return len(self._idle)


def pooled_engine(manager: Manager) -> AsyncEngine | None:
    """Return a manager's engine if its connections are asyncpg's and outlive their sessions."""
    engine = manager.asessionmaker().bind
    if not isinstance(engine, AsyncEngine) or engine.dialect.driver != "asyncpg":
        return None
    return engine if isinstance(engine.pool, QueuePool) else None
