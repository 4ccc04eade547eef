"""Whether a DSN can be used, and one clear message where it can't."""

import asyncio
import os
import re
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

DRIVER = "postgresql+asyncpg"
EXAMPLE_DSN = f"{DRIVER}://user:password@localhost:5432/database"
CONNECT_SECONDS = 5


class PostgresError(Exception):
    """There is no usable PostgreSQL. The message says what is wrong and what to do."""

    def _render_traceback_(self) -> list[str]:
        """Have Jupyter show the message alone: it is meant for the reader, not for a debugger."""
        return [f"{type(self).__name__}: {self}"]


def check(dsn: str) -> None:
    """Raise a PostgresError unless `dsn` uses asyncpg, names a database and answers soon.

    The messages name the database, the host and the user, and never show a password.
    """
    try:
        url = make_url(dsn)
    except (ArgumentError, ValueError):
        raise PostgresError(
            f"POSTGRES_DSN is not a database URL. It should look like {EXAMPLE_DSN}"
        ) from None
    if url.drivername != DRIVER:
        raise PostgresError(
            f"POSTGRES_DSN starts with {url.drivername}://, but this project uses asyncpg."
            f" Start it with {DRIVER}://"
        )
    if not url.database:
        raise PostgresError(f"POSTGRES_DSN names no database. It should look like {EXAMPLE_DSN}")
    try:
        execute(url, "SELECT 1", CONNECT_SECONDS)
    except Exception as error:  # the driver's own errors, OSError, TimeoutError and more
        raise PostgresError(
            f"POSTGRES_DSN names {describe(url)}, which can't be used: {first_line(error)}"
        ) from None


def describe(url: URL) -> str:
    """Say which database a URL names, without its password."""
    host = url.host or url.query.get("host", "localhost")
    port = url.port or url.query.get("port", "5432")
    return f"database {url.database!r} on host {host!r}, port {port}, as user {url.username!r}"


def first_line(error: BaseException) -> str:
    """Return the first line of what the driver said, without SQLAlchemy's frame around it."""
    if isinstance(error, TimeoutError):
        return "it doesn't answer in time"
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(original).removeprefix(f"{type(original)}: ").split(">: ", 1)[-1].partition("\n")[0]


def sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's code for an error; None if the server hasn't said one."""
    return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)


def forget_pg_variables() -> dict[str, str]:
    """Take PGSSLMODE, PGTARGETSESSIONATTRS and their like out of this process's environment.

    They are meant for other servers of the reader's. asyncpg obeys them on every connection, and a
    DSN can't overrule them all. Return what was taken out.
    """
    names = [name for name in os.environ if re.fullmatch("PG[A-Z]+", name)]
    return {name: os.environ.pop(name) for name in names}


@contextmanager
def without_pg_variables() -> Iterator[None]:
    """Forget those variables for a while."""
    forgotten = forget_pg_variables()
    try:
        yield
    finally:
        os.environ.update(forgotten)


def execute(url: URL, statement: str, connect_seconds: float) -> None:
    """Run one statement on a connection of its own, outside any transaction.

    Raises TimeoutError after `connect_seconds` without a connection.
    """

    async def connect_and_execute() -> None:
        engine = create_async_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"timeout": connect_seconds},
        )
        async with engine.connect() as connection:
            await connection.exec_driver_sql(statement)

    run_async(connect_and_execute())


def run_async(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end, also where a loop is running already, as in Jupyter."""

    def run() -> None:
        # Not asyncio.run: where nest_asyncio has replaced it, it leaves its loop open.
        with asyncio.Runner() as runner:
            runner.run(work)

    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(run).result()
