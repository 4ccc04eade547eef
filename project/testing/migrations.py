"""Alembic, run from a fixture: which migrations, and against which database.

It is imported where a test needs it: tests that need no database don't wait for that.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import MetaData

from .database.errors import (
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    UNDEFINED,
    first_line,
    sqlstate,
    stop,
)
from .database.lifecycle import add_extensions, run_async
from .database.names import DsnPair, database_of

if TYPE_CHECKING:
    from alembic.config import Config


@pytest.fixture(scope="session")
def alembic_config(pytestconfig: pytest.Config) -> Config:
    """Return the migrations to run: those of alembic.ini in pytest's root folder, or your own."""
    from alembic.config import Config

    file = pytestconfig.rootpath / "alembic.ini"
    if not file.exists():
        stop(f"There is no {file}: override the fixture `alembic_config` in your conftest.py.")
    return Config(file)


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    """Return the tables to empty: a MetaData or a list of them. Override it to name your own."""
    stop("Which tables are yours? Override the fixture `target_metadata` in your conftest.py.")


@pytest.fixture(scope="session")
def upgrade_schema(alembic_config: Config, dsn_pair: DsnPair) -> Callable[[str], None]:
    """Return what makes a database's schema, given its DSN. By default Alembic does, to head.

    Migrations that fail since something isn't defined are run once more with the original's
    extensions, which an administrator may have created there by hand.
    """

    def upgrade(dsn: str) -> None:
        try:
            migrate(dsn)
        finally:  # a test may use the config, and a database for a comparison is dropped
            point_at(alembic_config, dsn_pair.test)

    def migrate(dsn: str) -> None:
        from alembic import command

        try:
            command.upgrade(point_at(alembic_config, dsn), "head")
        except Exception as error:
            if sqlstate(error) not in UNDEFINED:
                raise
            became = run_async(add_extensions(dsn_pair.original, dsn))
            if not became:
                raise
            if refused := "; ".join(f"{name}: {why}" for name, why in became.items() if why):
                raise pytest.fail.Exception(
                    f"The migrations failed: {first_line(error)}. The"
                    f" extensions of {database_of(dsn_pair.original)!r} can't be created in"
                    f" {dsn_pair.name!r}: {refused}. Have an administrator do it in template1.",
                    pytrace=False,
                ) from error
            command.upgrade(point_at(alembic_config, dsn), "head")

    return upgrade


@pytest.fixture(scope="session")
def downgrade_schema(alembic_config: Config) -> Callable[[str], None]:
    """Return what undoes a database's schema, given its DSN. By default Alembic does, to base."""

    def downgrade(dsn: str) -> None:
        from alembic import command

        try:
            command.downgrade(point_at(alembic_config, dsn), "base")
        except Exception as error:
            revision = revision_in(error)
            if revision is None or sqlstate(error) in (LOCK_NOT_AVAILABLE, QUERY_CANCELED):
                raise
            why = first_line(error) or type(error).__name__
            raise pytest.fail.Exception(
                f"The downgrade of revision {revision} failed: {why}. Function level and session"
                " level undo the migrations. The other strategies do without that.",
                pytrace=False,
            ) from error

    return downgrade


@pytest.fixture(scope="session")
def template_files() -> Iterable[Path]:
    """Return further files that the schema depends on, such as SQL outside the migrations' folder.

    Under template and restore a change in one of them makes a new template.
    """
    return ()


def point_at(config: Config, dsn: str) -> Config:
    """Have `config` name the database of `dsn`, and return it.

    Your own env.py may read `sqlalchemy.url`, so it must name the test database and no other.
    ConfigParser takes a % for the start of a reference: `%%` stands for one of them.
    """
    config.set_main_option("sqlalchemy.url", dsn.replace("%", "%%"))
    return config


def revision_in(error: BaseException) -> str | None:
    """Return the revision whose downgrade has raised an error: its module is in the traceback."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "downgrade" and "down_revision" in frame.f_globals:
            return str(frame.f_globals.get("revision"))
    return None
