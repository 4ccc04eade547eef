"""Alembic, run from a fixture: which migrations, and against which database."""

from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import MetaData

import project
from project.db.models import Base


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    """Return the migrations to run. Override it to run your own."""
    return Config(Path(project.__path__[0]).parent / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    """Return the tables that the migrations make. Override it to name your own."""
    return Base.metadata


def point_at(config: Config, dsn: str) -> Config:
    """Have `config` name the database of `dsn`, and return it.

    Your own env.py may read `sqlalchemy.url`, so it must name the test database and no other.
    ConfigParser takes a % for the start of a reference: `%%` stands for one of them.
    """
    config.set_main_option("sqlalchemy.url", dsn.replace("%", "%%"))
    return config
