"""Alembic's environment, as Advanced Alchemy's commands run it: the engine is in their config."""

import asyncio
from typing import cast

from advanced_alchemy.alembic.commands import AlembicCommandConfig
from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from advanced_alchemy_books.models import Book

config = cast(AlembicCommandConfig, context.config)


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Book.metadata,
        version_table=config.version_table_name,
    )
    with context.begin_transaction():
        context.run_migrations()


async def main(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main(cast(AsyncEngine, config.engine)))
