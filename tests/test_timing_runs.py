"""project.timing on real servers: workloads, comparisons and the command."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command as alembic_command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from project.postgres import PostgresError
from project.postgres.description import file_system
from project.postgres.temporary import set_up, temporary_server
from project.runs import module_of
from project.testing.migrations import point_at
from project.timing import __main__ as command
from project.timing.compare import compare, load, run
from project.timing.workload import Workload
from tests.servers import databases, query

# Session level without its TRUNCATE.
LEAKY = """
from project.db.session_manager import DBSessionManager
from project.testing.session_level import *
from project.testing import session_level

pytest_plugins = session_level.SHARED_FIXTURES

@pytest_asyncio.fixture(loop_scope="function")
async def db(create_test_db, migrate_db):
    manager = DBSessionManager(create_test_db)
    yield manager
    await manager.close()
"""

# What a workload's migrations have made, but for Alembic's own table.
WHAT_IS_THERE = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic_version%'
    UNION SELECT typname FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typname NOT LIKE '%alembic_version'
"""


def migrated_and_back(dsn: str, folder: Path) -> tuple[list[Any], list[str]]:
    """Migrate up and down; return how the tables differed above, and what is left below."""
    metadata: MetaData = pickle.loads((folder / "metadata.pickle").read_bytes())

    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async def look() -> tuple[list[Any], list[str]]:
        engine = create_async_engine(dsn)
        async with engine.connect() as connection:
            there = list(await connection.scalars(text(WHAT_IS_THERE)))
            differ = await connection.run_sync(differences)
        await engine.dispose()
        return differ, there

    config = Config(folder / "alembic.ini")
    point_at(config, dsn)
    alembic_command.upgrade(config, "head")
    differ, _ = asyncio.run(look())
    alembic_command.downgrade(config, "base")
    _, left = asyncio.run(look())
    return differ, left


@pytest.mark.parametrize(("revisions", "tables"), [(1, 2), (3, 9), (12, 5)])
def test_migrations_make_the_tables_and_leave_nothing(
    original_dsn: str, tmp_path: Path, revisions: int, tables: int
) -> None:
    Workload(10, revisions, tables).write(tmp_path)
    assert len(list((tmp_path / "migrations" / "versions").glob("*.py"))) == revisions
    assert len(pickle.loads((tmp_path / "metadata.pickle").read_bytes()).tables) == tables
    assert migrated_and_back(original_dsn, tmp_path) == ([], [])


@pytest.mark.parametrize(
    "sizes", [{"tests": 0}, {"revisions": 0}, {"tables": 1}, {"tables": 10_000}]
)
def test_a_workload_has_sizes_that_can_be_made(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(sizes))} must be from"):
        Workload(**sizes)


def test_a_comparison_takes_turns_and_counts(original_dsn: str) -> None:
    strategies = ["function_level", "session_level"]
    before = databases(original_dsn)
    found = compare(strategies, [Workload(tests=3)], rounds=2, dsn=original_dsn)

    assert not found.error.any()
    assert list(found[found.what == "(run)"].strategy) == [*strategies, *reversed(strategies)]
    assert set(found.passed) == {3}
    made = found[found.phase == "set-up"].groupby(["strategy", "what"])[["per", "times"]].first()
    assert made.loc[("function_level", "migrate_db")].to_list() == ["test", 3]
    assert made.loc[("session_level", "migrate_db")].to_list() == ["session", 1]
    for strategy in strategies:
        assert made.loc[(strategy, "(connection)")].to_list() == ["test", 3]
    assert [(found.attrs["environment"]["fsync"],)] == query(original_dsn, "SHOW fsync")
    assert databases(original_dsn) == before


def test_a_strategy_whose_tests_fail_has_failed(
    original_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "leaky.py").write_text(LEAKY)
    (tmp_path / "mine" / "broken.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = compare(["mine.leaky", "mine.broken"], [Workload(tests=4)], rounds=1, dsn=original_dsn)
    leaky, broken = found.groupby("strategy", sort=False).error.first()
    assert leaky.startswith("1 of 4 tests passed: E ")
    assert broken.startswith("0 of 4 tests passed: ")
    assert "nothing_of_this_name" in broken


def test_the_test_that_rollback_cannot_pass_can_be_left_out(original_dsn: str) -> None:
    both, one = (
        compare(["rollback"], [Workload(tests=3)], rounds=1, dsn=original_dsn, **only)
        for only in ({}, {"only": ["test_get_record"]})
    )
    assert (set(both.passed), both.error.all()) == ({2}, True)
    assert (set(one.passed), one.error.any()) == ({3}, False)


@pytest.mark.parametrize("name", ["nothing", "no.module.there", "project.testing.nothing", ".", ""])
def test_an_unknown_strategy_is_named(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="there is no strategy"):
        module_of(name)


def test_settings_change_on_a_server_that_goes() -> None:
    with temporary_server() as dsn:
        set_up(dsn, {"fsync": "off", "synchronous_commit": "off"})
        assert query(dsn, "SHOW fsync") == [("off",)]
        set_up(dsn, {})
        assert query(dsn, "SHOW fsync") == [("on",)]
        folder = Path(query(dsn, "SHOW data_directory")[0][0])
        assert folder.exists()
    assert not folder.exists()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no file system that is known")
def test_a_file_system_is_named() -> None:
    assert file_system(Path("/dev/shm/anything")) == "tmpfs"
    assert file_system(Path("relative")) == "unknown"


def test_the_command_reports_saves_and_draws(
    original_dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", original_dsn)
    monkeypatch.chdir(tmp_path)
    arguments = "--strategy session_level --tests 2 --rounds 1 --json a.json --plot a.png"
    assert command.main(arguments.split()) == 0
    assert "session_level" in capsys.readouterr().out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    kept = load(tmp_path / "a.json")
    assert set(kept.tests) == {2}
    assert kept.attrs["command"] == f"python -m project.timing {arguments}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--only nothing", "invalid choice: 'nothing'"),
        ("--tests 0", "tests must be from 1"),
        ("--tests many", "invalid int value: 'many'"),
        ("--strategy nothing", "there is no strategy 'nothing'"),
        ("--tests 1 2 --tables 2 3 4", "give each size one value, or 3"),
        ("--rounds 0", "--rounds must be at least 1"),
        ("--json nowhere/a.json", "No such file or directory: 'nowhere/a.json'"),
        ("--plot a.gif", "a.gif must end in .png or .svg or .pdf"),
        ("--speed 5", "unrecognized arguments: --speed 5"),
    ],
)
def test_wrong_arguments_get_one_line(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        command.main(arguments.split())
    assert exit_.value.code == command.WRONG_ARGUMENTS
    usage, line = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ")
    assert said in line


def test_an_unreachable_server_gets_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", "postgresql+asyncpg://me:s3cret@localhost:1/nothing")
    assert command.main(["--tests", "2"]) == command.FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert "database 'nothing'" in line
    assert "s3cret" not in line
    with pytest.raises(PostgresError):
        compare(["session_level"], [Workload(2)])


@pytest.mark.thorough
def test_an_interrupt_leaves_the_complete_rounds(
    original_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = iter(range(3))

    def run_three(*arguments: Any) -> list[dict[str, Any]]:
        if next(sessions, None) is None:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr("project.timing.compare.run", run_three)
    found = compare(["session_level"], [Workload(1), Workload(2)], rounds=3, dsn=original_dsn)
    runs = found[found.what == "(run)"]
    assert (list(runs["round"]), list(runs.tests)) == ([0, 0], [1, 2])


@pytest.mark.thorough
def test_an_interrupted_comparison_leaves_no_database(original_dsn: str) -> None:
    before = databases(original_dsn)
    process = subprocess.Popen(
        [sys.executable, "-m", "project.timing", "--tests", "1000"],
        env=os.environ | {"POSTGRES_DSN": original_dsn},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # The first test's database has come and gone when the progress bar names the first round.
    assert process.stderr is not None
    bar = ""
    while "round 1" not in bar:
        assert process.poll() is None
        bar += process.stderr.read(1)
    while databases(original_dsn) == before:
        assert process.poll() is None
    (name,) = databases(original_dsn) - before
    while not query(original_dsn, f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}'"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == command.INTERRUPTED
    assert said.splitlines()[-1].endswith("Interrupted: nothing is kept.")
    assert databases(original_dsn) == before
