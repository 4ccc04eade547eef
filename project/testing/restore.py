"""Restore: look after each test whether the database is as it was, mend it, or replace it.

Migrate once for all sessions, as under template, and clone once. After each test one statement
asks the clone what is new. Rows are deleted and sequences set back, in the same round trip. What
can't be mended, such as a changed schema, is replaced by another clone.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from . import SHARED_FIXTURES
from .database.errors import first_line
from .database.lifecycle import ADMIN, drop_own_database
from .database.names import DsnPair
from .database.proof import prove
from .look import Clean, Schema, begin, schema_of
from .objects import Objects, differences, objects_in
from .session_manager import Manager
from .shared_manager import BROKEN, SharedManager, _clean_db_manager
from .tasks import no_task_left
from .template import _clean_db_admin, clone_for_test, migrate_db

__all__ = ["_clean_db_admin", "_clean_db_manager", "migrate_db"]  # as under template and deletion

pytest_plugins = (
    *SHARED_FIXTURES,
    f"{__package__}.clean_dsn",
    f"{__package__}.leaks",
    f"{__package__}.one_loop",
)


class Clone:
    """The test database: a clone of the template, looked at over a connection of its own.

    Args:
        admin: the connection that makes and drops it.
        template: the name of the template.
        pair: the run's databases.
    """

    def __init__(self, admin: AsyncConnection, template: str, pair: DsnPair) -> None:
        self._admin, self._template, self._pair = admin, template, pair
        # It doesn't wait for the disk: a crash loses nothing but a database that is dropped anyway.
        settings = {"application_name": ADMIN, "synchronous_commit": "off"}
        self._engine = create_async_engine(
            pair.test,
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            connect_args={"server_settings": settings},
        )
        self._schema: Schema | None = None
        self._clean: Clean | None = None

    async def make(self) -> None:
        """Make the clone, and connect to it."""
        await clone_for_test(self._admin, self._template, self._pair)
        self._connection = await self._engine.connect()
        await prove(self._connection, self._pair)
        driver = (await self._connection.get_raw_connection()).driver_connection
        assert isinstance(driver, asyncpg.Connection)
        self._driver = driver
        self._schema = self._schema or await schema_of(driver)
        objects = self._clean.objects if self._clean else None
        self._clean = await begin(driver, self._schema, objects)
        self._quiet = 0

    async def look_and_mend(self, pooled: int) -> str | None:
        """Mend what a test has changed; return what can't be mended, or None.

        Args:
            pooled: how many connections are idle in the shared pool.
        """
        assert self._clean
        try:
            reason, self._quiet = await self._driver.fetchrow(
                "SELECT * FROM pg_temp.look_and_mend($1, $2, $3, $4)",
                self._clean.horizon,
                self._clean.objects,
                self._quiet,
                pooled,
            )
        except BROKEN as error:
            return f"can't be mended after: {first_line(error)}"
        return None if reason is None else str(reason)

    async def objects(self) -> Objects:
        """Return what the schema has, to compare. Nothing, where the connection is broken."""
        with suppress(*BROKEN):
            return await objects_in(self._driver)
        return {}

    async def leave(self) -> None:
        """Close the connection to the clone."""
        with suppress(*BROKEN):
            await self._connection.close()

    async def drop(self) -> None:
        """Drop the clone, and end all sessions on it."""
        await self.leave()
        await drop_own_database(self._admin, self._pair, force=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _clean_db_clone(
    _clean_db_admin: AsyncConnection,
    migrate_db: str,
    dsn_pair: DsnPair,
    keep_test_db: Callable[[], bool],
) -> AsyncIterator[Clone]:
    """Make the test database; drop it at the end of the session."""
    clone = Clone(_clean_db_admin, migrate_db, dsn_pair)
    await clone.make()
    yield clone
    await clone.leave()
    if not keep_test_db():
        await clone.drop()


@pytest.fixture(scope="session")
def create_test_db(_clean_db_clone: Clone, dsn_pair: DsnPair) -> str:
    """Return the DSN of the test database."""
    return dsn_pair.test


@pytest_asyncio.fixture(loop_scope="session")
async def db(
    _clean_db_clone: Clone,
    _clean_db_manager: SharedManager,
    keep_test_db: Callable[[], bool],
    _clean_db_note_leak: Callable[[str, list[str]], None] | None,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Manager]:
    """Yield the session manager; after the test, have the database as the migrations left it."""
    await _clean_db_manager.begin_test()
    async with no_task_left():
        yield _clean_db_manager.manager
    if keep_test_db():
        return
    pooled = await _clean_db_manager.reset_connections()
    reason = await _clean_db_clone.look_and_mend(pooled)
    if reason is not None:
        changes = await replace(_clean_db_clone, _clean_db_manager, tell=bool(_clean_db_note_leak))
        if _clean_db_note_leak:
            _clean_db_note_leak(request.node.nodeid, changes or [reason])


async def replace(clone: Clone, manager: SharedManager, *, tell: bool) -> list[str]:
    """Drop the test database, and clone another.

    Args:
        clone: the test database.
        manager: what the tests connect with: to the new one from now on.
        tell: return what was different in the old one; nothing, where that can't be asked.
    """
    before = await clone.objects() if tell else {}
    await manager.renew()
    await clone.drop()
    await clone.make()
    return differences(await clone.objects(), before) if before else []
