# Loses: Alembic is told
import asyncio
from pathlib import Path

import pytest

from notes import models
from notes.database import make_tables

pytest_plugins = ["project.testing.restore"]


@pytest.fixture(scope="session")
def upgrade_schema(alembic_config):
    def upgrade(dsn):
        asyncio.run(make_tables(dsn))

    return upgrade


@pytest.fixture(scope="session")
def template_files():
    return sorted(Path(models.__file__).parent.glob("*.py"))


@pytest.fixture(scope="session")
def target_metadata():
    return models.Base.metadata
