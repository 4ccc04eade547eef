"""Runs the migrations. Alembic executes this file for every command that needs a database.

The database is, in this order: a connection in `config.attributes["connection"]`,
the config's `sqlalchemy.url`, the environment variable POSTGRES_DSN.
"""

import asyncio
import logging
import os

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from project.db.models import Base

config = context.config

# Only the command line sets up logging: a program or a test that calls Alembic
# has loggers of its own, and they stay as they are.
if config.cmd_opts is not None:
    logging.basicConfig(format="%(levelname)-5.5s [%(name)s] %(message)s")
    logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)


def run_on(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run(dsn: str) -> None:
    engine = create_async_engine(dsn, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run_on)
    finally:
        await engine.dispose()


def print_sql() -> None:
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    if context.is_offline_mode():
        print_sql()
        return
    connection = config.attributes.get("connection")
    if connection is not None:
        run_on(connection)
        return
    dsn = config.get_main_option("sqlalchemy.url") or os.environ.get("POSTGRES_DSN")
    if not dsn:
        raise CommandError(
            "no database: set POSTGRES_DSN, for example with"
            ' `export POSTGRES_DSN="$(python -m project.postgres dsn)"`'
        )
    asyncio.run(connect_and_run(dsn))


main()
