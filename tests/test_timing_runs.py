"""project.timing on real servers: workloads, comparisons and the command."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from project.postgres import PostgresError
from project.timing import __main__ as command
from project.timing.compare import check, compare, plugin, run
from project.timing.results import Comparison, Session
from project.timing.server import set_up, temporary_server
from project.timing.workload import InvalidWorkloadError, Workload
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


@pytest.mark.parametrize(("revisions", "tables"), [(1, 2), (3, 9), (12, 5)])
def test_migrations_make_the_tables_and_leave_nothing(
    original_dsn: str, tmp_path: Path, revisions: int, tables: int
) -> None:
    workload = Workload(10, revisions, tables)
    folder = tmp_path / "workload"
    workload.write(folder)
    assert len(list((folder / "migrations" / "versions").glob("*.py"))) == revisions
    assert len(workload.metadata().tables) == tables
    check(workload, folder, original_dsn)


def test_wrong_migrations_are_noticed(original_dsn: str, tmp_path: Path) -> None:
    workload = Workload(10, 3, 4)
    folder = tmp_path / "workload"
    workload.write(folder)
    last = folder / "migrations" / "versions" / "0003.py"
    right = last.read_text()
    last.write_text(right.replace("op.execute", "print"))  # an enum type stays
    with pytest.raises(InvalidWorkloadError, match=r"4 tables: .*leave .*kind_0004"):
        check(workload, folder, original_dsn)
    last.write_text(right.replace("'note'", "'text'"))
    with pytest.raises(InvalidWorkloadError, match=r"don't make the tables.*note"):
        check(workload, folder, original_dsn)


@pytest.mark.parametrize(
    "sizes", [{"tests": 0}, {"revisions": 0}, {"tables": 1}, {"rows": -1}, {"tables": 10_000}]
)
def test_a_workload_has_sizes_that_can_be_made(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(sizes))} must be from"):
        Workload(**sizes)


def test_a_comparison_takes_turns_and_counts(original_dsn: str) -> None:
    workload = Workload(tests=3, rows=2)
    strategies = ["function_level", "session_level"]
    before = databases(original_dsn)
    found = compare(strategies, [workload], rounds=2, dsn=original_dsn)

    assert [s.error for s in found.sessions] == ["", "", "", ""]
    assert [s.strategy for s in found.sessions] == [*strategies, *reversed(strategies)]
    assert all(s.outcomes == {"passed": 3} for s in found.sessions)
    times = {
        s.strategy: {c.what: (c.per, c.times) for c in s.costs if c.phase == "set-up"}
        for s in found.sessions
    }
    assert times["function_level"]["migrate_db"] == ("test", 3)
    assert times["session_level"]["migrate_db"] == ("session", 1)
    for strategy in strategies:
        assert times[strategy]["(connection)"] == ("test", 3)
        assert times[strategy]["more_rows"] == ("test", 3)
    assert [(found.environment["fsync"],)] == query(original_dsn, "SHOW fsync")
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
    leaky, broken = (found.error(s, found.workloads[0]) for s in found.strategies)
    assert leaky.startswith("1 of 4 tests passed: E ")
    assert broken.startswith("0 of 4 tests passed: ")
    assert "nothing_of_this_name" in broken


def test_the_test_that_rollback_cannot_pass_can_be_left_out(original_dsn: str) -> None:
    workloads = [Workload(tests=4), Workload(tests=4, kinds=1)]
    both, one = compare(["rollback"], workloads, rounds=1, dsn=original_dsn).sessions
    assert both.outcomes == {"passed": 2, "failed": 2}
    assert one.outcomes == {"passed": 4}


@pytest.mark.parametrize("name", ["nothing", "no.module.there", "project.testing.nothing", ".", ""])
def test_an_unknown_strategy_is_named(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="there is no strategy"):
        plugin(name)


def test_settings_change_on_a_server_that_goes() -> None:
    with temporary_server() as dsn:
        set_up(dsn, {"fsync": "off", "synchronous_commit": "off"})
        assert query(dsn, "SHOW fsync") == [("off",)]
        set_up(dsn, {})
        assert query(dsn, "SHOW fsync") == [("on",)]
        folder = Path(query(dsn, "SHOW data_directory")[0][0])
        assert folder.exists()
    assert not folder.exists()


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
    kept = Comparison.load(tmp_path / "a.json")
    assert kept.workloads == [Workload(tests=2)]
    assert kept.command == f"python -m project.timing {arguments}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--kinds 3", "kinds must be from 1 to 2"),
        ("--tests 0", "tests must be from 1"),
        ("--tests many", "invalid int value: 'many'"),
        ("--strategy nothing", "there is no strategy 'nothing'"),
        ("--tests 1 2 --tables 2 3 4", "give each size one value, or 3"),
        ("--rounds 0", "--rounds must be at least 1"),
        ("--json nowhere/a.json", "nowhere/a.json can't be written"),
        ("--json a.txt", "a.txt must end in .json"),
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
    (line,) = capsys.readouterr().err.splitlines()
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


def test_an_interrupt_leaves_the_complete_rounds(
    original_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_one_round(*arguments: Any) -> Session:
        if arguments[5] == 1:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr("project.timing.compare.run", run_one_round)
    found = compare(["session_level"], [Workload(1), Workload(2)], rounds=3, dsn=original_dsn)
    assert [(s.round, s.workload.tests) for s in found.sessions] == [(0, 1), (0, 2)]


def test_an_interrupted_comparison_leaves_no_database(original_dsn: str) -> None:
    before = databases(original_dsn)
    process = subprocess.Popen(
        [sys.executable, "-m", "project.timing", "--tests", "1000"],
        env=os.environ | {"POSTGRES_DSN": original_dsn},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # The check's database has come and gone when the progress bar names the first round.
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
