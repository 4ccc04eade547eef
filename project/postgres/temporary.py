"""A server for a while, to change settings on that would harm any other."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from project.postgres.connection import CONNECT_SECONDS, execute, without_pg_variables
from project.postgres.embedded import EmbeddedServer


@contextmanager
def temporary_server() -> Iterator[str]:
    """Start a server of its own in a temporary folder; yield its DSN; stop and remove it.

    Raises:
        PostgresError: it can't start.
    """
    with (
        without_pg_variables(),
        tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        folder.chmod(0o711)  # where root starts a server, it runs as another user
        server = EmbeddedServer(folder)
        try:
            yield server.start()
        finally:
            server.stop()


def set_up(dsn: str, settings: Mapping[str, str]) -> None:
    """Change a server's settings for all its databases, at once; without any, back to stock.

    Args:
        dsn: of a superuser.
        settings: by name. Only those that a running server can take up.
    """
    url = make_url(dsn)
    changes = [f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()]
    for statement in ("ALTER SYSTEM RESET ALL", *changes, "SELECT pg_reload_conf()"):
        execute(url, statement, CONNECT_SECONDS)
