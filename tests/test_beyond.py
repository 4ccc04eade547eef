"""What deletion, rollback and template promise beyond the isolation suite."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from project.isolation import SUITE
from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates
from tests.servers import databases, query
from tests.test_strategies import CANONICAL, run
from tests.test_strategies import SUITE as SIX_TESTS

OWN_MIGRATIONS = """
import pytest
from alembic.config import Config
from project.isolation.tables import METADATA

@pytest.fixture(scope="session")
def alembic_config():
    config = Config()
    config.set_main_option("script_location", "migrations")
    return config

@pytest.fixture(scope="session")
def target_metadata():
    return METADATA
"""


@pytest.fixture
def dsn(original_dsn: str) -> Iterator[str]:
    yield original_dsn
    run_async(drop_templates(original_dsn))


def own_migrations(folder: Path) -> Path:
    """Give a folder migrations of its own, the isolation suite's; return the revision's file."""
    (folder / "conftest.py").write_text(OWN_MIGRATIONS)
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    for file in ("env.py", "versions/0001.py"):
        (folder / "migrations" / file).write_text((SUITE.parent / "migrations" / file).read_text())
    return versions / "0001.py"


def test_a_killed_sessions_clones_are_dropped_by_the_next(dsn: str, tmp_path: Path) -> None:
    before = databases(dsn)
    killed = f"{SIX_TESTS}\n\ndef test_is_killed(db):\n    import os\n    os.kill(os.getpid(), 9)\n"
    assert run(tmp_path, "template", dsn, killed).returncode == -9
    left = databases(dsn) - before
    assert len(left) == 2, "its template and its clone"
    result = run(tmp_path, "template", dsn, SIX_TESTS)
    assert "6 passed" in result.stdout, result.stdout
    [template] = databases(dsn) - before
    assert template in left, "the template was made anew"


def test_changed_migrations_make_a_new_template_and_drop_the_old(dsn: str, tmp_path: Path) -> None:
    before = databases(dsn)
    revision = own_migrations(tmp_path)
    source = "def test_it(db):\n    pass\n"
    templates = []
    for change in ("", "", "\n# changed\n"):
        revision.write_text(revision.read_text() + change)
        result = run(tmp_path, "template", dsn, source)
        assert "1 passed" in result.stdout, result.stdout
        templates.append(databases(dsn) - before)
    first, again, changed = templates
    assert first == again
    assert len(changed) == 1
    assert changed != first


def test_sequences_are_reset_on_request(dsn: str, tmp_path: Path) -> None:
    own_migrations(tmp_path)
    source = """
import pytest
from sqlalchemy import text

INSERT = text("INSERT INTO counted DEFAULT VALUES RETURNING id")

async def draw(db):
    async with db.asessionmaker() as session:
        number = await session.scalar(INSERT)
        await session.commit()
        return number

@pytest.mark.asyncio
async def test_1(db):
    assert await draw(db) == 1

@pytest.mark.asyncio
async def test_2(db):
    assert await draw(db) == 2

@pytest.mark.asyncio
async def test_3(db, reset_sequences):
    assert await draw(db) == 1
"""
    assert "3 passed" in run(tmp_path, "deletion", dsn, source).stdout


def test_nobody_waits_for_a_lock_for_long_in_a_clone_either(dsn: str, tmp_path: Path) -> None:
    source = """
import pytest
from sqlalchemy import text

@pytest.mark.asyncio
async def test_limit(db):
    async with db.asessionmaker() as session:
        assert await session.scalar(text("SHOW lock_timeout")) == "5s"
"""
    assert "1 passed" in run(tmp_path, "template", dsn, source).stdout


def test_strategies_with_and_without_one_loop_run_in_one_process(dsn: str, tmp_path: Path) -> None:
    """As in a notebook: the scope that one_loop changes is put back."""
    (tmp_path / "test_it.py").write_text(CANONICAL)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope=function\n")
    source = """
import sys, pytest
for strategy in ("session_level", "deletion", "session_level"):
    status = pytest.main(["-p", f"project.testing.{strategy}", "test_it.py"])
    if status:
        sys.exit(status)
"""
    result = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env=os.environ | {"POSTGRES_DSN": dsn},
        capture_output=True,
        text=True,
    )
    assert result.stdout.count("2 passed") == 3, result.stdout


@pytest.mark.parametrize("strategy", ["deletion", "rollback", "template"])
def test_a_kept_database_holds_what_the_failed_test_wrote(
    strategy: str, dsn: str, tmp_path: Path
) -> None:
    failing = "@pytest.mark.asyncio\nasync def test_fails(db, product_fixture):\n    assert 0\n"
    before = databases(dsn)
    result = run(tmp_path, strategy, dsn, f"{SIX_TESTS}\n\n{failing}", "--keep-test-db")
    assert "1 failed" in result.stdout, result.stdout
    kept = re.search(r"dbname=(\w+)", result.stdout)
    assert kept is not None, result.stdout
    kept_dsn = make_url(dsn).set(database=kept[1])
    assert query(kept_dsn, "SELECT name FROM product") == [("Test product",)]
    assert "6 passed" in run(tmp_path, strategy, dsn, SIX_TESTS).stdout
    run_async(drop_templates(dsn))
    assert databases(dsn) == before
