"""A conftest.py for pgmem."""

from collections.abc import AsyncIterator

import pgmem
import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

from benchmarks.shared import session_manager
from project.db.session_manager import DBSessionManager
from project.testing.migrations import point_at


def asyncpg_dsn(dsn: str) -> str:
    """Return a DSN of pgmem's, whose driver is asyncpg."""
    url = make_url(dsn.replace("postgres://", "postgresql+asyncpg://"))
    return url.set(query={"ssl": "disable"}).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def pgmem_snapshot(pgmem_server: pgmem.Server, alembic_config: Config) -> pgmem.Snapshot:
    """Migrate once, and keep what is there then."""
    command.upgrade(point_at(alembic_config, asyncpg_dsn(pgmem_server.dsn)), "head")
    return pgmem_server.snapshot()


@pytest_asyncio.fixture(loop_scope="function")
async def db(pgmem_dsn: str) -> AsyncIterator[DBSessionManager]:
    """Yield a session manager on the test's fork."""
    async with session_manager(asyncpg_dsn(pgmem_dsn)) as manager:
        yield manager
