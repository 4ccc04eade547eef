"""Isolation strategies: each gives every test a clean database, and is one pytest plugin.

pytest -p project.testing.function_level tests/
pytest -p project.testing.session_level tests/
pytest -p project.testing.deletion tests/
pytest -p project.testing.rollback tests/
pytest -p project.testing.template tests/

A strategy reads POSTGRES_DSN and two session fixtures that a conftest.py of yours can override:
`alembic_config` (an `alembic.config.Config`) and `target_metadata` (a `sqlalchemy.MetaData`).
"""

import pytest

# What every strategy comes with, each strategy's `pytest_plugins`.
SHARED_FIXTURES = (
    "project.testing.database",
    "project.testing.migrations",
    "project.testing.product",
)

# These modules import each other before pytest sees them as plugins.
pytest.register_assert_rewrite(*SHARED_FIXTURES)
