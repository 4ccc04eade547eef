"""How the fixtures find this project's server and tables."""

import pytest
from sqlalchemy import MetaData

from project import postgres
from vector_search.models import Base

pytest_plugins = ["project.testing.restore"]


@pytest.fixture(scope="session")
def original_postgres_dsn() -> str:
    return postgres.dsn()


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    return Base.metadata
