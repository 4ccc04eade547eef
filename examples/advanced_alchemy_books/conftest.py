"""How the fixtures find this project's sessions, migrations and tables."""

from collections.abc import Callable

import pytest
from advanced_alchemy.alembic.commands import AlembicCommands
from alembic.config import Config
from sqlalchemy import MetaData
from sqlalchemy.pool import NullPool

from advanced_alchemy_books.database import configuration
from advanced_alchemy_books.models import Book

pytest_plugins = ["project.testing.restore"]


class Sessions:
    """What `db` yields: the application's own sessions."""

    def __init__(self, dsn: str) -> None:
        self.configuration = configuration(dsn, NullPool)
        self.asessionmaker = self.configuration.create_session_maker()

    async def close(self) -> None:
        await self.configuration.get_engine().dispose()


@pytest.fixture(scope="session")
def session_manager_factory() -> type[Sessions]:
    return Sessions


@pytest.fixture(scope="session")
def upgrade_schema() -> Callable[[str], None]:
    return lambda dsn: AlembicCommands(configuration(dsn)).upgrade("head")


@pytest.fixture(scope="session")
def downgrade_schema() -> Callable[[str], None]:
    return lambda dsn: AlembicCommands(configuration(dsn)).downgrade("base")


@pytest.fixture(scope="session")
def alembic_config(original_postgres_dsn: str) -> Config:
    return AlembicCommands(configuration(original_postgres_dsn)).config


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    return Book.metadata
