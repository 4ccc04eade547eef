"""A conftest.py for py-pglite."""

import sys
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from py_pglite.config import PGliteConfig
from py_pglite.manager import PGliteManager
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from project.db.session_manager import DBSessionManager

# Its last resort ends every PGlite on the machine, whoever has started it. Not here.
PGliteManager._kill_all_pglite_processes = lambda self: None


def pytest_configure(config: pytest.Config) -> None:
    """Run as with --asyncio-mode=auto."""
    config.option.asyncio_mode = "auto"


@pytest.fixture(scope="session")
def pglite_config(tmp_path_factory: pytest.TempPathFactory) -> PGliteConfig:
    """Return its configuration. What npm installs stays beside the Python packages."""
    socket = tmp_path_factory.mktemp("pglite") / ".s.PGSQL.5432"
    folder = Path(sys.prefix, "pglite")
    # It keeps this file too, with the last session's socket in it, and would wait for the new one.
    (folder / "pglite_manager.js").unlink(missing_ok=True)
    return PGliteConfig(work_dir=folder, socket_path=str(socket))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated(pglite_async_engine: AsyncEngine, alembic_config: Config) -> None:
    """Migrate once, on its one connection."""

    def upgrade(connection: Connection) -> None:
        alembic_config.attributes["connection"] = connection
        command.upgrade(alembic_config, "head")

    async with pglite_async_engine.connect() as connection:
        await connection.run_sync(upgrade)


class OnOneConnection(DBSessionManager):
    """A session manager on py-pglite's engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._asessionmaker = async_sessionmaker(engine, expire_on_commit=False)


@pytest.fixture
def db(
    migrated: None,
    pglite_config: PGliteConfig,
    pglite_async_engine: AsyncEngine,
    pglite_async_session: AsyncSession,
    monkeypatch: pytest.MonkeyPatch,
) -> DBSessionManager:
    """Return a session manager on tables that `pglite_async_session` has emptied."""
    dsn = f"{pglite_config.get_connection_string()}&connect_timeout=5"
    monkeypatch.setenv("POSTGRES_DSN", dsn)
    return OnOneConnection(pglite_async_engine)
