"""The temporary test database: how it is made, held and dropped.

It can stand on a server that also holds what you love. So:

- a database is dropped only if it bears the mark of those that are made here;
- a run holds its database, and a second run on the same one is refused;
- what a crashed run has left is dropped by the next, unless somebody is connected to it;
- the original is connected to only in order to create and drop beside it.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from .errors import (
    DUPLICATE_DATABASE,
    INSUFFICIENT_PRIVILEGE,
    LOCK_NOT_AVAILABLE,
    OBJECT_IN_USE,
    QUERY_CANCELED,
    first_line,
    quote,
    sqlstate,
    stop,
)
from .likeness import copy_settings, locale_of_original
from .names import DsnPair, database_of, lock_number, make_test_dsn

LOCK_SECONDS = 5  # for a lock in the test database
HOLD_SECONDS = 10  # for the test database: a killed run's last statement may still be at work
MOST_WORKERS = 64  # of pytest-xdist, whose leftovers are looked for

# The mark is the database's connection limit, far too high to limit anything. CREATE DATABASE
# stores it in one step with the database: no crash can come between the two. An interrupted DROP
# overwrites the limit. The comment stays, and is the mark then.
MARK = 1_413_829_460  # the letters TEST, as a number
COMMENT = "Temporary test database: made by a test run, dropped at its end."

# What the fixtures' own connections to the original are called, so that they are known.
T = TypeVar("T")

ADMIN = "test database fixtures"


@asynccontextmanager
async def admin_connection(dsn: str) -> AsyncIterator[AsyncConnection]:
    """Connect to the original database: one can't drop a database from within.

    CREATE DATABASE and DROP DATABASE can't run inside a transaction, hence AUTOCOMMIT.
    """
    engine = create_async_engine(
        dsn,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={"server_settings": {"application_name": ADMIN}},
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def comment_of(run: str) -> str:
    """Return the comment on a database that a run has made."""
    return f"{COMMENT} Run {hashlib.sha256(run.encode()).hexdigest()[:32]}." if run else COMMENT


@asynccontextmanager
async def temporary_database(
    pair: DsnPair, keep: Callable[[], bool], *, force: bool = False
) -> AsyncIterator[None]:
    """Make the test database beside the original, and drop it in the end.

    Ends the pytest session with one line if that database is held by another run, if it is not
    one of ours, or if the role may not create databases.

    Args:
        pair: the run's original, to which it stays connected meanwhile, and its test database.
        keep: asked in the end; the database stays if it returns True.
        force: end the connections that are open in the end. Without, one of them is an error.
    """
    async with holding(pair) as connection:
        await create_database(connection, pair.name, pair.run)
        yield
        if not keep():
            try:
                await drop_own_database(connection, pair, force=force)
            finally:
                await drop_own_database(connection, pair, force=True)


@asynccontextmanager
async def holding(pair: DsnPair) -> AsyncIterator[AsyncConnection]:
    """Connect to the original, hold the test database's name, and drop what crashes have left."""
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(admin_connection(pair.original))
        except (OSError, DBAPIError, TimeoutError) as error:
            stop(f"The database {pair.original!r} can't be connected to: {first_line(error)}")
        await hold(connection, pair.name)
        await drop_leftovers(connection, pair)
        yield connection


async def hold(connection: AsyncConnection, name: str) -> None:
    """Hold a test database's name for as long as the connection lives, also after a crash.

    The lock is an advisory one: a number that PostgreSQL keeps for us, and nothing of yours. Its
    connection is idle while tests run, so it asks the server not to end it for that, and the
    network not to forget it.
    """
    await connection.exec_driver_sql(
        "SELECT set_config(name, CASE name WHEN 'tcp_keepalives_idle' THEN '60' ELSE '0' END,"
        " false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'statement_timeout',"
        " 'idle_in_transaction_session_timeout', 'transaction_timeout', 'tcp_keepalives_idle')"
    )
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


async def hold_on(connection: AsyncConnection, name: str) -> bool:
    """Make sure that a connection still holds a name; take a lost hold anew.

    Returns:
        Whether the hold was there all the time. Where it wasn't, another run may have had it.
    """
    try:
        held = await connection.exec_driver_sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND pid = pg_backend_pid() AND (classid::bigint << 32) | objid::bigint = $1",
            (lock_number(name),),
        )
        if held.scalar():
            return True
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        await connection.rollback()  # the next statement connects anew
    await hold(connection, name)
    return False


async def drop_leftovers(connection: AsyncConnection, pair: DsnPair, side: str = "") -> None:
    """Drop what crashed runs on the same original have left, their workers' databases included.

    A database that somebody is connected to stays: its run may live, though its hold is lost. So
    do those of this run's other workers, which may have been kept.

    Args:
        connection: one to the original.
        pair: the run's databases.
        side: of a comparison of schemas, whose databases are dropped then and no others.
    """
    workers = ("", *(f"gw{number}" for number in range(MOST_WORKERS)))
    parts = [f"{side}_{worker}".strip("_") for worker in workers]
    names = {pair.name} | {database_of(make_test_dsn(pair.original, part)) for part in parts}
    found = await connection.exec_driver_sql(
        "SELECT datname FROM pg_database WHERE datname = ANY($1)"
        " AND shobj_description(oid, 'pg_database') IS DISTINCT FROM $2",
        (sorted(names), comment_of(pair.run)),
    )
    for leftover in found.scalars().all():
        mine, lock = leftover == pair.name, (lock_number(leftover),)
        if (await connection.exec_driver_sql("SELECT pg_try_advisory_lock($1)", lock)).scalar():
            try:
                await drop_unused_database(connection, leftover)
            except DBAPIError as error:
                in_use = sqlstate(error) == OBJECT_IN_USE
                if mine or not in_use:
                    why = (
                        f"The leftover database {leftover!r} can't be dropped: {first_line(error)}"
                    )
                    stop(f"{why}. Its run may still be at work." if in_use else why)
            await connection.exec_driver_sql("SELECT pg_advisory_unlock($1)", lock)


async def is_ours(connection: AsyncConnection, name: str) -> bool:
    """Tell whether a database bears the mark. False also if there is none of this name."""
    found = await connection.exec_driver_sql(
        "SELECT datconnlimit = $2 OR starts_with(shobj_description(oid, 'pg_database'), $3)"
        " FROM pg_database WHERE datname = $1",
        (name, MARK, COMMENT),
    )
    return bool(found.scalar())


async def comment_on(connection: AsyncConnection, name: str) -> str | None:
    """Return the comment on a database. None if it has none, or if there is none of this name."""
    found = await connection.exec_driver_sql(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", (name,)
    )
    return found.scalar()


async def create_database(connection: AsyncConnection, name: str, run: str = "") -> None:
    """Create a database like the one connected to, with our mark and the run's."""
    options = await locale_of_original(connection)
    quoted = quote(connection, name)
    try:
        await connection.exec_driver_sql(
            f"CREATE DATABASE {quoted} CONNECTION LIMIT {MARK}{options}"
        )
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
    await copy_settings(connection, connection.engine.url.database or "", name)
    await sign_database(connection, name, run)


async def sign_database(connection: AsyncConnection, name: str, run: str) -> None:
    """Write into a new database's comment which run has made it, and bound its waits."""
    quoted = quote(connection, name)
    await connection.exec_driver_sql(f"COMMENT ON DATABASE {quoted} IS '{comment_of(run)}'")
    await connection.exec_driver_sql(
        f"ALTER DATABASE {quoted} SET lock_timeout = '{LOCK_SECONDS}s'"
    )


async def drop_database(connection: AsyncConnection, name: str, *, force: bool = False) -> None:
    """Drop a database that bears our mark, and no other."""
    if await is_ours(connection, name):
        # A crash may have come between CREATE DATABASE and the comment. One that is there stays:
        # if the drop fails, its run still knows the database by it.
        if not await comment_on(connection, name):
            quoted = quote(connection, name)
            await connection.exec_driver_sql(f"COMMENT ON DATABASE {quoted} IS '{COMMENT}'")
        await drop_now(connection, name, force=force)


async def drop_now(connection: AsyncConnection, name: str, *, force: bool) -> None:
    """Drop a database, whoever's it is: for those that have asked.

    FORCE is refused to a role that may not end an autovacuum worker, and one may be there at any
    time. Without FORCE, PostgreSQL sends the worker away by itself.
    """
    drop = f"DROP DATABASE {quote(connection, name)}"
    if force:
        try:
            await connection.exec_driver_sql(f"{drop} WITH (FORCE)")
            return
        except DBAPIError as error:
            if sqlstate(error) != INSUFFICIENT_PRIVILEGE:
                raise
        await connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = $1 AND pg_has_role(usesysid, 'USAGE')",
            (name,),
        )
    await connection.exec_driver_sql(drop)


async def drop_unused_database(connection: AsyncConnection, name: str) -> None:
    """Drop a database that bears our mark once nobody is connected to it.

    A killed run's last statement may still be at work: PostgreSQL waits for five seconds of its
    own, and here twice.
    """
    try:
        await drop_database(connection, name)
    except DBAPIError as error:
        if sqlstate(error) != OBJECT_IN_USE:
            raise
        await drop_database(connection, name)


async def drop_own_database(
    connection: AsyncConnection, pair: DsnPair, *, force: bool = False
) -> None:
    """Drop the run's own database, and only while it is this run's.

    Where the hold was lost meanwhile, another run may have made a database of the same name.
    """
    await hold_on(connection, pair.name)
    found = await connection.exec_driver_sql(
        "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database"
        " WHERE datname = $1",
        (pair.name,),
    )
    comment = found.scalar()
    if comment not in (None, comment_of(pair.run)):
        stop(
            f"The database {pair.name!r} is not this run's any more: it has been made anew."
            " It stays as it is."
        )
    if comment:
        with naming_who_is_in_the_way(pair):
            await drop_now(connection, pair.name, force=force)


async def add_extensions(original: str, test: str) -> dict[str, str]:
    """Create in one database the extensions that only another one has, in the schemas of there.

    Args:
        original: the DSN of the one that has them.
        test: the DSN of the one that gets them.

    Returns:
        What became of each of them: an empty text, or why this role may not create it.
    """
    listed = (
        "SELECT extname, nspname FROM pg_extension AS e"
        " JOIN pg_namespace AS n ON n.oid = e.extnamespace"
    )
    became: dict[str, str] = {}
    async with admin_connection(original) as there, admin_connection(test) as here:
        has = set((await here.exec_driver_sql(listed)).scalars())
        schemas = set((await here.exec_driver_sql("SELECT nspname FROM pg_namespace")).scalars())
        for name, schema in map(tuple, await there.exec_driver_sql(listed)):
            if name not in has:
                place = quote(here, schema)
                try:
                    if schema not in schemas:
                        await here.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {place}")
                    await here.exec_driver_sql(
                        f"CREATE EXTENSION {quote(here, name)} SCHEMA {place} CASCADE"
                    )
                    became[name] = ""
                except DBAPIError as error:
                    became[name] = first_line(error)
    return became


@contextmanager
def naming_who_is_in_the_way(pair: DsnPair) -> Iterator[None]:
    """Where cleaning a test database waits for other sessions too long, name them and end them.

    Ended, because each of the tests to come would wait for them again.
    """
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) not in (LOCK_NOT_AVAILABLE, OBJECT_IN_USE, QUERY_CANCELED):
            raise
        others = end_sessions(pair, idle=sqlstate(error) == OBJECT_IN_USE)
        raise pytest.fail.Exception(
            f"The test database can't be cleaned: {first_line(error)}. These sessions may have been"
            " in the way and have been ended, where your role may do that; the next test may find"
            " what this one has left:\n" + "\n".join(others),
            pytrace=False,
        ) from None


def end_sessions(pair: DsnPair, *, idle: bool) -> list[str]:
    """End the sessions on a run's test database, and describe each in a line.

    Args:
        pair: the run's databases.
        idle: also those outside a transaction, which hold no lock.
    """

    async def end() -> list[str]:
        ended: list[str] = []
        async with admin_connection(pair.original) as connection:
            found = await connection.exec_driver_sql(
                "SELECT pid, usename, coalesce(state, 'unknown'),"
                r" regexp_replace(left(query, 100), '\s+', ' ', 'g')"
                " FROM pg_stat_activity JOIN pg_database AS d USING (datname)"
                " WHERE datname = $1 AND ($2 OR state IS DISTINCT FROM 'idle')"
                " AND shobj_description(d.oid, 'pg_database') = $3",
                (pair.name, idle, comment_of(pair.run)),
            )
            for session in found.all():
                ended.append("  pid {}, user {}, {}, last statement: {}".format(*session))
                with suppress(DBAPIError):  # another role's session, which this one may not end
                    await connection.exec_driver_sql(
                        "SELECT pg_terminate_backend($1)", (session.pid,)
                    )
        return ended

    return run_async(end())


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where a loop is running already, as in Jupyter."""

    def run() -> T:
        # Not asyncio.run: where nest_asyncio has replaced it, it leaves its loop open.
        with asyncio.Runner() as runner:
            return runner.run(work)

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(run).result()
