"""py-pglite: PGlite, PostgreSQL as WebAssembly, run by Node; its session empties the tables.

As its README has it: the async session fixture, which runs TRUNCATE before each test, and a folder
that keeps what npm has installed. PGlite has one connection, over psycopg. Its fixtures want
pytest-asyncio's auto mode, and one event loop for all tests. It is a server of its own, so the
settings of the other strategies' server don't reach it.
"""

pytest_plugins = (
    "py_pglite.pytest_plugin",
    "project.defaults",
    "project.testing.one_loop",
    "benchmarks.py_pglite.fixtures",
)
