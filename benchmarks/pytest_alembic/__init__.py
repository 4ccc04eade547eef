"""pytest-alembic: its `alembic_runner` migrates up before each test, and down after it.

It is made to test migrations, not to isolate tests: this is function level, with the runner in the
place of Alembic's commands. It leaves making a database to others: here to session level's fixture.
"""

pytest_plugins = (
    "pytest_alembic.plugin",
    "project.defaults",
    "benchmarks.pytest_alembic.fixtures",
)
