"""The temporary test database: its name, its creation, its end."""

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from project import postgres
from project.postgres.connection import first_line

LONGEST_NAME = 63  # bytes; PostgreSQL cuts a longer identifier off without an error
MARK = "Temporary test database: made by a test run, which drops it at its end."


def make_test_dsn(dsn: str) -> str:
    """Return the DSN of the test database that belongs to `dsn`: the same server, another name.

    The name is that of the original with `_test` at its end. PostgreSQL cuts a name off after
    63 bytes, which could cut it back to the original's: a name that would be longer is shortened
    here, and ends in a hash of the whole so that two of them differ.
    """
    url = make_url(dsn)
    name = f"{url.database}_test"
    if len(name.encode()) > LONGEST_NAME:
        suffix = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}_test"
        start = name.encode()[: LONGEST_NAME - len(suffix)].decode(errors="ignore")
        name = start + suffix
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session", autouse=True)
def os_environ_patch() -> Iterator[None]:
    """For the session, POSTGRES_DSN names the test database and POSTGRES_DSN_ORIGINAL yours."""
    try:
        original = postgres.dsn()
    except postgres.PostgresError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_DSN_ORIGINAL", original)
        patch.setenv("POSTGRES_DSN", make_test_dsn(original))
        yield


@asynccontextmanager
async def admin_connection() -> AsyncIterator[AsyncConnection]:
    """Connect to the original database: one can't drop a database from within.

    CREATE DATABASE and DROP DATABASE can't run inside a transaction, hence AUTOCOMMIT.
    """
    dsn = os.environ["POSTGRES_DSN_ORIGINAL"]
    engine = create_async_engine(dsn, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def create_database(dsn: str) -> None:
    """Create the database that `dsn` names, anew if an earlier run has left it behind.

    Ends the pytest session with one line if the role may not create databases, or if there is a
    database of this name that no test run has made: it may be somebody's, so it stays.
    """
    async with admin_connection() as connection:
        database = make_url(dsn).database
        assert database
        name = connection.dialect.identifier_preparer.quote_identifier(database)
        comments = await connection.exec_driver_sql(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1",
            (database,),
        )
        comment = comments.one_or_none()
        if comment is not None and comment[0] != MARK:
            pytest.exit(
                f"There is a database {database!r} that no test run has made. It stays as it is:"
                " rename it, or name another database in POSTGRES_DSN.",
                returncode=pytest.ExitCode.USAGE_ERROR,
            )
        if comment is not None:
            await connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        try:
            await connection.exec_driver_sql(f"CREATE DATABASE {name}")
        except DBAPIError as error:
            role = make_url(dsn).username
            pytest.exit(
                f"The test database {database!r} can't be created: {first_line(error)}. If the role"
                f" may not create databases, let an administrator run: ALTER ROLE {role} CREATEDB",
                returncode=pytest.ExitCode.USAGE_ERROR,
            )
        await connection.exec_driver_sql(f"COMMENT ON DATABASE {name} IS '{MARK}'")


async def drop_database(dsn: str, *, force: bool = False) -> None:
    """Drop the database that `dsn` names.

    Args:
        dsn: the test database's.
        force: end the connections that are open to it. Without, one of them is an error.
    """
    async with admin_connection() as connection:
        database = make_url(dsn).database
        assert database
        name = connection.dialect.identifier_preparer.quote_identifier(database)
        await connection.exec_driver_sql(f"DROP DATABASE {name}{' WITH (FORCE)' if force else ''}")
