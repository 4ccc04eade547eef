"""The fixtures use asyncpg and this project psycopg: DSNs are re-spelled on their way."""

import os
from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, make_url

from project.testing.migrations import point_at
from psycopg_ledger.ledger import Base

pytest_plugins = ["project.testing.restore"]


def spell(dsn: str, driver: str) -> str:
    return make_url(dsn).set(drivername=f"postgresql+{driver}").render_as_string(False)


@pytest.fixture(scope="session")
def original_postgres_dsn() -> str:
    return spell(os.environ["DATABASE_URL"], "asyncpg")


@pytest.fixture(scope="session")
def upgrade_schema(alembic_config: Config) -> Callable[[str], None]:
    return lambda dsn: command.upgrade(point_at(alembic_config, spell(dsn, "psycopg")), "head")


@pytest.fixture(scope="session")
def downgrade_schema(alembic_config: Config) -> Callable[[str], None]:
    return lambda dsn: command.downgrade(point_at(alembic_config, spell(dsn, "psycopg")), "base")


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    return Base.metadata


@pytest.fixture
def database_url(test_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", spell(test_dsn, "psycopg"))
    return os.environ["DATABASE_URL"]
