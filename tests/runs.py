"""Runs of pytest in processes of their own, judged by their exit status."""

import os
import subprocess
from pathlib import Path

import pytest

from project.timing.recorder import Recorder
from tests import forked

Process = forked.Run | subprocess.Popen[str]

PYTEST_INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"

SUITES = Path(__file__).parent / "suites"


def suite(name: str) -> str:
    """The source of a module that a test writes into somebody's project: `suites/NAME`."""
    return (SUITES / name).read_text()


# For test files and a conftest.py that have a schema of their own.
IMPORTS = """
import asyncio
import os
import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

pytestmark = pytest.mark.asyncio

async def query(db, sql):
    async with db.asessionmaker() as session:
        result = await session.execute(text(sql))
        rows = [tuple(row) for row in result] if result.returns_rows else None
        await session.commit()
        return rows

async def connect():
    return await asyncpg.connect(os.environ["POSTGRES_DSN"].replace("+asyncpg", ""))

"""
SCHEMA = """
import asyncio
import os
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

@pytest.fixture(scope="session")
def target_metadata():
    return MetaData()

@pytest.fixture(scope="session")
def template_files():
    return [Path(__file__)]

@pytest.fixture(scope="session")
def alembic_config():
    (Path(__file__).parent / "scripts/versions").mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "scripts"))
    return config

@pytest.fixture(scope="session")
def upgrade_schema():
    async def make(dsn):
        engine = create_async_engine(dsn, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in MADE:
                await connection.exec_driver_sql(statement)
        await engine.dispose()
    return lambda dsn: asyncio.run(make(dsn))
"""


def schema(*statements: str) -> str:
    """Return a conftest.py that makes a schema of these statements, and knows no model of it."""
    return f"MADE = {statements!r}\n{SCHEMA}"


def plugins(strategy: str) -> list[str]:
    """The options that run a test file under a strategy, with this project's defaults."""
    return ["-p", "project.defaults", "-p", f"project.testing.{strategy}"]


def start(
    folder: Path, strategy: str, dsn: str, source: str, *arguments: str, **environment: str
) -> Process:
    """Start pytest on a test file in a folder outside the repo, under a strategy.

    Tracebacks are Python's: for its own, pytest parses each module that one goes through.
    """
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text(PYTEST_INI)
    environment = os.environ | {"POSTGRES_DSN": dsn} | environment
    options = ["--tb=native", *plugins(strategy), *arguments]
    return forked.start(folder, options, environment)


def run(
    folder: Path,
    strategy: str,
    dsn: str,
    source: str,
    *arguments: str,
    status: int = pytest.ExitCode.OK,
    **environment: str,
) -> str:
    """Run a test file to its end, and see that it ends with a status; return what it said."""
    process = start(folder, strategy, dsn, source, *arguments, **environment)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == status, said
    return said


def record(folder: Path, source: str, *options: str) -> Recorder:
    """Run a test file without a database, in this process; return what was recorded."""
    file = folder / f"{folder.name}.py"  # named for the test: importlib keeps modules by name
    file.write_text(source)
    recorder = Recorder()
    here = ["--rootdir", str(folder), "--import-mode=importlib", "--noconftest"]
    plain = ["-p", "no:cacheprovider", "-p", "no:asyncio"]
    pytest.main([*here, *plain, *options, str(file)], [recorder])
    return recorder
