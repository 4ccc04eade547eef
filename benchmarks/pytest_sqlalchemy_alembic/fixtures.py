"""A conftest.py for pytest-sqlalchemy-alembic."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from pytest_sqlalchemy_alembic.config import PluginConfig
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from project.db.session_manager import DBSessionManager


def pytest_configure(config: pytest.Config) -> None:
    """Run as with --asyncio-mode=auto."""
    config.option.asyncio_mode = "auto"


@pytest.fixture(scope="session", autouse=True)
def _clean_db_environ() -> None:
    """Leave the environment, and the connections to the original, to the peer."""


@pytest.fixture(scope="session")
def manager() -> DBSessionManager:
    """Return the application's session manager, on the original database."""
    return DBSessionManager(os.environ["POSTGRES_DSN"])


@pytest.fixture(scope="session")
def sqlalchemy_alembic_plugin_configs(
    manager: DBSessionManager,
    alembic_config: Config,
    target_metadata: MetaData,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[PluginConfig]]:
    """Yield what it is to manage. It reads alembic.ini by itself, from where this says."""
    ini = Path(tmp_path_factory.mktemp("alembic"), "alembic.ini")
    ini.write_text(
        f"[alembic]\nscript_location = {ScriptDirectory.from_config(alembic_config).dir}"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALEMBIC_CONFIG", str(ini))
        config = PluginConfig.build(
            session_maker=manager.asessionmaker, metadata=target_metadata, create_db=True
        )
        yield [config]


@pytest.fixture
def db(
    sqlalchemy_alembic_setup_session: tuple[AsyncEngine],
    manager: DBSessionManager,
    monkeypatch: pytest.MonkeyPatch,
) -> DBSessionManager:
    """Return the application's session manager, which is bound to the test database now."""
    (engine,) = sqlalchemy_alembic_setup_session
    monkeypatch.setenv("POSTGRES_DSN", engine.url.render_as_string(hide_password=False))
    return manager
