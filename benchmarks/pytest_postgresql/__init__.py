"""pytest-postgresql: `load` migrates a template once per session, and each test gets a clone.

As its README has it: `postgresql_noproc` for a server that runs already, a loading function for
the template, and the client fixture `postgresql` for the test's database.
"""

pytest_plugins = (
    "pytest_postgresql.plugin",
    "project.defaults",
    "benchmarks.pytest_postgresql.fixtures",
)
