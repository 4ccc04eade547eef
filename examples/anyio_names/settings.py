"""Where the database is."""

import os


def database_url() -> str:
    """Return the database's URL."""
    return os.environ["POSTGRES_DSN"]
