"""Scratch databases: a notebook beside another one, and twice at once, has databases of its own."""

import asyncio
import os
import subprocess
import sys

import pytest

from project.testing import scratch
from project.testing.database.lifecycle import admin_connection, create_database, run_async
from project.testing.database.names import database_of, make_test_dsn
from project.testing.template import templates_of
from tests.notebooks import ROOT, all_notebooks
from tests.runs import suite
from tests.servers import database, databases, query, quote

NOTEBOOK = """\
import sys
from pathlib import Path

import nbformat
from tests.notebooks import execute
from tests.runs import suite

path = Path(sys.argv[1])
execute(nbformat.read(path, as_version=4), path.parent)
"""

# A kernel that is killed with a test database and a template beside its scratch database.
KILLED = suite("scratch/killed.py")


def start(code: str, dsn: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | {"POSTGRES_DSN": dsn},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def path_of(number: str) -> str:
    [path] = [path for path in all_notebooks() if path.name.startswith(number)]
    return str(path)


@pytest.fixture
def mine(original_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An original that POSTGRES_DSN names, as in a notebook."""
    monkeypatch.setenv("POSTGRES_DSN", original_dsn)
    return original_dsn


@pytest.mark.slow
@pytest.mark.thorough
def test_one_notebook_twice_at_once(original_dsn: str) -> None:
    there = databases(original_dsn)
    runs = [start(NOTEBOOK, original_dsn, path_of("04")) for _ in range(2)]
    for run in runs:
        said, _ = run.communicate(timeout=300)
        assert run.returncode == 0, said[-3000:]
    assert databases(original_dsn) == there


def test_each_gets_the_first_free_number(mine: str) -> None:
    there = databases(mine)

    async def numbers() -> list[str]:
        made = [await scratch.create_scratch_database("part") for _ in range(2)]
        await scratch.drop_scratch_database(made[0])
        made.append(await scratch.create_scratch_database("part"))
        for dsn in made[1:]:
            await scratch.drop_scratch_database(dsn)
        return made

    assert run_async(numbers()) == [
        make_test_dsn(mine, f"part_{number}", scratch.LONGEST) for number in (1, 2, 1)
    ]
    assert databases(mine) == there


def test_what_a_killed_kernel_has_left_goes(mine: str) -> None:
    there = databases(mine)
    killed = start(KILLED, mine)
    said, _ = killed.communicate(timeout=60)
    assert killed.returncode == 0, said
    assert len(databases(mine) - there) == 4

    async def again() -> set[str]:
        dsn = await scratch.create_scratch_database("killed")
        beside = await asyncio.to_thread(databases, mine) - there
        await scratch.drop_scratch_database(dsn)
        return beside

    assert run_async(again()) == {database_of(make_test_dsn(mine, "killed_1", scratch.LONGEST))}
    assert databases(mine) == there


def test_one_of_yours_stays(mine: str) -> None:
    name = database_of(make_test_dsn(mine, "part_1", scratch.LONGEST))
    with database(mine, name) as yours:
        query(yours, "CREATE TABLE love (letter text)")

        async def another() -> str:
            dsn = await scratch.create_scratch_database("part")
            await scratch.drop_scratch_database(dsn)
            return dsn

        assert run_async(another()) == make_test_dsn(mine, "part_2", scratch.LONGEST)
        assert query(yours, "SELECT * FROM love") == []


@pytest.mark.thorough
@pytest.mark.slow
def test_one_that_somebody_looks_into_stays(mine: str) -> None:
    killed = start(KILLED, mine)
    killed.communicate(timeout=60)

    async def beside_a_window() -> str:
        async with admin_connection(make_test_dsn(mine, "killed_1", scratch.LONGEST)):
            dsn = await scratch.create_scratch_database("killed")
            await scratch.drop_scratch_database(dsn)
            return dsn

    assert run_async(beside_a_window()) == make_test_dsn(mine, "killed_2", scratch.LONGEST)
    query(
        mine,
        f"DROP DATABASE {quote(database_of(make_test_dsn(mine, 'killed_1', scratch.LONGEST)))}",
    )


def test_its_templates_go_with_it(mine: str) -> None:
    async def with_a_template() -> tuple[str, set[str]]:
        dsn = await scratch.create_scratch_database("part")
        async with admin_connection(dsn) as connection:
            await create_database(connection, f"{templates_of(dsn)}0123456789ab_test")
        before = await asyncio.to_thread(databases, mine)
        await scratch.drop_scratch_database(dsn)
        return dsn, before - await asyncio.to_thread(databases, mine)

    dsn, gone = run_async(with_a_template())
    assert gone == {database_of(dsn), f"{templates_of(dsn)}0123456789ab_test"}
