import asyncio
import os

from project.testing.database.lifecycle import admin_connection, create_database
from project.testing.database.names import database_of, make_test_dsn
from project.testing.scratch import create_scratch_database
from project.testing.template import templates_of


async def main():
    dsn = await create_scratch_database("killed")
    async with admin_connection(dsn) as connection:
        for part in ("", "gw0"):
            await create_database(connection, database_of(make_test_dsn(dsn, part)), "a run")
        await create_database(connection, templates_of(dsn) + "0123456789ab_test")
    os._exit(0)


asyncio.run(main())
