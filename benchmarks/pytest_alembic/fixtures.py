"""A conftest.py for pytest-alembic."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from pytest_alembic import MigrationContext
from sqlalchemy import Connection, create_engine, make_url

from benchmarks.shared import session_manager
from project.db.session_manager import DBSessionManager
from project.testing.session_level import create_test_db

__all__ = ["create_test_db"]


def pytest_configure(config: pytest.Config) -> None:
    """Keep it from adding its own tests: with pytest 9.2 that fails (`_nodeid`)."""
    config.option.pytest_alembic_tests_path = "none"


@pytest.fixture(scope="session")
def alembic_engine(create_test_db: str) -> Iterator[Connection]:
    """Yield what the migrations run on: a connection, which this project's env.py wants."""
    engine = create_engine(make_url(create_test_db).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def migrated(alembic_runner: MigrationContext) -> Iterator[None]:
    """Migrate up, and down after the test."""
    alembic_runner.migrate_up_to("heads")
    yield
    alembic_runner.migrate_down_to("base")


@pytest_asyncio.fixture(loop_scope="function")
async def db(create_test_db: str, migrated: None) -> AsyncIterator[DBSessionManager]:
    """Yield a session manager on the test database."""
    async with session_manager(create_test_db) as manager:
        yield manager
