"""Alembic's environment, of its generic kind (`alembic init`), online only."""

from alembic import context
from sqlalchemy import engine_from_config, pool

from psycopg_ledger.ledger import Base, database_url

config = context.config
if not config.get_main_option("sqlalchemy.url"):
    config.set_main_option("sqlalchemy.url", database_url().replace("%", "%%"))

section = config.get_section(config.config_ini_section, {})
engine = engine_from_config(section, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
