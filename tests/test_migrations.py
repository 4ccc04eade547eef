"""What `alembic` does with this project's alembic.ini and env.py."""

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from project.testing.migrations import point_at
from tests.servers import database, query

ROOT = Path(__file__).parents[1]
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


def config() -> Config:
    return Config(ROOT / "alembic.ini")


def tables(dsn: str) -> list[str]:
    return [row[0] for row in query(dsn, TABLES)]


def alembic(folder: str, *arguments: str, dsn: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "POSTGRES_DSN"}
    if dsn:
        environment["POSTGRES_DSN"] = dsn
    ini = os.path.relpath(ROOT / "alembic.ini", ROOT / folder)
    return subprocess.run(
        [sys.executable, "-m", "alembic", "-c", ini, *arguments],
        cwd=ROOT / folder,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.thorough
@pytest.mark.parametrize("folder", [".", "notebooks"])
def test_up_check_and_down_from_the_command_line(folder: str, original_dsn: str) -> None:
    up = alembic(folder, "upgrade", "head", dsn=original_dsn)
    assert "Running upgrade 0001 -> 0002" in up.stderr
    assert tables(original_dsn) == ["alembic_version", "product", "review"]
    check = alembic(folder, "check", dsn=original_dsn)
    assert "No new upgrade operations detected" in check.stdout
    down = alembic(folder, "downgrade", "base", dsn=original_dsn)
    assert (up.returncode, check.returncode, down.returncode) == (0, 0, 0)
    assert tables(original_dsn) == ["alembic_version"]


def test_without_a_database_it_says_so_in_one_line() -> None:
    result = alembic(".", "upgrade", "head", dsn=None)
    assert result.returncode != 0
    assert "no database: set POSTGRES_DSN" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_the_config_comes_before_the_environment(
    original_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", "postgresql+asyncpg://nobody@localhost:1/nowhere")
    command.upgrade(point_at(config(), original_dsn), "head")
    assert "product" in tables(original_dsn)


def test_a_given_connection_comes_before_the_config(original_dsn: str) -> None:
    async def migrate() -> None:
        engine = create_async_engine(original_dsn, poolclass=NullPool)

        def upgrade(connection: Connection) -> None:
            given = point_at(config(), "postgresql+asyncpg://nobody@localhost:1/nowhere")
            given.attributes["connection"] = connection
            command.upgrade(given, "head")  # inside a running loop

        async with engine.begin() as connection:
            await connection.run_sync(upgrade)

    asyncio.run(migrate())
    assert "product" in tables(original_dsn)


def test_loggers_stay_as_they_are(original_dsn: str) -> None:
    logger = logging.getLogger("a_logger_from_before")
    root_handlers = list(logging.getLogger().handlers)
    command.upgrade(point_at(config(), original_dsn), "head")
    assert not logger.disabled
    assert logging.getLogger().handlers == root_handlers


def test_one_revision_at_a_time_down(original_dsn: str) -> None:
    given = point_at(config(), original_dsn)
    command.upgrade(given, "head")
    command.downgrade(given, "-1")
    assert tables(original_dsn) == ["alembic_version", "product"]


def test_constraints_have_names_that_a_migration_can_drop(original_dsn: str) -> None:
    command.upgrade(point_at(config(), original_dsn), "head")

    async def names() -> list[str | None]:
        engine = create_async_engine(original_dsn, poolclass=NullPool)
        async with engine.connect() as connection:
            return await connection.run_sync(
                lambda c: [inspect(c).get_pk_constraint(t)["name"] for t in ("product", "review")]
            )

    assert asyncio.run(names()) == ["pk_product", "pk_review"]


def test_a_wrong_revision_is_an_error(original_dsn: str) -> None:
    with pytest.raises(CommandError, match="nonesuch"):
        command.upgrade(point_at(config(), original_dsn), "nonesuch")


def test_a_percent_sign_in_the_dsn_survives_the_config(original_dsn: str) -> None:
    with database(original_dsn, "100%_p%%rcent") as dsn:
        assert "%" in dsn
        command.upgrade(point_at(config(), dsn), "head")
        assert "product" in tables(dsn)
