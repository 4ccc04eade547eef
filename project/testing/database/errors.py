"""What goes wrong, in one line: PostgreSQL's codes, and the ways to end a run."""

from typing import NoReturn

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

# PostgreSQL's codes for errors, whose texts depend on the server's language:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
DUPLICATE_DATABASE = "42P04"
INSUFFICIENT_PRIVILEGE = "42501"
LOCK_NOT_AVAILABLE = "55P03"
OBJECT_IN_USE = "55006"
QUERY_CANCELED = "57014"
# No such type or operator class, function, table, schema.
UNDEFINED = ("42704", "42883", "42P01", "3F000")


def sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's code for an error, also where SQLAlchemy has wrapped it."""
    return getattr(getattr(error, "orig", error), "sqlstate", None)


def first_line(error: BaseException) -> str:
    """Return the first line of what the driver said, without SQLAlchemy's frame around it."""
    if isinstance(error, TimeoutError):
        return "it doesn't answer in time"
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(original).removeprefix(f"{type(original)}: ").split(">: ", 1)[-1].partition("\n")[0]


def quote(connection: AsyncConnection, name: str) -> str:
    """Quote an identifier."""
    return connection.dialect.identifier_preparer.quote_identifier(name)


def stop(message: str) -> NoReturn:
    """End the pytest session with one line."""
    pytest.exit(message, returncode=pytest.ExitCode.USAGE_ERROR)
