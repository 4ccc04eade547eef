"""pytest-sqla: each test in a transaction that is rolled back.

As its README has it: Alembic in an overridden `sqla_schema`, the application's own session
options, and one event loop for all tests, with which it keeps connections in a pool and costs
least. It leaves making a database to others: here to session level's fixture.
"""

pytest_plugins = (
    "pytest_sqla.plugin",
    "project.defaults",
    "project.testing.one_loop",
    "benchmarks.pytest_sqla.fixtures",
)
