"""Where a workshop's files are, and its settings: a few variables of the environment."""

import os
import secrets
from pathlib import Path

from project.postgres.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[1]
# Where the hub's own files are: its database, its secrets, PostgreSQL.
FOLDER = Path(os.environ.get("WORKSHOP_DIR", "/srv/clean-database-workshop"))
ADDRESS = os.environ.get("WORKSHOP_URL", "http://:8000")
PARTICIPANTS = int(os.environ.get("WORKSHOP_PARTICIPANTS", "30"))
# A notebook has a few engines, and JupyterLab leaves the kernels of others open.
CONNECTIONS_OF_ONE = 10
SKELETON = FOLDER / "skeleton"


def password() -> str:
    """Return the day's password: WORKSHOP_PASSWORD, or one that is made once and kept."""
    if given := os.environ.get("WORKSHOP_PASSWORD"):
        return given
    file = FOLDER / "password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(8))
    return file.read_text()


def postgres() -> EmbeddedServer:
    """Return the server that all participants share."""
    return EmbeddedServer(FOLDER / "postgres")
