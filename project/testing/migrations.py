"""Alembic, run from a fixture: which migrations, and against which database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, event

import project
from project.db.models import Base
from project.testing.database import database_of, stop


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    """Return the migrations to run. Override it to run your own."""
    return Config(Path(project.__path__[0]).parent / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    """Return the tables to empty, views left out. Override it to name your own."""
    return Base.metadata


def point_at(config: Config, dsn: str) -> Config:
    """Have `config` name the database of `dsn`, and return it.

    Your own env.py may read `sqlalchemy.url`, so it must name the test database and no other.
    ConfigParser takes a % for the start of a reference: `%%` stands for one of them.
    """
    config.set_main_option("sqlalchemy.url", dsn.replace("%", "%%"))
    return config


@contextmanager
def only_on(dsn: str) -> Iterator[None]:
    """End the session before Alembic does anything in another database than the one of `dsn`.

    An env.py of your own may take its URL from elsewhere, such as your application's settings.
    """

    def look(connection: Connection) -> None:
        found, expected = connection.engine.url.database, database_of(dsn)
        if found != expected:
            stop(
                f"env.py connects to the database {found!r}, not to the test database"
                f" {expected!r}. Nothing has been migrated. Let it take the URL from its config's"
                " `sqlalchemy.url`, or from POSTGRES_DSN."
            )

    event.listen(Engine, "engine_connect", look)
    try:
        yield
    finally:
        event.remove(Engine, "engine_connect", look)
