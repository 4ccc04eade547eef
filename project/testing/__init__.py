"""Isolation strategies: each gives every test a clean database, and is one pytest plugin.

pytest -p project.testing.function_level tests/
pytest -p project.testing.session_level tests/
pytest -p project.testing.deletion tests/
pytest -p project.testing.rollback tests/
pytest -p project.testing.template tests/
pytest -p project.testing.restore tests/

A strategy reads POSTGRES_DSN and session fixtures that a conftest.py of yours can override:
`alembic_config` (an `alembic.config.Config`), and under session level and deletion
`target_metadata` (a `sqlalchemy.MetaData`, or a list of them).
This folder stands alone: copied into another package it works there under that package's name.
"""

from importlib import import_module

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
        "schema_differences",
        "session_manager",
        "tables",
    )
)

# These modules import each other before pytest sees them as plugins.
pytest.register_assert_rewrite(*SHARED_FIXTURES)


def fixtures(strategy: str) -> dict[str, object]:
    """Return a strategy's fixtures by their names, for a package that has a database of its own.

    A fixture of the session is made once, whichever conftest.py overrides what it takes. Where the
    packages of one repository have a database each, each one's conftest.py registers the fixtures
    anew, and its overrides stand below: `globals().update(fixtures("session_level"))`.

    Args:
        strategy: the one that the run has loaded, as each of its packages must.

    Raises:
        ModuleNotFoundError: there is no such strategy.
    """
    plugin = import_module(f"{__name__}.{strategy}")
    modules = [*map(import_module, plugin.pytest_plugins), plugin]
    fixture = type(modules[0].dsn_pair)  # the class has no public name
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, fixture)
    }
