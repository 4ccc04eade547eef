"""A conftest.py for pytest-postgresql."""

import os
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from pytest_postgresql import factories

from benchmarks.shared import dsn_of, session_manager
from project.db.session_manager import DBSessionManager
from project.testing.migrations import point_at

MIGRATIONS: list[Config] = []


@pytest.fixture(scope="session", autouse=True)
def migrations(alembic_config: Config) -> None:
    """Keep the migrations for `migrate`, which is told the database alone."""
    MIGRATIONS[:] = [alembic_config]


def migrate(*, dbname: str, **_: object) -> None:
    """Migrate the template."""
    command.upgrade(point_at(MIGRATIONS[0], dsn_of(dbname)), "head")


postgresql_noproc = factories.postgresql_noproc(
    host=os.environ.get("PGHOST"), port=os.environ.get("PGPORT"), load=[migrate]
)
postgresql = factories.postgresql("postgresql_noproc")


@pytest_asyncio.fixture(loop_scope="function")
async def db(postgresql: psycopg.Connection) -> AsyncIterator[DBSessionManager]:
    """Yield a session manager on the test's clone."""
    async with session_manager(dsn_of(postgresql.info.dbname)) as manager:
        yield manager
