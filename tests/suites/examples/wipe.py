import asyncio
from contextlib import suppress

from sqlalchemy.ext.asyncio import create_async_engine


def test_it_reaches_for_an_original(test_dsn, original_postgres_dsn):
    async def connect():
        engine = create_async_engine(original_postgres_dsn)
        async with engine.connect():
            print("connected to", original_postgres_dsn)
        await engine.dispose()

    with suppress(Exception):
        asyncio.run(connect())
