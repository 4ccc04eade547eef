"""Isolation strategies: each gives every test a clean database, and is one pytest plugin.

pytest -p project.testing.function_level tests/
pytest -p project.testing.session_level tests/
pytest -p project.testing.deletion tests/
pytest -p project.testing.rollback tests/
pytest -p project.testing.template tests/
pytest -p project.testing.restore tests/

A strategy reads POSTGRES_DSN and two session fixtures that a conftest.py of yours can override:
`alembic_config` (an `alembic.config.Config`) and `target_metadata` (a `sqlalchemy.MetaData`).
This folder stands alone: copied into another package it works there under that package's name.
"""

import pytest

STRATEGIES = ("function_level", "session_level", "deletion", "rollback", "template", "restore")

# What every strategy comes with, each strategy's `pytest_plugins`.
SHARED_FIXTURES = tuple(
    f"{__name__}.{module}"
    for module in (
        "database.fixtures",
        "database.guards",
        "database.keeping",
        "migrations",
        "session_manager",
        "tables",
    )
)

# These modules import each other before pytest sees them as plugins.
pytest.register_assert_rewrite(*SHARED_FIXTURES)
