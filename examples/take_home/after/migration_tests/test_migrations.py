"""Tests of the migrations, for function level."""

import asyncio
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from project.testing.database.lifecycle import admin_connection
from project.testing.migrations import point_at
from project.testing.schema import Schema, read_schema


def schema(dsn: str) -> Schema:
    return asyncio.run(read_schema(dsn))


@pytest.fixture
def empty_db(create_test_db: str) -> Iterator[str]:
    yield create_test_db

    async def empty() -> None:
        async with admin_connection(create_test_db) as connection:
            await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            await connection.exec_driver_sql("CREATE SCHEMA public")

    asyncio.run(empty())


def test_one_head(alembic_config: Config) -> None:
    assert len(ScriptDirectory.from_config(alembic_config).get_heads()) == 1


def test_stairs(empty_db: str, alembic_config: Config) -> None:
    config = point_at(alembic_config, empty_db)
    for step in reversed(list(ScriptDirectory.from_config(config).walk_revisions())):
        before = schema(empty_db)
        command.upgrade(config, step.revision)
        command.downgrade(config, str(step.down_revision or "base"))
        assert schema(empty_db) == before, step.revision
        command.upgrade(config, step.revision)


def test_models_and_migrations(schema_differences: list[str]) -> None:
    assert schema_differences == []
