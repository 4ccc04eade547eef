"""Template: migrate a database once for all sessions, and give each test a clone of it.

Each test has a database of its own: it may create tables, change types, use up sequences. The
template stays on the server and is used again for as long as the migrations stay as they are, so
the second session doesn't migrate at all.

PYTEST_DONT_REWRITE: another strategy imports this module before pytest may load it as a plugin.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from . import SHARED_FIXTURES
from .database.errors import quote, stop
from .database.lifecycle import (
    MARK,
    admin_connection,
    create_database,
    drop_database,
    drop_own_database,
    end_sessions,
    hold_on,
    holding,
    is_ours,
    sign_database,
)
from .database.likeness import copy_settings, locale_of_original, settings_of
from .database.names import DsnPair, database_of, lock_number
from .database.proof import confine, only_on
from .session_manager import Manager
from .tasks import no_task_left

if TYPE_CHECKING:
    from alembic.config import Config

pytest_plugins = (
    *SHARED_FIXTURES,
    f"{__package__}.clean_dsn",
    f"{__package__}.one_loop",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _clean_db_admin(
    dsn_pair: DsnPair, os_environ_patch: None
) -> AsyncIterator[AsyncConnection]:
    """Yield the connection that makes the databases. It holds this session's test database."""
    async with holding(dsn_pair) as connection:
        yield connection


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrate_db(
    _clean_db_admin: AsyncConnection,
    dsn_pair: DsnPair,
    alembic_config: Config,
    template_files: Iterable[Path],
    upgrade_schema: Callable[[str], None],
) -> str:
    """Migrate to head, unless an earlier session has; return the template's name.

    Sessions that start together wait here for the one of them that migrates. Each holds the
    template, together with the others, for as long as it runs, so that nobody drops it.
    """
    likeness = await likeness_of_original(_clean_db_admin, dsn_pair)
    content = fingerprint(alembic_config, template_files, likeness)
    template = f"{templates_of(dsn_pair.original)}{content}_test"
    async with alone(_clean_db_admin, f"{template} migrating"):
        await hold_template(_clean_db_admin, template)
        if not await is_complete(_clean_db_admin, template, dsn_pair, alembic_config):
            await make_template(_clean_db_admin, template, dsn_pair, alembic_config, upgrade_schema)
    await drop_templates(dsn_pair.original)
    return template


@asynccontextmanager
async def alone(connection: AsyncConnection, name: str) -> AsyncIterator[None]:
    """Have one session at a time do something: the others wait here, for as long as it takes."""
    lock = (lock_number(name),)
    await connection.exec_driver_sql("SET lock_timeout = 0")
    await connection.exec_driver_sql("SELECT pg_advisory_lock($1)", lock)
    yield
    await connection.exec_driver_sql("SELECT pg_advisory_unlock($1)", lock)


async def make_template(
    connection: AsyncConnection,
    template: str,
    pair: DsnPair,
    config: Config,
    upgrade_schema: Callable[[str], None],
) -> None:
    """Migrate the run's test database, and make it the template, in the place of a broken one."""
    await drop_database(connection, template)
    await create_database(connection, pair.name, pair.run)
    try:
        with only_on(pair):
            await asyncio.to_thread(upgrade_schema, pair.test)
        if missing := await what_is_missing(pair, config):
            stop(f"The migrations have run, but {pair.name!r} isn't migrated: {missing}.")
        await close_and_rename(connection, pair, template)
    except BaseException:
        await drop_own_database(connection, pair, force=True)
        raise


async def close_and_rename(connection: AsyncConnection, pair: DsnPair, template: str) -> None:
    """Let nobody into the test database any more, and give it the template's name.

    The name comes last: a template that is there is complete.
    """
    migrated = f"ALTER DATABASE {quote(connection, pair.name)}"
    await connection.exec_driver_sql(f"{migrated} ALLOW_CONNECTIONS false")
    end_sessions(pair, idle=True)  # an env.py may have kept a connection open
    await connection.exec_driver_sql(f"{migrated} RENAME TO {quote(connection, template)}")


async def hold_template(connection: AsyncConnection, template: str) -> None:
    """Hold a template together with other sessions, so that nobody drops it."""
    await connection.exec_driver_sql("SELECT pg_advisory_lock_shared($1)", (lock_number(template),))


def templates_of(original: str) -> str:
    """Return how the names of a database's templates begin, however long its own name is.

    Args:
        original: the database's DSN.
    """
    return template_prefix(database_of(original))


def template_prefix(name: str) -> str:
    """Return the same for a database's name."""
    return f"template_{hashlib.sha256(name.encode()).hexdigest()[:12]}_"


def fingerprint(config: Config, files: Iterable[Path] = (), likeness: str = "") -> str:
    """Return a hash of every file of the migrations, of further files, and of the original."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(config)
    folders = {Path(folder) for folder in (script.dir, *script.version_locations)}
    digest = hashlib.sha256(likeness.encode())
    for file in sorted({*files, *(file for folder in folders for file in folder.rglob("*"))}):
        if file.is_file() and file.suffix != ".pyc":
            content = file.read_bytes()
            digest.update(f"{file.name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:12]


async def likeness_of_original(connection: AsyncConnection, pair: DsnPair) -> str:
    """Return what the test database takes over from the original."""
    settings = await settings_of(connection, database_of(pair.original))
    return "\n".join([await locale_of_original(connection), *settings])


async def what_is_missing(pair: DsnPair, config: Config) -> str | None:
    """Say what a migrated test database lacks; None if it is complete.

    Alembic's table of versions is found by its column, whatever it is called. A schema that is
    made without Alembic has none, and then there is some table at least.
    """
    from alembic.script import ScriptDirectory

    heads = set(ScriptDirectory.from_config(config).get_heads())
    async with admin_connection(pair.test) as connection:
        tables = (
            await connection.exec_driver_sql(
                "SELECT c.oid::regclass::text AS oid, a.attname FROM pg_class AS c"
                " LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'version_num'"
                " AND NOT a.attisdropped"
                " WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384"
            )
        ).all()
        found: set[str] = set()
        versions = [row.oid for row in tables if row.attname]
        for table in versions:
            rows = await connection.exec_driver_sql(f"SELECT version_num FROM {table}")
            found.update(rows.scalars())
    if not tables:
        return "it has no table"
    if versions and not heads <= found:
        return f"its versions are {sorted(found)}, and the heads are {sorted(heads)}"
    return None


async def is_complete(
    connection: AsyncConnection, template: str, pair: DsnPair, config: Config
) -> bool:
    """Tell whether a template is there and migrated to head.

    Nobody may enter it, so a clone is looked into.
    """
    if not await is_ours(connection, template):
        return False
    await clone_database(connection, template, pair)
    try:
        return await what_is_missing(pair, config) is None
    finally:
        await drop_own_database(connection, pair, force=True)


@pytest_asyncio.fixture(loop_scope="session")
async def create_test_db(
    _clean_db_admin: AsyncConnection,
    migrate_db: str,
    dsn_pair: DsnPair,
    keep_test_db: Callable[[], bool],
) -> AsyncIterator[str]:
    """Clone the template for the test, and drop the clone after it; yield the clone's DSN.

    DROP DATABASE has the server write what it has in memory to the disk. What belongs to the
    dropped database is forgotten instead, so a clone that goes at once costs little; clones that
    wait to be dropped together would be written.
    """
    await clone_for_test(_clean_db_admin, migrate_db, dsn_pair)
    yield dsn_pair.test
    if not keep_test_db():
        await drop_own_database(_clean_db_admin, dsn_pair, force=True)


@pytest_asyncio.fixture(loop_scope="session")
async def db(
    create_test_db: str,
    dsn_pair: DsnPair,
    session_manager_factory: Callable[[str], Manager],
) -> AsyncIterator[Manager]:
    """Yield a session manager on the test's own database; close it after the test."""
    manager = session_manager_factory(create_test_db)
    confine(manager, dsn_pair)
    async with no_task_left():
        yield manager
    await manager.close()


async def clone_for_test(connection: AsyncConnection, template: str, pair: DsnPair) -> None:
    """Make the run's test database of the template, which the run holds as it does its own name."""
    if not await hold_on(connection, pair.name):
        await hold_template(connection, template)
    await clone_database(connection, template, pair)


async def clone_database(connection: AsyncConnection, template: str, pair: DsnPair) -> None:
    """Copy a database that nobody is connected to, with our mark and the run's.

    Everything in it is copied. Settings of ALTER DATABASE are not, so they are made anew.
    """
    source, name = quote(connection, template), quote(connection, pair.name)
    await connection.exec_driver_sql(
        f"CREATE DATABASE {name} TEMPLATE {source} CONNECTION LIMIT {MARK}"
    )
    await copy_settings(connection, template, pair.name)
    await sign_database(connection, pair.name, pair.run)


async def drop_templates(original: str) -> None:
    """Drop the templates of a database, and those whose database is gone; spare what is held.

    Args:
        original: the database's DSN.
    """
    async with admin_connection(original) as connection:
        names = set((await connection.exec_driver_sql("SELECT datname FROM pg_database")).scalars())
        others = {template_prefix(name) for name in names} - {templates_of(original)}
        for name in sorted(names):
            ours = re.fullmatch(r"(template_[0-9a-f]{12}_)[0-9a-f]{12}_test", name)
            if ours and ours[1] not in others:
                lock = (lock_number(name),)
                got = await connection.exec_driver_sql("SELECT pg_try_advisory_lock($1)", lock)
                if got.scalar():
                    with suppress(DBAPIError):  # another role's, or somebody looks into it
                        await drop_database(connection, name)
