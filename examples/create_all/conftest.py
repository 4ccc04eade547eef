"""How the fixtures make this project's schema: by its models, not by its migrations."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData

from create_all import models
from create_all.database import make_tables
from project.testing.migrations import point_at

pytest_plugins = ["project.testing.restore"]


@pytest.fixture(scope="session")
def upgrade_schema(alembic_config: Config) -> Callable[[str], None]:
    def upgrade(dsn: str) -> None:
        asyncio.run(make_tables(dsn))
        command.stamp(point_at(alembic_config, dsn), "head")

    return upgrade


@pytest.fixture(scope="session")
def template_files() -> list[Path]:
    return [Path(models.__file__)]


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    return models.Base.metadata
