"""A new database gets its tables from the models, and an old one from the migrations."""

import os

from sqlalchemy.ext.asyncio import create_async_engine

from notes.models import Base


def database_url() -> str:
    """Return the database's URL."""
    return os.environ["POSTGRES_DSN"]


async def make_tables(url: str) -> None:
    """Make every table of the models."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()
