"""The isolation suite's own migrations and tables."""

from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import MetaData

from project.isolation.tables import METADATA


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    """Return the migrations to run."""
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    # ConfigParser takes a % for the start of a reference: `%%` stands for one of them.
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    """Return the tables that they make."""
    return METADATA
