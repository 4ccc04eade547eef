"""Which tables session level and deletion empty: those of `target_metadata` that are there."""

from collections.abc import Iterable
from typing import NamedTuple

import pytest
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection

from .database.errors import stop
from .database.guards import say
from .look import FIRST_OID

# Alembic's own table is known by its column, which is its only one or has a key that Alembic has
# named: one of yours may begin with a column of that name. An extension's table is known by whom it
# belongs to. A table's DELETE fires the triggers of its partitions and heirs, too.
OF_ALEMBIC = (
    "(EXISTS (SELECT FROM pg_attribute"
    " WHERE attrelid = c.oid AND attname = 'version_num' AND attnum = 1)"
    " AND (c.relnatts = 1 OR EXISTS (SELECT FROM pg_constraint"
    " WHERE conrelid = c.oid AND contype = 'p' AND conname = c.relname || '_pkc')))"
)
IN_DATABASE = f"""
SELECT c.oid, c.oid::regclass::text AS name, c.relkind = 'm' AS is_view,
  c.relrowsecurity
    OR EXISTS (
      WITH RECURSIVE parts AS (
        SELECT c.oid UNION SELECT inhrelid FROM pg_inherits JOIN parts ON inhparent = parts.oid)
      SELECT FROM pg_trigger JOIN parts ON tgrelid = parts.oid
      WHERE NOT tgisinternal AND tgtype & 8 > 0)
    OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid AND ev_type = '4') AS keeps_rows
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE (c.relkind IN ('r', 'p') AND NOT c.relispartition OR c.relkind = 'm' AND c.relispopulated)
  AND c.oid >= {FIRST_OID} AND n.nspname !~ '^pg_'
  AND NOT {OF_ALEMBIC}
  AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
ORDER BY c.oid
"""


class Found(NamedTuple):
    """The tables of a database, quoted.

    Args:
        names: all that are to be emptied.
        keeping: those of them that may keep rows from a DELETE: by a trigger, a rule, row security.
        views: the materialized views, in an order in which they can be refreshed.
    """

    names: list[str]
    keeping: list[str]
    views: list[str]


class Tables:
    """The tables to empty, looked up in the database once.

    Args:
        metadata: your `target_metadata`: one MetaData, or several.
        config: pytest's, in order to say which tables it leaves out.
    """

    def __init__(self, metadata: MetaData | Iterable[MetaData], config: pytest.Config) -> None:
        several = [metadata] if isinstance(metadata, MetaData) else list(metadata)
        self._tables = [table for one in several for table in one.tables.values()]
        self._config = config
        self._found: Found | None = None
        if not self._tables:
            stop(
                "The fixture `target_metadata` returns a MetaData without a table, so nothing would"
                " be emptied. Import your models before: a table is in it once its module is."
            )

    async def read(self, connection: AsyncConnection) -> Found:
        """Return those tables of the metadata that the database has."""
        if self._found is None:
            preparer = connection.dialect.identifier_preparer
            assert connection.sync_connection
            options = connection.sync_connection.get_execution_options()
            schemas = options.get("schema_translate_map") or {}
            given = []
            for table in self._tables:
                schema = schemas.get(table.schema, table.schema)
                prefix = f"{preparer.quote_schema(schema)}." if schema else ""
                given.append(prefix + preparer.format_table(table, use_schema=False))
            numbers = await connection.exec_driver_sql(
                "SELECT to_regclass(name)::oid FROM unnest($1::text[]) AS name", (given,)
            )
            mine = set(numbers.scalars())
            rows = (await connection.exec_driver_sql(IN_DATABASE)).all()
            tables = [row for row in rows if not row.is_view]
            self._found = Found(
                [row.name for row in tables if row.oid in mine],
                [row.name for row in tables if row.oid in mine and row.keeps_rows],
                [row.name for row in rows if row.is_view],
            )
            if others := [row.name for row in tables if row.oid not in mine]:
                say(
                    self._config,
                    f"Not emptied, since target_metadata doesn't name them: {', '.join(others)}."
                    " If they have models, import these; if not, see the strategy restore.",
                )
        return self._found


@pytest.fixture(scope="session")
def _clean_db_tables(target_metadata: MetaData, pytestconfig: pytest.Config) -> Tables:
    """Return the tables to empty after each test."""
    return Tables(target_metadata, pytestconfig)
