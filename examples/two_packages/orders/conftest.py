"""How the fixtures find this package's database, migrations and tables."""

from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import MetaData

from orders.models import Base
from orders.settings import database_url
from project.testing import fixtures

globals().update(fixtures("restore"))


@pytest.fixture(scope="session")
def original_postgres_dsn() -> str:
    return database_url()


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    return Config(Path(__file__).parent / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    return Base.metadata
