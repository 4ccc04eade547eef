"""pytest-sqlalchemy-alembic: one migrated database per session.

As its README has it: a sessionmaker that it binds to the test database. It says nothing of
emptying tables between tests, and does not. Its fixtures want pytest-asyncio's auto mode.
"""

pytest_plugins = (
    "pytest_sqlalchemy_alembic.plugin",
    "project.defaults",
    "project.testing.one_loop",
    "benchmarks.pytest_sqlalchemy_alembic.fixtures",
)
