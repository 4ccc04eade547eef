"""Proof instead of a name: on which database is a connection, asked of the connection itself.

Two guards listen to every connection that SQLAlchemy makes in this process. `only_on` lets
migrations run on the run's own test database and on no other. `keep_out` refuses what would reach
the original. A driver that is used without SQLAlchemy is seen by neither.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Engine, Pool, event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from .errors import stop
from .lifecycle import ADMIN, admin_connection, comment_of, run_async
from .names import DsnPair, database_of

# A cluster has a number from its initdb, and a database one from its CREATE: no two have both.
# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
WHERE_IS_THIS = (
    "SELECT system_identifier::text || '/' || oid, shobj_description(oid, 'pg_database'),"
    " current_setting('application_name'), datname FROM pg_control_system(), pg_database"
    " WHERE datname = current_database()"
)


class Place(NamedTuple):
    """Where a connection is, and whose it is."""

    identity: str
    comment: str | None
    application: str
    name: str


class WrongDatabaseError(Exception):
    """A connection is on another database than this run's test database."""


def ask(connection: Any, info: dict[Any, Any]) -> Place:
    """Ask a driver's connection below SQLAlchemy's events where it is, once in its life."""
    if Place not in info:
        cursor = connection.cursor()
        try:
            cursor.execute(WHERE_IS_THIS)
            info[Place] = Place(*cursor.fetchone())
        finally:
            cursor.close()
    place: Place = info[Place]
    return place


def place_of(connection: Connection) -> Place:
    """Return where one of SQLAlchemy's connections is."""
    return ask(connection.connection, connection.info)


def is_on(connection: Connection, pair: DsnPair) -> bool:
    """Tell whether a connection is on the database that this run has made."""
    return place_of(connection).comment == comment_of(pair.run)


async def prove(session: AsyncSession | AsyncConnection, pair: DsnPair) -> None:
    """Raise a WrongDatabaseError unless a session is on this run's test database."""
    connection = await session.connection() if isinstance(session, AsyncSession) else session
    if not await connection.run_sync(is_on, pair):
        raise WrongDatabaseError(
            f"The connection is not on this run's test database {pair.name!r}, so nothing is"
            " changed there. Another run may have made that database anew."
        )


def confine(manager: Any, pair: DsnPair) -> None:
    """Have a session manager's engine refuse each statement on another database than the run's.

    Args:
        manager: made by your own factory, perhaps; its `asessionmaker` is bound to one engine.
        pair: the run's databases.
    """

    def about_to_run(connection: Connection, *_: object) -> None:
        if not is_on(connection, pair):
            there = place_of(connection).name
            connection.invalidate()
            raise WrongDatabaseError(
                f"`db` is on {there!r}, and this run's test database is"
                f" {pair.name!r}. Let session_manager_factory use the DSN that it is given."
            )

    if engine := engine_of(manager):
        event.listen(engine.sync_engine, "before_cursor_execute", about_to_run)


def engine_of(manager: Any) -> AsyncEngine | None:
    """Return a session manager's engine, if all its sessions have the same."""
    engine = manager.asessionmaker().bind
    return engine if isinstance(engine, AsyncEngine) else None


@contextmanager
def watching(look: Callable[[Place], None]) -> Iterator[None]:
    """Show `look` where each connection to a PostgreSQL is; if it raises, the connection goes.

    A new one is asked as soon as it is made, before anybody has it. One that was open before is
    asked when a statement is about to be run on it.
    """

    def connected(connection: Any, record: Any) -> None:
        if record.info.get(Dialect, "postgresql") != "postgresql":
            return
        try:
            place = ask(connection, record.info)
            connection.rollback()
        except Exception:  # no PostgreSQL; if it is one, it is asked again before a statement
            return
        try:
            look(place)
        except Exception:
            with suppress(Exception):
                connection.close()
            raise

    def about_to_run(connection: Connection, *_: object) -> None:
        if connection.dialect.name == "postgresql":
            try:
                look(place_of(connection))
            except Exception:
                connection.invalidate()
                raise

    event.listen(Pool, "connect", connected)
    event.listen(Engine, "before_cursor_execute", about_to_run)
    try:
        yield
    finally:
        event.remove(Pool, "connect", connected)
        event.remove(Engine, "before_cursor_execute", about_to_run)


@contextmanager
def only_on(pair: DsnPair) -> Iterator[None]:
    """End the session before Alembic changes anything outside this run's test database.

    An env.py of your own may take its URL from elsewhere, such as your application's settings. So
    each connection is asked where it is. One on another database is closed.
    """
    refused: list[str] = []

    def look(place: Place) -> None:
        if place.application != ADMIN and place.comment != comment_of(pair.run):
            refused.append(
                f"env.py connects to a database {place.name!r} which is not this run's test"
                f" database {pair.name!r}. Nothing has been migrated there. Let it take the URL"
                " from its config's `sqlalchemy.url`."
            )
            raise WrongDatabaseError(refused[0])

    try:
        with watching(look):
            yield
    except WrongDatabaseError as error:
        refused.append(str(error))
    except Exception:
        if not refused:  # else env.py has made another error of it
            raise
    if refused:
        stop(refused[0])


@contextmanager
def keep_out(pair: DsnPair, *others: str) -> Iterator[list[str]]:
    """Refuse each connection to the original that isn't the fixtures' own.

    One that names the original's host, port and database as its DSN does is refused before it is
    made. Any other one is asked where it is, as soon as it is made: a socket and `localhost` may
    lead to one server. Where the original can't be asked what it is, all are refused but those to
    the test database.

    Args:
        pair: the run's databases.
        others: DSNs of further databases that are out of bounds.

    Yields:
        What was refused: a line each. It grows while the guard stands.
    """
    refused: list[str] = []
    originals = dict.fromkeys((str(pair.original), *others))
    addresses = {address_of(dsn) for dsn in originals}
    identities: dict[str, object] = {}

    def refuse(name: str) -> None:
        refused.append(
            f"A connection to the original database {name!r} was refused:"
            f" tests use {pair.name!r}. Read POSTGRES_DSN in a function that runs within the test,"
            " not when a module is imported, and make the engine from it there."
        )
        raise WrongDatabaseError(refused[-1])

    def before_connect(
        dialect: Dialect, record: Any, _: list[Any], parameters: dict[str, Any]
    ) -> None:
        if record is not None:
            record.info[Dialect] = dialect.name
        if dialect.name == "postgresql":
            there = address(parameters)
            settings = parameters.get("server_settings") or {}
            if there in addresses and settings.get("application_name") != ADMIN:
                refuse(there[2])

    def look(place: Place) -> None:
        if place.application == ADMIN or place.comment == comment_of(pair.run):
            return
        for dsn in originals:
            if dsn not in identities:
                try:
                    identities[dsn] = identity_of(dsn)
                except Exception:
                    refuse(f"{place.name}, or another one, since {database_of(dsn)} doesn't answer")
            if place.identity == identities[dsn]:
                refuse(place.name)

    event.listen(Engine, "do_connect", before_connect)
    try:
        with watching(look):
            yield refused
    finally:
        event.remove(Engine, "do_connect", before_connect)


def address(parameters: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return host, port and database of what a driver gets in order to connect."""
    name = parameters.get("database", parameters.get("dbname"))
    return str(parameters.get("host")), str(parameters.get("port", 5432)), str(name)


def address_of(dsn: str) -> tuple[str, str, str]:
    """Return host, port and database that a DSN leads to."""
    url = make_url(dsn)
    return address(url.get_dialect()().create_connect_args(url)[1])


def identity_of(dsn: str) -> str:
    """Return what a database is known by on any connection."""

    async def look() -> str:
        async with admin_connection(dsn) as connection:
            return str((await connection.exec_driver_sql(WHERE_IS_THIS)).scalar_one())

    return run_async(look())
