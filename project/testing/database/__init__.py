"""The temporary test database: its name, its creation, its end.

It can stand on a server that also holds what you love. So:

- a database is dropped only if it bears the mark of those that are made here;
- a run holds its database, and a second run on the same one is refused;
- what a crashed run has left is dropped by the next;
- the original is connected to only in order to create and drop beside it.
"""

import hashlib
import os
import re
import shlex
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NoReturn

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from project import postgres
from project.postgres.connection import first_line, run_async

LONGEST_NAME = 63  # bytes; PostgreSQL cuts a longer identifier off without an error
LOCK_SECONDS = 5  # for a lock in the test database
HOLD_SECONDS = 10  # for the test database: a killed run's last statement may still be at work
MOST_WORKERS = 64  # of pytest-xdist, whose leftovers are looked for

# The mark is the database's connection limit, far too high to limit anything. CREATE DATABASE
# stores it in one step with the database: no crash can come between the two. An interrupted DROP
# overwrites the limit. The comment stays, and is the mark then.
MARK = 1_413_829_460  # the letters TEST, as a number
COMMENT = "Temporary test database: made by a test run, dropped at its end."

# PostgreSQL's codes for errors, whose texts depend on the server's language:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
DUPLICATE_DATABASE = "42P04"
INSUFFICIENT_PRIVILEGE = "42501"
LOCK_NOT_AVAILABLE = "55P03"
OBJECT_IN_USE = "55006"
QUERY_CANCELED = "57014"

KEPT = pytest.StashKey[list[str]]()


def make_test_dsn(dsn: str, part: str = "") -> str:
    """Return the DSN of the test database that belongs to `dsn`: the same server, another name.

    The name is the original's with `_test` at its end. PostgreSQL would cut a name of over 63
    bytes, perhaps back to the original's: such a name is shortened here, and a hash of the whole
    keeps two of them apart. An original that is named like a worker's database gets a hash too.

    Args:
        dsn: the original database's.
        part: who shares the original and gets a database of its own: `gw0`, a pytest-xdist worker.
    """
    url = make_url(dsn)
    original = database_of(dsn)
    name = f"{original}_{part}_test" if part else f"{original}_test"
    if len(name.encode()) > LONGEST_NAME or re.search(r"_gw\d+$", original):
        end = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}_test"
        start = name.removesuffix("_test").encode()[: LONGEST_NAME - len(end)]
        name = start.decode(errors="ignore") + end
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session", autouse=True)
def os_environ_patch() -> Iterator[None]:
    """For the session, POSTGRES_DSN names the test database and POSTGRES_DSN_ORIGINAL yours."""
    try:
        original = postgres.dsn()
    except postgres.PostgresError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_DSN_ORIGINAL", original)
        patch.setenv("POSTGRES_DSN", make_test_dsn(original, worker))
        yield


@asynccontextmanager
async def admin_connection(dsn: str) -> AsyncIterator[AsyncConnection]:
    """Connect to the original database: one can't drop a database from within.

    CREATE DATABASE and DROP DATABASE can't run inside a transaction, hence AUTOCOMMIT.
    """
    engine = create_async_engine(dsn, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def temporary_database(
    original_dsn: str, dsn: str, keep: Callable[[], bool], *, force: bool = False
) -> AsyncIterator[None]:
    """Make the database of `dsn`, beside the original, and drop it in the end.

    Ends the pytest session with one line if that database is held by another run, if it is not
    one of ours, or if the role may not create databases.

    Args:
        original_dsn: a database on the same server, to connect to meanwhile.
        dsn: the database to make.
        keep: asked in the end; the database stays if it returns True.
        force: end the connections that are open in the end. Without, one of them is an error.
    """
    name = database_of(dsn)
    async with admin_connection(original_dsn) as connection:
        await hold(connection, name)
        await drop_leftovers(connection, original_dsn, name)
        await create_database(connection, name)
        yield
        if not keep():
            try:
                with naming_who_is_in_the_way(dsn):
                    await drop_database(connection, name, force=force)
            finally:
                await drop_database(connection, name, force=True)


async def hold(connection: AsyncConnection, name: str) -> None:
    """Hold a test database's name for as long as the connection lives, also after a crash.

    The lock is an advisory one: a number that PostgreSQL keeps for us, and nothing of yours.
    """
    await connection.exec_driver_sql(f"SET lock_timeout = '{HOLD_SECONDS}s'")
    try:
        await connection.exec_driver_sql("SELECT pg_advisory_lock($1)", (lock_number(name),))
    except DBAPIError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        stop(
            f"Another test run uses the database {name!r}. Wait for its end, or name another"
            " database in POSTGRES_DSN."
        )


def lock_number(name: str) -> int:
    """Return the number of the advisory lock on a test database: 64 bits of its name's hash."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


async def drop_leftovers(connection: AsyncConnection, original_dsn: str, name: str) -> None:
    """Drop what crashed runs on the same original have left, their workers' databases included."""
    workers = (f"gw{number}" for number in range(MOST_WORKERS))
    names = {name} | {database_of(make_test_dsn(original_dsn, part)) for part in ("", *workers)}
    found = await connection.exec_driver_sql(
        "SELECT datname FROM pg_database WHERE datname = ANY($1)", (sorted(names),)
    )
    for leftover in found.scalars().all():
        lock = (lock_number(leftover),)
        if (await connection.exec_driver_sql("SELECT pg_try_advisory_lock($1)", lock)).scalar():
            try:
                await drop_database(connection, leftover, force=True)
            except DBAPIError as error:
                stop(f"The leftover database {leftover!r} can't be dropped: {first_line(error)}")
            await connection.exec_driver_sql("SELECT pg_advisory_unlock($1)", lock)


async def is_ours(connection: AsyncConnection, name: str) -> bool:
    """Tell whether a database bears the mark. False also if there is none of this name."""
    found = await connection.exec_driver_sql(
        "SELECT datconnlimit = $2 OR shobj_description(oid, 'pg_database') = $3"
        " FROM pg_database WHERE datname = $1",
        (name, MARK, COMMENT),
    )
    return bool(found.scalar())


async def create_database(connection: AsyncConnection, name: str) -> None:
    """Create a database with our mark, in which nobody waits for a lock for long."""
    quoted = quote(connection, name)
    try:
        await connection.exec_driver_sql(f"CREATE DATABASE {quoted} CONNECTION LIMIT {MARK}")
    except DBAPIError as error:
        if sqlstate(error) == DUPLICATE_DATABASE:
            stop(
                f"There is a database {name!r} that no test run has made. It stays as it is:"
                " rename it, or name another database in POSTGRES_DSN."
            )
        message = f"The test database {name!r} can't be created: {first_line(error)}"
        if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
            role = quote(connection, (await connection.exec_driver_sql("SELECT user")).scalar_one())
            message += f". Let an administrator run: ALTER ROLE {role} CREATEDB"
        stop(message)
    await connection.exec_driver_sql(f"COMMENT ON DATABASE {quoted} IS '{COMMENT}'")
    await connection.exec_driver_sql(
        f"ALTER DATABASE {quoted} SET lock_timeout = '{LOCK_SECONDS}s'"
    )


async def drop_database(connection: AsyncConnection, name: str, *, force: bool = False) -> None:
    """Drop a database that bears our mark, and no other."""
    if await is_ours(connection, name):
        quoted = quote(connection, name)
        how = " WITH (FORCE)" if force else ""
        # Anew, since a crash may have come between CREATE DATABASE and the comment.
        await connection.exec_driver_sql(f"COMMENT ON DATABASE {quoted} IS '{COMMENT}'")
        await connection.exec_driver_sql(f"DROP DATABASE {quoted}{how}")


@contextmanager
def naming_who_is_in_the_way(dsn: str) -> Iterator[None]:
    """Where cleaning a test database waits for other sessions too long, name them and end them.

    Ended, because each of the tests to come would wait for them again.
    """
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) not in (LOCK_NOT_AVAILABLE, OBJECT_IN_USE, QUERY_CANCELED):
            raise
        others = end_sessions(dsn, idle=sqlstate(error) == OBJECT_IN_USE)
        raise pytest.fail.Exception(
            f"The test database can't be cleaned: {first_line(error)}. These sessions may have been"
            " in the way and have been ended, where your role may do that; the next test may find"
            " what this one has left:\n" + "\n".join(others),
            pytrace=False,
        ) from None


def end_sessions(dsn: str, *, idle: bool) -> list[str]:
    """End the sessions on a test database, and describe each in a line.

    Args:
        dsn: the test database's.
        idle: also those outside a transaction, which hold no lock.
    """
    ended: list[str] = []

    async def end() -> None:
        async with admin_connection(os.environ["POSTGRES_DSN_ORIGINAL"]) as connection:
            found = await connection.exec_driver_sql(
                "SELECT pid, usename, coalesce(state, 'unknown'),"
                r" regexp_replace(left(query, 100), '\s+', ' ', 'g') FROM pg_stat_activity"
                " WHERE datname = $1 AND ($2 OR state IS DISTINCT FROM 'idle')",
                (database_of(dsn), idle),
            )
            for session in found.all():
                ended.append("  pid {}, user {}, {}, last statement: {}".format(*session))
                with suppress(DBAPIError):  # another role's session, which this one may not end
                    await connection.exec_driver_sql(
                        "SELECT pg_terminate_backend($1)", (session.pid,)
                    )

    run_async(end())
    return ended


class SecretDsn(str):
    """A DSN that shows no password where pytest prints the arguments of a failed test."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(make_url(str(self)).render_as_string())


def database_of(dsn: str) -> str:
    """Return the name of the database that a DSN names."""
    return make_url(dsn).database or ""


def sqlstate(error: DBAPIError) -> str | None:
    """Return PostgreSQL's code for an error."""
    return getattr(error.orig, "sqlstate", None)


def quote(connection: AsyncConnection, name: str) -> str:
    """Quote an identifier."""
    return connection.dialect.identifier_preparer.quote_identifier(name)


def stop(message: str) -> NoReturn:
    """End the pytest session with one line."""
    pytest.exit(message, returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Have a pytest-xdist worker hand on why the session ends: `pytest.exit` can't end it there."""
    try:
        return (yield)
    except pytest.exit.Exception as error:
        if not hasattr(request.config, "workeroutput"):
            raise
        request.session.shouldfail = str(error)
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--keep-test-db`."""
    parser.getgroup("test database").addoption(
        "--keep-test-db",
        action="store_true",
        help="stop at the first failure, keep the test database as the failed test left it,"
        " and show how to open it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have a run that keeps its database stop at the first failure: the next test would use it."""
    if config.getoption("keep_test_db", False):
        config.option.maxfail = 1


@pytest.fixture(scope="session")
def keep_test_db(request: pytest.FixtureRequest) -> Callable[[], bool]:
    """Return a function that tells whether the test database stays as it is."""

    def keep() -> bool:
        config = request.config
        kept = bool(config.getoption("keep_test_db", False)) and request.session.testsfailed > 0
        if kept:
            command = psql_command(os.environ["POSTGRES_DSN"])
            config.stash[KEPT] = [command]
            if hasattr(config, "workeroutput"):
                config.workeroutput["kept"] = command
        return kept

    return keep


def psql_command(dsn: str) -> str:
    """Return the shell command that opens a database in psql, without the password."""
    url = make_url(dsn)
    parameters = {
        "host": url.host or url.query.get("host"),
        "port": url.port or url.query.get("port"),
        "user": url.username,
        "dbname": url.database,
        "sslmode": url.query.get("ssl") or url.query.get("sslmode"),
    }
    return "psql " + shlex.quote(
        " ".join(
            f"{name}=" + re.sub(r"([\\'\s])", r"\\\1", str(value))
            for name, value in parameters.items()
            if value
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over from a pytest-xdist worker which database it has kept."""
    kept = getattr(node, "workeroutput", {}).get("kept")
    if kept:
        node.config.stash.setdefault(KEPT, []).append(kept)  # type: ignore[attr-defined]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show how to open the database that was kept."""
    for command in config.stash.get(KEPT, []):
        terminalreporter.write_line(f"The test database stays until the next run: {command}")
