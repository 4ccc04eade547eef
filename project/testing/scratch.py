"""What a notebook needs in order to harm nothing of yours: a scratch database of its own.

A notebook holds its scratch database for as long as its kernel lives. So the same notebook can run
twice at once, and what a killed kernel has left is known and dropped.
"""

import os
from contextlib import AsyncExitStack
from itertools import count

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from .database.lifecycle import (
    admin_connection,
    create_database,
    drop_database,
    drop_leftovers,
    drop_unused_database,
    hold,
    is_ours,
)
from .database.names import (
    LONGEST_NAME,
    DsnPair,
    SecretDsn,
    database_of,
    lock_number,
    make_test_dsn,
)
from .template import drop_templates

# A notebook adds `_test` to it, and PostgreSQL would cut that off a longer name.
LONGEST = LONGEST_NAME - len("_test")
HELD: dict[str, tuple[AsyncConnection, AsyncExitStack]] = {}


async def create_scratch_database(part: str) -> str:
    """Create a database beside the one that POSTGRES_DSN names, and return its DSN.

    It gets the first number that nobody holds and no database of yours has. What a killed kernel
    has left under that number is dropped first.

    Args:
        part: what tells this notebook's scratch databases from others, such as `notebook_07`.
    """
    original = os.environ["POSTGRES_DSN"]
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(admin_connection(original))
        for number in count(1):
            dsn = make_test_dsn(original, f"{part}_{number}", LONGEST)
            if await take(connection, dsn):
                break
        HELD[dsn] = connection, stack.pop_all()
    return dsn


async def take(connection: AsyncConnection, dsn: str) -> bool:
    """Hold the name of a scratch database, and make the database; tell whether it was free."""
    name, lock = database_of(dsn), (lock_number(database_of(dsn)),)
    if not (await connection.exec_driver_sql("SELECT pg_try_advisory_lock($1)", lock)).scalar():
        return False
    try:
        await hold(connection, name)  # once more, for a connection that stays idle for long
        if await is_ours(connection, name):
            await drop_made_by_tests(dsn)
            await drop_unused_database(connection, name)
        await create_database(connection, name)
    except (DBAPIError, pytest.exit.Exception):  # in use, or not ours
        if not await is_taken(connection, name):
            raise
        await connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        return False
    return True


async def is_taken(connection: AsyncConnection, name: str) -> bool:
    """Tell whether there is a database of this name."""
    query = "SELECT count(*) FROM pg_database WHERE datname = $1"
    return bool((await connection.exec_driver_sql(query, (name,))).scalar())


async def drop_made_by_tests(dsn: str) -> None:
    """Drop what test runs have made beside a scratch database and left: templates are kept."""
    pair = DsnPair(SecretDsn(dsn), SecretDsn(make_test_dsn(dsn)), run="")
    async with admin_connection(dsn) as connection:
        await drop_leftovers(connection, pair)
    await drop_templates(dsn)


async def drop_scratch_database(dsn: str) -> None:
    """Drop a scratch database, and the templates of test runs that had it for their original.

    A connection that is still open to it is an error.
    """
    connection, stack = HELD[dsn]
    await drop_templates(dsn)
    await drop_database(connection, database_of(dsn))
    del HELD[dsn]
    await stack.aclose()
