"""The application's engine, sessions and migrations, all made by one configuration."""

from pathlib import Path

from advanced_alchemy.config import AlembicAsyncConfig, EngineConfig, SQLAlchemyAsyncConfig
from sqlalchemy.pool import Pool

MIGRATIONS = Path(__file__).parent / "migrations"


def configuration(url: str, poolclass: type[Pool] | None = None) -> SQLAlchemyAsyncConfig:
    """Return the configuration for a database."""
    return SQLAlchemyAsyncConfig(
        connection_string=url,
        engine_config=EngineConfig(poolclass=poolclass) if poolclass else EngineConfig(),
        alembic_config=AlembicAsyncConfig(script_location=str(MIGRATIONS)),
    )
