# not yet: or it has ended already
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from project.testing.database.names import lock_number


@asynccontextmanager
async def alone(original: str, own: str) -> AsyncIterator[None]:
    async with admin_connection(original) as connection:
        await connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock($1)", (lock_number("turns"),)
        )
        yield
