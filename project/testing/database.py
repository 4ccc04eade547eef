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
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NoReturn

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from project import postgres
from project.postgres.connection import first_line, run_async

LONGEST_NAME = 63  # bytes; PostgreSQL cuts a longer identifier off without an error
LOCK_SECONDS = 5

# The mark is the database's connection limit, far too high to limit anything. CREATE DATABASE
# stores it in one step with the database: no crash can come between the two. An interrupted DROP
# overwrites the limit, and leaves the comment.
MARK = 1_413_829_460  # the letters TEST, as a number
COMMENT = "Temporary test database: made by a test run, dropped at its end."

# lock_not_available, query_canceled, object_in_use:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOCK_NOT_AVAILABLE = "55P03"
WAITED_TOO_LONG = (LOCK_NOT_AVAILABLE, "57014", "55006")

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
        await drop_leftovers(connection, database_of(original_dsn), name)
        await create_database(connection, name)
        yield
        if not keep():
            with naming_who_is_in_the_way(dsn):
                await drop_database(connection, name, force=force)


async def hold(connection: AsyncConnection, name: str) -> None:
    """Hold a test database's name for as long as the connection lives, also after a crash.

    The lock is an advisory one: a number that PostgreSQL keeps for us, and nothing of yours.
    """
    await connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
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


async def drop_leftovers(connection: AsyncConnection, original: str, name: str) -> None:
    """Drop what crashed runs on the same original have left, their workers' databases included."""
    found = await connection.exec_driver_sql(
        "SELECT datname FROM pg_database WHERE datname = $1 OR datname ~ $2",
        (name, f"^{re.escape(original)}(_gw[0-9]+)?_test$"),
    )
    for leftover in found.scalars().all():
        if not await is_ours(connection, leftover):
            continue
        lock = (lock_number(leftover),)
        if (await connection.exec_driver_sql("SELECT pg_try_advisory_lock($1)", lock)).scalar():
            await drop_database(connection, leftover, force=True)
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
        if "already exists" in first_line(error):
            stop(
                f"There is a database {name!r} that no test run has made. It stays as it is:"
                " rename it, or name another database in POSTGRES_DSN."
            )
        stop(
            f"The test database {name!r} can't be created: {first_line(error)}. If the role may"
            " not create databases, let an administrator run: ALTER ROLE"
            f" {quote(connection, connection.engine.url.username or '')} CREATEDB"
        )
    await connection.exec_driver_sql(f"COMMENT ON DATABASE {quoted} IS '{COMMENT}'")
    await connection.exec_driver_sql(
        f"ALTER DATABASE {quoted} SET lock_timeout = '{LOCK_SECONDS}s'"
    )


async def drop_database(connection: AsyncConnection, name: str, *, force: bool = False) -> None:
    """Drop a database that bears our mark, and no other."""
    if await is_ours(connection, name):
        how = " WITH (FORCE)" if force else ""
        await connection.exec_driver_sql(f"DROP DATABASE {quote(connection, name)}{how}")


@contextmanager
def naming_who_is_in_the_way(dsn: str) -> Iterator[None]:
    """Fail and name the sessions on a test database, where cleaning it has to wait for them."""
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) not in WAITED_TOO_LONG:
            raise
        others = "\n".join(sessions_on(dsn))
        pytest.fail(
            f"The test database can't be cleaned: {first_line(error)}. In the way:\n{others}",
            pytrace=False,
        )


def sessions_on(dsn: str) -> list[str]:
    """Describe the sessions that are open on a test database, a line each."""
    found: list[str] = []

    async def look() -> None:
        async with admin_connection(os.environ["POSTGRES_DSN_ORIGINAL"]) as connection:
            rows = await connection.exec_driver_sql(
                "SELECT pid, usename, coalesce(state, 'unknown'), left(query, 100)"
                " FROM pg_stat_activity WHERE datname = $1",
                (database_of(dsn),),
            )
            found.extend("  pid {}, user {}, {}, last statement: {}".format(*row) for row in rows)

    run_async(look())
    return found


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
    if config.getoption("keep_test_db"):
        config.option.maxfail = 1


@pytest.fixture(scope="session")
def keep_test_db(request: pytest.FixtureRequest) -> Callable[[], bool]:
    """Return a function that tells whether the test database stays as it is."""

    def keep() -> bool:
        kept = bool(request.config.getoption("keep_test_db")) and request.session.testsfailed > 0
        if kept:
            url = make_url(os.environ["POSTGRES_DSN"]).set(drivername="postgresql")
            how = url._replace(password=None).render_as_string()
            request.config.stash[KEPT] = [how]
            if hasattr(request.config, "workeroutput"):
                request.config.workeroutput["kept"] = how
        return kept

    return keep


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
    for dsn in config.stash.get(KEPT, []):
        terminalreporter.write_line(f"The test database is kept. Open it with: psql '{dsn}'")
