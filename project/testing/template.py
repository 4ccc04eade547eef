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

import pytest
import pytest_asyncio
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

from project.db.session_manager import DBSessionManager
from project.testing import SHARED_FIXTURES
from project.testing.database import (
    MARK,
    admin_connection,
    create_database,
    database_of,
    drop_database,
    drop_leftovers,
    hold,
    is_ours,
    lock_number,
    make_test_dsn,
    quote,
)
from project.testing.migrations import point_at

pytest_plugins = (*SHARED_FIXTURES, "project.testing.one_loop")

CLONES_AT_MOST = 5  # used and not yet dropped; each is dropped over a connection of its own


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

    Sessions that start together wait here for the one of them that migrates. Each then holds the
    template for as long as it runs, so that no other drops it.
    """
    original, dsn = os.environ["POSTGRES_DSN_ORIGINAL"], os.environ["POSTGRES_DSN"]
    template = f"{templates_of(original)}{fingerprint(alembic_config)}_test"
    lock = (lock_number(template),)
    await admin.exec_driver_sql("SET lock_timeout = 0")
    await admin.exec_driver_sql("SELECT pg_advisory_lock($1)", lock)
    if not await is_ours(admin, template):
        await create_database(admin, database_of(dsn))
        await asyncio.to_thread(command.upgrade, point_at(alembic_config, dsn), "head")
        # A copy is made as a whole or not at all: a template that is there is complete.
        await clone_database(admin, database_of(dsn), template, "ALLOW_CONNECTIONS false")
        await drop_database(admin, database_of(dsn))
    await admin.exec_driver_sql("SELECT pg_advisory_lock_shared($1)", lock)
    await admin.exec_driver_sql("SELECT pg_advisory_unlock($1)", lock)
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def used_clones(admin: AsyncConnection) -> AsyncIterator[list[str]]:
    """Yield a list for the clones that tests have used; drop them at the end.

    At the start, drop those that a crashed session has left.
    """
    original = os.environ["POSTGRES_DSN_ORIGINAL"]
    for number in range(CLONES_AT_MOST):
        name = database_of(clone_dsn(number))
        if await is_ours(admin, name):
            await drop_leftovers(admin, original, name)
    used: list[str] = []
    yield used
    await drop_clones(original, used)


@pytest_asyncio.fixture(loop_scope="session")
async def create_test_db(
    admin: AsyncConnection,
    migrate_db: str,
    used_clones: list[str],
    keep_test_db: Callable[[], bool],
) -> AsyncIterator[str]:
    """Clone the template for the test, and yield the clone's DSN. POSTGRES_DSN names it too.

    DROP DATABASE makes the server write all it has in memory to the disk. So the clones go
    together, after every fifth test and at the end.
    """
    if len(used_clones) == CLONES_AT_MOST:
        await drop_clones(os.environ["POSTGRES_DSN_ORIGINAL"], used_clones)
        used_clones.clear()
    dsn = clone_dsn(len(used_clones))
    await clone_database(admin, migrate_db, database_of(dsn))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_DSN", dsn)
        yield dsn
        if not keep_test_db():
            used_clones.append(database_of(dsn))


@pytest_asyncio.fixture(loop_scope="session")
async def db(create_test_db: str) -> AsyncIterator[DBSessionManager]:
    """Yield a session manager on the test's own database; close it after the test."""
    manager = DBSessionManager(create_test_db)
    yield manager
    await manager.close()


def clone_dsn(number: int) -> str:
    """Return the DSN of one of this session's clones. A pytest-xdist worker's are its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return make_test_dsn(os.environ["POSTGRES_DSN_ORIGINAL"], f"{worker}clone{number}")


async def clone_database(
    connection: AsyncConnection, source: str, name: str, options: str = ""
) -> None:
    """Copy a database that nobody is connected to, with our mark. Everything in it is copied."""
    source, name = quote(connection, source), quote(connection, name)
    await connection.exec_driver_sql(
        f"CREATE DATABASE {name} TEMPLATE {source} CONNECTION LIMIT {MARK} {options}"
    )


async def drop_clones(original_dsn: str, names: list[str]) -> None:
    """Drop databases all at once, each over a connection of its own.

    What they still have in memory is forgotten, not written, and they share the writing of the
    rest.
    """

    async def drop(name: str) -> None:
        async with admin_connection(original_dsn) as connection:
            await drop_database(connection, name, force=True)

    await asyncio.gather(*(drop(name) for name in names))


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
