"""Template: migrate a database once for all sessions, and give each test a clone of it.

Each test has a database of its own: it may create tables, change types, use up sequences. The
template stays on the server and is used again for as long as the migrations stay as they are, so
the second session doesn't migrate at all.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_asyncio
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

from project.db.session_manager import DBSessionManager
from project.testing import SHARED_FIXTURES
from project.testing.database import (
    LOCK_SECONDS,
    MARK,
    SecretDsn,
    admin_connection,
    create_database,
    database_of,
    drop_database,
    drop_leftovers,
    hold,
    is_ours,
    lock_number,
    quote,
)
from project.testing.migrations import only_on, point_at

pytest_plugins = (*SHARED_FIXTURES, "project.testing.one_loop")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def admin(os_environ_patch: None) -> AsyncIterator[AsyncConnection]:
    """Yield the connection that makes the databases. It holds this session's test database."""
    original, name = os.environ["POSTGRES_DSN_ORIGINAL"], database_of(os.environ["POSTGRES_DSN"])
    async with admin_connection(original) as connection:
        await hold(connection, name)
        await drop_leftovers(connection, original, name)
        yield connection


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrate_db(admin: AsyncConnection, alembic_config: Config) -> str:
    """Migrate to head, unless an earlier session has; return the template's name.

    Sessions that start together wait here for the one of them that migrates. Each holds the
    template, together with the others, for as long as it runs, so that nobody drops it.
    """
    original, dsn = os.environ["POSTGRES_DSN_ORIGINAL"], os.environ["POSTGRES_DSN"]
    template = f"{templates_of(original)}{fingerprint(alembic_config)}_test"
    migrating, in_use = (lock_number(f"{template} migrating"),), (lock_number(template),)
    await admin.exec_driver_sql("SET lock_timeout = 0")
    await admin.exec_driver_sql("SELECT pg_advisory_lock($1)", migrating)
    await admin.exec_driver_sql("SELECT pg_advisory_lock_shared($1)", in_use)
    if not await is_ours(admin, template):
        await create_database(admin, database_of(dsn))
        try:
            with only_on(dsn):
                await asyncio.to_thread(command.upgrade, point_at(alembic_config, dsn), "head")
        except Exception:
            await drop_database(admin, database_of(dsn), force=True)
            raise
        migrated = f"ALTER DATABASE {quote(admin, database_of(dsn))}"
        await admin.exec_driver_sql(f"{migrated} ALLOW_CONNECTIONS false")
        # It gets the template's name last: a template that is there is complete.
        await admin.exec_driver_sql(f"{migrated} RENAME TO {quote(admin, template)}")
    await admin.exec_driver_sql("SELECT pg_advisory_unlock($1)", migrating)
    await drop_templates(original)
    return template


def templates_of(original_dsn: str) -> str:
    """Return how the names of a database's templates begin, however long its own name is."""
    return f"template_{hashlib.sha256(database_of(original_dsn).encode()).hexdigest()[:12]}_"


def fingerprint(config: Config) -> str:
    """Return a hash of every file of the migrations."""
    script = ScriptDirectory.from_config(config)
    folders = {Path(folder) for folder in (script.dir, *script.version_locations)}
    digest = hashlib.sha256()
    for file in sorted({file for folder in folders for file in folder.rglob("*.*")}):
        if file.is_file() and file.suffix != ".pyc":
            content = file.read_bytes()
            digest.update(f"{file.name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:12]


@pytest_asyncio.fixture(loop_scope="session")
async def create_test_db(
    admin: AsyncConnection, migrate_db: str, keep_test_db: Callable[[], bool]
) -> AsyncIterator[str]:
    """Clone the template for the test, and drop the clone after it; yield the clone's DSN.

    DROP DATABASE has the server write what it has in memory to the disk. What belongs to the
    dropped database is forgotten instead, so a clone that goes at once costs little; clones that
    wait to be dropped together would be written.
    """
    dsn = os.environ["POSTGRES_DSN"]
    await clone_database(admin, migrate_db, database_of(dsn))
    yield SecretDsn(dsn)
    if not keep_test_db():
        await drop_database(admin, database_of(dsn), force=True)


@pytest_asyncio.fixture(loop_scope="session")
async def db(create_test_db: str) -> AsyncIterator[DBSessionManager]:
    """Yield a session manager on the test's own database; close it after the test."""
    manager = DBSessionManager(create_test_db)
    yield manager
    await manager.close()


async def clone_database(connection: AsyncConnection, source: str, name: str) -> None:
    """Copy a database that nobody is connected to, with our mark.

    Everything in it is copied. Settings of ALTER DATABASE are not, so one of ours is made anew.
    """
    source, name = quote(connection, source), quote(connection, name)
    await connection.exec_driver_sql(
        f"CREATE DATABASE {name} TEMPLATE {source} CONNECTION LIMIT {MARK}"
    )
    await connection.exec_driver_sql(f"ALTER DATABASE {name} SET lock_timeout = '{LOCK_SECONDS}s'")


async def drop_templates(original_dsn: str) -> None:
    """Drop the templates that belong to a database, but for those that a session holds."""
    async with admin_connection(original_dsn) as connection:
        found = await connection.exec_driver_sql(
            "SELECT datname FROM pg_database WHERE starts_with(datname, $1)",
            (templates_of(original_dsn),),
        )
        for name in found.scalars().all():
            lock = (lock_number(name),)
            if (await connection.exec_driver_sql("SELECT pg_try_advisory_lock($1)", lock)).scalar():
                await drop_database(connection, name)
