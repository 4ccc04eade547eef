"""Where the database is, and its migrations: there is no alembic.ini."""

import os

from alembic.config import Config


def database_url() -> str:
    """Return the database's URL."""
    return os.environ["POSTGRES_DSN"]


def migrations() -> Config:
    """Return the migrations in this package, wherever it is installed."""
    config = Config()
    config.set_main_option("script_location", "packaged_migrations:migrations")
    config.set_main_option("path_separator", "os")
    return config
