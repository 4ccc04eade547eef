"""Proof instead of a name: on which database is a connection, asked of the connection itself.

Two guards listen to every connection that SQLAlchemy makes in this process. `only_on` lets
migrations run on the run's own test database and on no other. `keep_out` refuses what would reach
the original. A driver that is used without SQLAlchemy is seen by neither.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from .errors import stop
from .lifecycle import ADMIN, admin_connection, comment_of, run_async
from .names import DsnPair, database_of

COMMENT_OF_THIS = (
    "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
    " WHERE datname = current_database()"
)
# A cluster has a number from its initdb, and a database one from its CREATE: no two have both.
# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
IDENTITY_OF_THIS = (
    "SELECT system_identifier::text || '/' || oid FROM pg_control_system(), pg_database"
    " WHERE datname = current_database()"
)


class WrongDatabaseError(Exception):
    """A connection is on another database than this run's test database."""


def ask(connection: Connection, question: str) -> object:
    """Ask a connection one question below SQLAlchemy's events, and once in its life."""
    if question not in connection.info:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(question)
            row = cursor.fetchone()
        finally:
            cursor.close()
        connection.info[question] = row[0] if row else None
    return connection.info[question]


def is_on(connection: Connection, pair: DsnPair) -> bool:
    """Tell whether a connection is on the database that this run has made."""
    return ask(connection, COMMENT_OF_THIS) == comment_of(pair.run)


async def prove(session: AsyncSession | AsyncConnection, pair: DsnPair) -> None:
    """Raise a WrongDatabaseError unless a session is on this run's test database."""
    connection = await session.connection() if isinstance(session, AsyncSession) else session
    if not await connection.run_sync(is_on, pair):
        raise WrongDatabaseError(
            f"The connection is not on this run's test database {pair.name!r}, so nothing is"
            " changed there. Another run may have made that database anew."
        )


def of_the_fixtures(connection: Connection) -> bool:
    """Tell whether a connection is an `admin_connection`."""
    return bool(connection.get_execution_options().get(ADMIN))


@contextmanager
def only_on(pair: DsnPair) -> Iterator[None]:
    """End the session before Alembic changes anything outside this run's test database.

    An env.py of your own may take its URL from elsewhere, such as your application's settings. So
    each connection is asked before the first statement that is run on it. One on another database
    is closed.
    """
    refused: list[str] = []

    def look(connection: Connection, *_: object) -> None:
        if connection.dialect.name != "postgresql" or of_the_fixtures(connection):
            return
        if not is_on(connection, pair):
            refused.append(
                f"env.py connects to the database {connection.engine.url.database!r} on"
                f" {connection.engine.url.host or 'a local server'}, which is not this run's test"
                f" database {pair.name!r}. Nothing has been migrated there. Let it take the URL"
                " from its config's `sqlalchemy.url`."
            )
            connection.invalidate()
            raise WrongDatabaseError(refused[0])

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield
    except WrongDatabaseError as error:
        refused.append(str(error))
    except Exception:
        if not refused:  # else env.py has made another error of it
            raise
    finally:
        event.remove(Engine, "before_cursor_execute", look)
    if refused:
        stop(refused[0])


@contextmanager
def keep_out(pair: DsnPair) -> Iterator[list[str]]:
    """Refuse each connection to the original that isn't the fixtures' own.

    One that names the original's host, port and database as POSTGRES_DSN does is refused before it
    is made. One that names them otherwise is asked before its first statement: a socket and
    `localhost` may lead to one server.

    Yields:
        What was refused: a line each. It grows while the guard stands.
    """
    refused: list[str] = []
    original, test = address_of(pair.original), address_of(pair.test)
    identity: list[object] = []

    def refuse() -> None:
        refused.append(
            f"A connection to the original database {database_of(pair.original)!r} was refused:"
            f" tests use {pair.name!r}. Read POSTGRES_DSN in a function that runs within the test,"
            " not when a module is imported, and make the engine from it there."
        )
        raise WrongDatabaseError(refused[-1])

    def before_connect(
        dialect: Dialect, record: Any, _: list[Any], parameters: dict[str, Any]
    ) -> None:
        if dialect.name == "postgresql" and record is not None:
            there = address(parameters)
            settings = parameters.get("server_settings") or {}
            if there == original and settings.get("application_name") != ADMIN:
                refuse()
            record.info["expected"] = there == test

    def before_statement(connection: Connection, *_: object) -> None:
        if connection.dialect.name != "postgresql" or of_the_fixtures(connection):
            return
        if not connection.info.get("expected"):
            if not identity:
                identity.append(identity_of(pair.original))
            if ask(connection, IDENTITY_OF_THIS) == identity[0]:
                connection.invalidate()
                refuse()

    event.listen(Engine, "do_connect", before_connect)
    event.listen(Engine, "before_cursor_execute", before_statement)
    try:
        yield refused
    finally:
        event.remove(Engine, "do_connect", before_connect)
        event.remove(Engine, "before_cursor_execute", before_statement)


def address(parameters: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return host, port and database of what a driver gets in order to connect."""
    name = parameters.get("database", parameters.get("dbname"))
    return str(parameters.get("host")), str(parameters.get("port", 5432)), str(name)


def address_of(dsn: str) -> tuple[str, str, str]:
    """Return host, port and database that a DSN leads to."""
    url = make_url(dsn)
    return address(url.get_dialect()().create_connect_args(url)[1])


def identity_of(dsn: str) -> object:
    """Return what a database is known by on any connection; if it doesn't answer, what none is."""

    async def look() -> object:
        async with admin_connection(dsn) as connection:
            return (await connection.exec_driver_sql(IDENTITY_OF_THIS)).scalar()

    try:
        return run_async(look())
    except Exception:  # a server that isn't there can't be reached by another name either
        return object()
