"""Which PostgreSQL: the server that POSTGRES_DSN names, or an embedded one, started on demand."""

import os

from project.postgres.connection import PostgresError, check
from project.postgres.embedded import EmbeddedServer, names_embedded_server

__all__ = ["PostgresError", "dsn"]


def dsn() -> str:
    """Return the DSN of a server that answers.

    Returns:
        POSTGRES_DSN as it stands, if it is set. Otherwise the DSN of the embedded server, which
        is started if need be and stops when the last process that called this function ends.
        POSTGRES_DSN may also name the embedded server: that one is started again if it is down.

    Raises:
        PostgresError: POSTGRES_DSN is not usable, or the embedded server can't start.
    """
    given = os.environ.get("POSTGRES_DSN")
    if given and not names_embedded_server(given):
        check(given)
        return given
    return EmbeddedServer().use()
