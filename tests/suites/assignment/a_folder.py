# Loses: a change in a model's file makes a new template
import asyncio
from pathlib import Path

import pytest
from alembic import command

from notes import models
from notes.database import make_tables
from project.testing.migrations import point_at


@pytest.fixture(scope="session")
def upgrade_schema(alembic_config):
    def upgrade(dsn):
        asyncio.run(make_tables(dsn))
        command.stamp(point_at(alembic_config, dsn), "head")

    return upgrade


@pytest.fixture(scope="session")
def template_files():
    return [Path(models.__file__).parent]


@pytest.fixture(scope="session")
def target_metadata():
    return models.Base.metadata
