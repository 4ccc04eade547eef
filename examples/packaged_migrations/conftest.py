"""How the fixtures find this project's migrations and tables."""

import pytest
from alembic.config import Config
from sqlalchemy import MetaData

from packaged_migrations.database import migrations
from packaged_migrations.models import Base

pytest_plugins = ["project.testing.restore"]


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    return migrations()


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    return Base.metadata
