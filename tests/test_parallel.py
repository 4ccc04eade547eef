"""Deletion, rollback and template on several workers, each with databases of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates
from tests.servers import databases

STRATEGIES = ("deletion", "rollback", "template")
WORKERS = 4
CONFTEST = """
import logging

handler = logging.FileHandler("migrations.log", mode="a")
logging.getLogger("alembic.runtime.migration").addHandler(handler)
logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)
"""
SUITE = """
import os
import pytest
from sqlalchemy import func, select, text
from project.db.models import Product

@pytest.mark.parametrize("n", range(24))
@pytest.mark.asyncio
async def test_is_alone(db, n):
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 0
        session.add(Product(name=f"left by {n}"))
        await session.commit()
        name = await session.scalar(text("SELECT current_database()"))
        assert os.environ["POSTGRES_DSN"].rpartition("/")[2].startswith(name)
    with open(os.environ["PYTEST_XDIST_WORKER"] + ".txt", "a") as file:
        file.write(name + "\\n")
"""


@pytest.fixture
def dsn(original_dsn: str) -> Iterator[str]:
    yield original_dsn
    run_async(drop_templates(original_dsn))


def run(folder: Path, strategy: str, dsn: str, source: str = SUITE, workers: int = WORKERS) -> str:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (folder / "migrations.log").unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"-n{workers}"]
    return subprocess.run(
        [*command, "-p", f"project.testing.{strategy}"],
        cwd=folder,
        env=os.environ | {"POSTGRES_DSN": dsn},
        capture_output=True,
        text=True,
    ).stdout


def upgrades(folder: Path) -> int:
    return (folder / "migrations.log").read_text().count("Running upgrade")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_worker_has_databases_of_its_own(strategy: str, dsn: str, tmp_path: Path) -> None:
    before = databases(dsn)
    output = run(tmp_path, strategy, dsn)
    assert "24 passed" in output, output
    used = [set(file.read_text().split()) for file in tmp_path.glob("gw*.txt")]
    assert len(used) > 1, "the tests didn't spread over workers"
    assert sum(map(len, used)) == len(set().union(*used)), "two workers shared a database"
    run_async(drop_templates(dsn))
    assert databases(dsn) == before


def test_workers_share_one_template_and_so_does_the_next_session(dsn: str, tmp_path: Path) -> None:
    run(tmp_path, "template", dsn)
    assert upgrades(tmp_path) == 2  # there are two revisions
    run(tmp_path, "template", dsn)
    assert upgrades(tmp_path) == 0


MEET = """
import asyncio
import pytest
from pathlib import Path

@pytest.mark.parametrize(("me", "other"), [("a", "b"), ("b", "a")])
@pytest.mark.asyncio
async def test_meets_the_other(db, me, other):
    Path(me).touch()
    for _ in range(400):
        if Path(other).exists():
            return
        await asyncio.sleep(0.05)
    pytest.fail("the other worker's test hasn't begun")
"""


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_workers_run_at_the_same_time(strategy: str, dsn: str, tmp_path: Path) -> None:
    """Two tests that wait for each other pass on two workers, and on one they can't."""
    assert "2 passed" in run(tmp_path, strategy, dsn, MEET, workers=2)
