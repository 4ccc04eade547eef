"""How the fixtures find this project's migrations and tables."""

from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import MetaData

from fastapi_shop.models import Base

pytest_plugins = ["project.testing.restore"]


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    return Config(Path(__file__).parent / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    return Base.metadata
