"""A conftest.py for pytest-sqla."""

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from project.db.session_manager import DBSessionManager
from project.testing.migrations import point_at
from project.testing.session_level import create_test_db

__all__ = ["create_test_db"]


@pytest.fixture(scope="session")
def sqla_url(create_test_db: str) -> str:
    """Return the DSN of the database for the tests."""
    return create_test_db


@pytest.fixture(scope="session")
def sqla_schema(sqla_url: str, alembic_config: Config) -> Iterator[None]:
    """Migrate it up, and down at the end."""
    point_at(alembic_config, sqla_url)
    command.upgrade(alembic_config, "head")
    yield
    command.downgrade(alembic_config, "base")


@pytest.fixture(scope="session")
def sqla_session_options() -> dict[str, bool]:
    """Return the options of the application's sessions."""
    return {"expire_on_commit": False}


class InTransaction(DBSessionManager):
    """A session manager whose sessions are pytest-sqla's."""

    def __init__(self, asessionmaker: async_sessionmaker[AsyncSession]) -> None:
        self._asessionmaker = asessionmaker


@pytest.fixture
def db(
    sqla_schema: None, sqla_async_sessionmaker: async_sessionmaker[AsyncSession]
) -> DBSessionManager:
    """Return a session manager on the test's transaction."""
    return InTransaction(sqla_async_sessionmaker)
