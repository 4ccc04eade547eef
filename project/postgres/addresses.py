"""Where the embedded server is found: its folder, its socket, its DSN."""

import os
import re
import socket
from pathlib import Path
from urllib.parse import quote_plus

import platformdirs

from project.postgres.connection import DRIVER, PostgresError
from project.postgres.messages import WAY_OUT
from project.postgres.users import is_root

APP = "clean-database-for-every-test"
DATABASE = "example_db"
PORT = "5432"  # a part of the socket's name; no port is opened
LONGEST_SOCKET_PATH = 103  # bytes: what macOS allows; Linux allows four more


def chosen_folder() -> Path:
    """Return the folder that PROJECT_POSTGRES_DIR names, or else the user's own for this project.

    Root's home is closed to the user that runs the server for it, so root has one in /var/lib.
    """
    named = os.environ.get("PROJECT_POSTGRES_DIR")
    if not named and is_root():
        return Path("/var/lib", APP)
    try:
        folder = Path(named or platformdirs.user_data_path(APP)).expanduser()
    except RuntimeError:
        raise PostgresError(
            "You have no home folder (HOME is unset) to keep PostgreSQL's data in. Name a folder in"
            f" PROJECT_POSTGRES_DIR. {WAY_OUT}"
        ) from None
    if not folder.is_absolute():
        raise PostgresError(
            f"PROJECT_POSTGRES_DIR is {str(folder)!r}, which is another folder wherever you are,"
            f" with another server in it. Name its full path. {WAY_OUT}"
        )
    return folder


def can_hold_socket(folder: Path) -> bool:
    """Tell whether a socket in a folder has a path that can be used."""
    short = len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH
    return short and "," not in str(folder)  # a comma separates hosts in a DSN


def socket_dsn(folder: Path, port: str = PORT) -> str:
    """Return the DSN of a server whose socket is in a folder.

    Only what would mean something else in a DSN is escaped. Most paths need no `%`.
    """
    escaped = re.sub(r"[%&+#;\s]", lambda found: quote_plus(found[0]), str(folder))
    return f"{DRIVER}://postgres@/{DATABASE}?host={escaped}&port={port}"


def tcp_dsn(port: str, password: str) -> str:
    """Return the DSN of a server that listens on a port of 127.0.0.1."""
    return f"{DRIVER}://postgres:{password}@127.0.0.1:{port}/{DATABASE}"


def free_port() -> str:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def is_free(port: str) -> bool:
    """Tell whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        try:
            taken.bind(("127.0.0.1", int(port)))
        except (OSError, ValueError, OverflowError):
            return False
    return True
