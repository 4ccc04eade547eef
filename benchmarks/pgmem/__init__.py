"""pgmem: PostgreSQL as WebAssembly, in memory; each test gets a fork of a migrated server.

As its README has it: migrations in an overridden session fixture, `pgmem_dsn` for each test. It is
a server of its own, so the settings of the other strategies' server don't reach it.
"""

pytest_plugins = (
    "pgmem.pytest_plugin",
    "project.defaults",
    "benchmarks.pgmem.fixtures",
)
