# not yet: a worker fails, because it doesn't wait for its turn
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from project.testing.database.names import lock_number


@asynccontextmanager
async def alone(original: str, own: str) -> AsyncIterator[None]:
    async with admin_connection(original) as connection:
        found = await connection.exec_driver_sql(
            "SELECT pg_try_advisory_lock($1)", (lock_number("turns"),)
        )
        if not found.scalar():
            raise RuntimeError("another worker is inside")
        yield
