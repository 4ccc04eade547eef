"""What a notebook needs in order to harm nothing of yours: a scratch database, and a look ahead."""

import os

from .database.lifecycle import admin_connection, create_database, drop_database
from .database.names import database_of, make_test_dsn


async def create_scratch_database(part: str) -> str:
    """Create a database beside the one that POSTGRES_DSN names, and return its DSN.

    One that an interrupted run of the notebook has left is dropped first. One that isn't ours
    stays, and ends this with an error.

    Args:
        part: what tells this scratch database from others, such as the notebook's number.
    """
    original = os.environ["POSTGRES_DSN"]
    dsn = make_test_dsn(original, part)
    async with admin_connection(original) as connection:
        await drop_database(connection, database_of(dsn), force=True)
        await create_database(connection, database_of(dsn))
    return dsn


async def drop_scratch_database(dsn: str) -> None:
    """Drop a scratch database. A connection that is still open to it is an error."""
    async with admin_connection(os.environ["POSTGRES_DSN"]) as connection:
        await drop_database(connection, database_of(dsn))


async def refuse_foreign_test_database() -> None:
    """Make sure that no database bears the test database's name.

    One that a killed test run has left is dropped. One that isn't ours stays, and ends this with
    an error. Call it before a fixture that drops whatever has that name.
    """
    await drop_scratch_database(await create_scratch_database(""))
