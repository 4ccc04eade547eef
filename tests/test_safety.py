"""The guards around the test database, each at work. `make faults` is the long form."""

import asyncio
import os
import random
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from project.postgres.embedded import EmbeddedServer
from project.testing import STRATEGIES
from project.testing.database.errors import INSUFFICIENT_PRIVILEGE, sqlstate
from project.testing.database.lifecycle import (
    COMMENT,
    MARK,
    admin_connection,
    comment_on,
    create_database,
    drop_database,
    drop_leftovers,
    drop_now,
    is_ours,
    temporary_database,
)
from project.testing.database.names import database_of, make_test_dsn, psql_command
from tests import faults
from tests.faults import REFUSAL, Figures, Original, original
from tests.runs import suite
from tests.servers import PASSWORD, Server, database, databases, query, quote, running_server

WAITS = suite("safety/waits.py")

FAILS = suite("safety/fails.py")

LEAKS = suite("safety/leaks.py")


@pytest.fixture
def mine(password_server: Server) -> object:
    """A role that may only create databases, its database with rows in it, and a suite."""
    with original(password_server.url, "mine", "participant") as mine:
        yield mine


def wait_for(happened: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def left(mine: Original) -> set[str]:
    """The databases on the server beside those that belong there."""
    there = {name for name in databases(mine.dsn) if not name.startswith("template_")}
    return there - {"postgres", "template0", "template1", "mine"}


def clean(mine: Original) -> None:
    """Do what each run begins with."""

    async def drop() -> None:
        async with admin_connection(mine.dsn) as connection:
            await drop_leftovers(connection, faults.pair_of(mine.dsn))

    asyncio.run(drop())


# --- never drop what we did not create ---


@pytest.mark.parametrize("part", ["", "gw7"])
def test_without_the_mark_it_stays_and_with_it_goes(part: str, original_dsn: str) -> None:
    dsn = make_test_dsn(original_dsn, part)
    name = database_of(dsn)

    async def clean() -> None:
        async with admin_connection(original_dsn) as connection:
            await drop_leftovers(connection, faults.pair_of(original_dsn))

    with database(original_dsn, name):
        asyncio.run(clean())
        assert name in databases(original_dsn)
        query(original_dsn, f"COMMENT ON DATABASE {quote(name)} IS '{COMMENT}'")
        asyncio.run(clean())
        assert name not in databases(original_dsn)
        # As a loss of power between CREATE DATABASE and COMMENT leaves it:
        query(original_dsn, f"CREATE DATABASE {quote(name)} CONNECTION LIMIT {MARK}")
        asyncio.run(clean())
        assert name not in databases(original_dsn)


def test_a_leftover_of_another_role_is_named(mine: Original, password_dsn: str) -> None:
    name = quote(database_of(make_test_dsn(mine.dsn)))
    query(password_dsn, f"CREATE DATABASE {name} CONNECTION LIMIT {MARK}")
    try:
        code, said = mine.run("session_level")
        assert code == pytest.ExitCode.USAGE_ERROR
        assert "The leftover database 'mine_test' can't be dropped: must be owner" in said
    finally:
        query(password_dsn, f"DROP DATABASE {name}")


@pytest.mark.parametrize("name", ["shop_gw0", "o" * 63, "ü" * 31])
def test_a_workers_leftover_is_found_whatever_the_originals_name(
    name: str, password_server: Server
) -> None:
    with database(password_server.url.render_as_string(hide_password=False), name) as dsn:
        before = databases(dsn)
        leftover = database_of(make_test_dsn(dsn, "gw5"))

        async def leave_and_clean() -> None:
            async with admin_connection(dsn) as connection:
                await create_database(connection, leftover)
                assert await is_ours(connection, leftover)
                await drop_leftovers(connection, faults.pair_of(dsn))

        asyncio.run(leave_and_clean())
        assert databases(dsn) == before


def test_an_interrupted_drop_leaves_the_mark(password_dsn: str) -> None:
    """A drop that waits after its point of no return is ended there.

    Before that, a crash had come between CREATE DATABASE and the comment.
    """
    with database(password_dsn, "original of a drop") as dsn:
        before = databases(dsn)
        name = database_of(make_test_dsn(dsn))

        async def interrupt_and_clean() -> None:
            async with admin_connection(dsn) as connection, admin_connection(dsn) as blocker:
                await create_database(connection, name)
                await connection.exec_driver_sql(f"COMMENT ON DATABASE {quote(name)} IS NULL")
                # Asked once before, these two keep out of the way of the lock below.
                assert await is_ours(connection, name)
                assert await comment_on(connection, name) is None
                await blocker.exec_driver_sql("BEGIN")
                await blocker.exec_driver_sql("LOCK TABLE pg_tablespace IN ACCESS EXCLUSIVE MODE")
                await connection.exec_driver_sql("SET lock_timeout = '1s'")
                with pytest.raises(Exception, match="lock timeout"):
                    await drop_database(connection, name)
                await blocker.exec_driver_sql("ROLLBACK")
                limit = "SELECT datconnlimit FROM pg_database WHERE datname = $1"
                found = await connection.exec_driver_sql(limit, (name,))
                assert found.scalar() == -2  # an invalid database, to which nobody can connect
                await drop_leftovers(connection, faults.pair_of(dsn))

        asyncio.run(interrupt_and_clean())
        assert databases(dsn) == before


# --- never two on one ---


@pytest.mark.thorough
def test_a_second_run_is_refused(mine: Original) -> None:
    """The first one runs here, with two workers' databases and one without."""

    async def first() -> list[tuple[int | None, str]]:
        async with AsyncExitStack() as held:
            for part in ("", "gw0", "gw1"):
                pair = faults.pair_of(mine.dsn, part)
                await held.enter_async_context(temporary_database(pair, lambda: False))
            second = [mine.start("function_level"), mine.start("session_level", "-n2")]
            said = [await asyncio.to_thread(process.communicate) for process in second]
            assert len(await asyncio.to_thread(left, mine)) == 3
        return [(process.returncode, text) for process, (text, _) in zip(second, said, strict=True)]

    (code, alone), (workers_code, workers) = asyncio.run(first())
    assert code == pytest.ExitCode.USAGE_ERROR
    assert f"{REFUSAL} 'mine_test'" in alone
    assert workers_code != 0
    assert f"{REFUSAL} 'mine_gw0_test'" in workers
    assert "INTERNALERROR" not in workers
    assert not left(mine)


@pytest.mark.thorough
def test_workers_on_a_bad_dsn_say_why(mine: Original) -> None:
    mine.url = mine.url.set(port=1)
    code, said = mine.run("session_level", "-n2")
    assert code != 0
    assert "port 1, as user 'participant', which can't be used" in said
    assert "INTERNALERROR" not in said


# --- crash-safe ---


@pytest.mark.thorough
def test_runs_killed_at_random_moments(password_server: Server) -> None:
    figures, chance = Figures(), random.Random(os.urandom(8))
    phases = (chance.choice(faults.PHASES),)
    faults.faults(password_server, figures, faults.KILL, phases, 1, chance, ("participant",))
    assert not figures.wrong, "\n".join(figures.wrong)


def test_an_interrupted_run_leaves_nothing(mine: Original) -> None:
    (mine.folder / "test_it.py").write_text(WAITS)
    process = mine.start("function_level")
    wait_for((mine.folder / "begun").exists)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=60)[0]
    assert not left(mine)


def test_a_killed_kernel(mine: Original) -> None:
    """A notebook runs pytest in its kernel, and the kernel is killed in the middle of a test."""
    (mine.folder / "test_it.py").write_text(WAITS)
    manager = KernelManager(transport="ipc", ip=str(mine.folder / "kernel"))
    manager.start_kernel(cwd=str(mine.folder), env=os.environ | {"POSTGRES_DSN": mine.dsn})
    try:
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        client.execute(
            "import ipytest\n"
            "ipytest.autoconfig(run_in_thread=True)\n"
            "ipytest.run('test_it.py', '-p', 'project.defaults',"
            " '-p', 'project.testing.session_level')"
        )
        wait_for((mine.folder / "begun").exists)
        client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)
    assert left(mine) == {"mine_test"}
    clean(mine)
    assert not left(mine)


# --- names ---


def test_generated_dsns(password_server: Server) -> None:
    faults.check_dsns(password_server, derived=100, connected=6)


@pytest.mark.thorough
def test_a_wrong_derivation_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The obvious one breaks on a DSN with a query string."""
    monkeypatch.setattr(faults, "make_test_dsn", "{}_test".format)
    with pytest.raises(AssertionError) as found:
        faults.dsns(max_examples=100)(faults.check_derived)()
    [case] = [note for note in found.value.__notes__ if note.startswith("Fail")]
    assert "'query': {'host': '0'," in case, "shrunk to the shortest names"


def test_an_original_that_is_named_like_a_workers() -> None:
    shop, worker = "postgresql+asyncpg://u@h/shop", "postgresql+asyncpg://u@h/shop_gw0"
    names = {make_test_dsn(shop), make_test_dsn(shop, "gw0"), make_test_dsn(worker)}
    assert len(names | {make_test_dsn(worker, "gw0")}) == 4


# --- --keep-test-db ---


def in_psql(command: str, statement: str) -> str:
    """Run a psql command as the terminal shows it, with the embedded server's psql."""
    server = EmbeddedServer()
    server.folder.mkdir(parents=True, exist_ok=True)  # not there yet where POSTGRES_DSN is set
    tools = server._tools()
    shell = f"{command} --no-psqlrc --tuples-only --no-align -c {shlex.quote(statement)}"
    path = {"PATH": f"{tools}:{os.environ['PATH']}", "PGPASSWORD": "participant"}
    return subprocess.run(
        shell, shell=True, env=os.environ | path, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("strategy", "workers"),
    [
        ("function_level", []),
        pytest.param("session_level", ["-n2"], marks=pytest.mark.thorough),
    ],
)
def test_a_kept_database_is_as_the_failed_test_left_it(
    strategy: str, workers: list[str], mine: Original
) -> None:
    (mine.folder / "test_it.py").write_text(FAILS)
    code, said = mine.run(strategy, "--keep-test-db", *workers)
    assert code != 0
    kept = re.findall(r"The test database stays until the next run: (psql .*)", said)
    assert 1 <= len(kept) <= 2  # two workers may fail before one of them stops the other
    assert len(kept) == len(left(mine))
    for command in kept:
        assert "password" not in command
        assert "participant@" not in command
        names = in_psql(command, "SELECT name FROM product ORDER BY name DESC")
        assert names == "it's the second\nTest product\n"
    clean(mine)
    assert not left(mine)


def test_a_run_that_passes_keeps_nothing(mine: Original) -> None:
    code, said = mine.run("session_level", "--keep-test-db")
    assert code == 0
    assert "psql" not in said
    assert not left(mine)


def test_psql_opens_awkward_names_and_shows_no_password(password_server: Server) -> None:
    name = 'it\'s a \\ "name" = $1 %40'
    url = password_server.url.set(password=None)
    with database(password_server.url.render_as_string(hide_password=False), name):
        secret = {"password": "n0t-to-be-seen", "ssl": "prefer"}
        shown = psql_command(
            url.set(database=name, query=secret).render_as_string(hide_password=False)
        )
        assert "n0t-to-be-seen" not in shown
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.environ", os.environ | {"PGPASSFILE": "/dev/null"})
            shell = shown.replace("psql ", f"PGPASSWORD={shlex.quote(PASSWORD)} psql ", 1)
            assert in_psql(shell, "SELECT current_database()") == name + "\n"


# --- bounded waits ---


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_open_transaction_is_named_and_ended(strategy: str, mine: Original) -> None:
    """It is in nobody's way under rollback, which cleans nothing, and where a clone is dropped."""
    (mine.folder / "test_it.py").write_text(LEAKS)
    code, said = mine.run(strategy, "-W", "ignore")
    cleans = strategy not in ("rollback", "template", "restore")
    assert code == (pytest.ExitCode.TESTS_FAILED if cleans else 0), said
    report = said.partition("short test summary info")[0]  # in CI, the summary repeats messages
    named = re.findall("idle in transaction, last statement: BEGIN; UPDATE product", report)
    assert len(named) == cleans
    at_the_end = strategy == "function_level"  # which ends no connection by force
    assert len(re.findall("is being accessed by other users", report)) == at_the_end
    if cleans:  # the next test may find what the first has left; all others find what they should
        assert f"1 failed, 4 passed, {1 + at_the_end} error" in said
    assert "DBAPIError" not in said
    assert not left(mine)


@pytest.mark.thorough
@pytest.mark.parametrize("strategy", ["template", "restore"])
def test_a_session_that_the_role_may_not_end_is_named(
    strategy: str, mine: Original, password_server: Server
) -> None:
    (mine.folder / "test_it.py").write_text(f"""{LEAKS}

@pytest.mark.asyncio
async def test_is_another_role(db):
    others = os.environ["SUPERUSER"].replace("+asyncpg", "")
    leaked.append(await asyncpg.connect(others))
    await leaked[-1].execute("BEGIN; UPDATE product SET\\n name = 'leaked'")
""")
    url = password_server.url.set(database=database_of(make_test_dsn(mine.dsn)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUPERUSER", url.render_as_string(hide_password=False))
        code, said = mine.run(strategy, "-W", "ignore", "-k", "another_role")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "user postgres, unknown, last statement: <insufficient privilege>" in said
    assert "DBAPIError" not in said
    clean(mine)
    assert not left(mine)


# --- a drop by force ---


@pytest.mark.thorough
def test_a_plain_role_drops_while_autovacuum_is_at_work(open_folder: Path) -> None:
    """FORCE alone is refused, for the worker is another's; the role's own sessions still go."""
    at_work = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'autovacuum worker' AND datname = 'busy'"
    )

    async def drop_with_a_session_open(dsn: str) -> None:
        async with admin_connection(dsn) as mine, AsyncExitStack() as stack:
            in_busy = make_url(dsn).set(database="busy").render_as_string(False)
            other = await stack.enter_async_context(admin_connection(in_busy))
            await other.exec_driver_sql("SELECT 1")
            with pytest.raises(DBAPIError) as refused:
                await mine.exec_driver_sql("DROP DATABASE busy WITH (FORCE)")
            assert sqlstate(refused.value) == INSUFFICIENT_PRIVILEGE
            await drop_now(mine, "busy", force=True)
            with pytest.raises(DBAPIError):
                await other.exec_driver_sql("SELECT 1")
            await other.invalidate()

    with running_server(open_folder) as server:
        query(
            server.url,
            "ALTER SYSTEM SET autovacuum_naptime = '1s'",
            "ALTER SYSTEM SET autovacuum_vacuum_cost_limit = 1",
            "ALTER SYSTEM SET autovacuum_vacuum_cost_delay = '100ms'",
            "SELECT pg_reload_conf()",
        )
        with original(server.url, "mine", "participant") as mine:
            query(mine.dsn, "CREATE DATABASE busy")
            query(
                mine.url.set(database="busy"),
                "CREATE TABLE thing AS SELECT n, 0 AS times FROM generate_series(1, 200000) AS n",
                "UPDATE thing SET times = 1",
            )
            end = time.monotonic() + 60
            while not query(server.url, at_work)[0][0]:
                assert time.monotonic() < end
                time.sleep(0.1)
            asyncio.run(drop_with_a_session_open(mine.dsn))
            assert "busy" not in databases(server.url)


# --- many at once ---


def test_runs_at_once(password_server: Server) -> None:
    figures = Figures()
    faults.at_once(password_server, figures, many=2, same=2)
    assert not figures.wrong, "\n".join(figures.wrong)
