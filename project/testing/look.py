"""Whether a database is as the migrations left it: asked, and mended, in one round trip.

A row of PostgreSQL says in `xmin` which transaction wrote it, and the catalogue's rows do so too.
What is newer than the clone, or no longer there, is what a test has changed. So no list of tables
is needed, and no copy of their rows:

- rows newer than the clone are deleted;
- a row of the migrations that is missing has been changed or deleted: that can't be mended;
- a row of the catalogue that is newer or missing is a change of the schema: that can't be either.

What a superuser changes in PostgreSQL's own functions, types and operators isn't seen: there are
thousands of them.

https://www.postgresql.org/docs/current/ddl-system-columns.html
"""

from dataclasses import dataclass

from asyncpg import Connection, Record

from .database.likeness import literal

WHOLE_NAMES = "SET search_path = pg_catalog"  # each table's is written with its schema
FIRST_OID = 16384  # the objects below it came with the server

# Statistics change by themselves. A large object's content is read by a superuser alone.
CATALOGUES = """
SELECT c.relname, a.attname, t.typname = 'oid' AS indexed
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared
  AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject')
  AND has_table_privilege(c.oid, 'SELECT')
  AND a.attnum = CASE c.relname WHEN 'pg_depend' THEN 2 ELSE 1 END
ORDER BY c.relname
"""
# Beside the rows above FIRST_OID, those of the server's own that a database's owner may change.
WHOLE = {
    "pg_namespace": r"nspname !~ '^pg_(toast_)?temp_'",
    "pg_extension": "true",
    "pg_language": "true",
    "pg_largeobject_metadata": "true",
}
OTHERS = (
    "SELECT xmin FROM pg_description WHERE objoid = ANY (ARRAY(SELECT oid FROM pg_namespace))",
    "SELECT xmin FROM pg_description WHERE objoid = ANY (ARRAY(SELECT oid FROM pg_extension))",
    "SELECT xmin FROM pg_database WHERE datname = current_database()",
    "SELECT s.xmin FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase"
    " WHERE d.datname = current_database()",
)
# Partitioned tables hold no rows themselves. A table whose rows this role can't see is known by
# its size, which grows with the first row.
TABLES = f"""
SELECT c.oid, c.oid::regclass::text AS name, c.relkind = 'r' AS deletable,
  has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid) AS visible,
  pg_relation_size(c.oid) AS size
FROM pg_class AS c
WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) AND c.relpersistence <> 't'
  AND c.oid >= {FIRST_OID}
ORDER BY c.oid
"""
SEQUENCES = f"""
SELECT oid::regclass::text AS name, has_sequence_privilege(oid, 'SELECT') AS visible FROM pg_class
WHERE relkind = 'S' AND relpersistence <> 't' AND oid >= {FIRST_OID} ORDER BY oid
"""
# Who is in a transaction holds a lock, and locks are for everybody to see, whoever holds them. To
# list them takes a while: not where all sessions are idle, and are those of the pool, just reset.
# The server's own processes, such as autovacuum's, have no user.
SESSIONS = """
pg_stat_get_activity(NULL) AS s JOIN pg_database AS d ON d.oid = s.datid
WHERE d.datname = current_database() AND s.pid <> pg_backend_pid()
  AND s.usesysid IS NOT NULL
"""
FUNCTION = """
CREATE FUNCTION pg_temp.look_and_mend(
    horizon xid, objects bigint, quiet bigint, pooled bigint, OUT reason text, OUT next_quiet bigint
) LANGUAGE plpgsql AS $look$
DECLARE
    changed text[];
BEGIN
    -- No transaction has written since the last look if this number is the same as then.
    next_quiet := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    IF (SELECT count(*) FILTER (WHERE s.state = 'idle') <> $4 OR count(*) <> $4 FROM {sessions})
        AND EXISTS (SELECT FROM pg_lock_status() AS l WHERE l.pid IN (SELECT s.pid FROM {sessions}))
    THEN
        reason := 'left a transaction or a lock open';
        RETURN;
    END IF;
    IF next_quiet <> quiet AND (
        SELECT count(*) <> $2 OR count(*) FILTER (WHERE age(xmin) <= age($1)) > 0
        FROM ({objects}) AS catalogues
    ) THEN
        reason := 'changed the schema, the settings of the database, or large objects';
        RETURN;
    END IF;
    IF next_quiet <> quiet THEN
        FOR look IN 1..3 LOOP
            changed := array_remove(ARRAY[{rows}]::text[], NULL);
            EXIT WHEN changed = '{{}}';
            reason := 'changed what can''t be put back: ' || (
                SELECT string_agg(substr(it, 2), ', ') FROM unnest(changed) AS it WHERE it ^@ '!');
            IF look = 3 THEN
                reason := 'left rows that DELETE doesn''t remove';
            END IF;
            EXIT WHEN reason IS NOT NULL;
            -- One statement: foreign keys are checked at its end. A trigger on DELETE may write
            -- rows, or keep some, hence another look. A deferred one runs now, not after that, and
            -- each finds its tables without their schema.
            SET CONSTRAINTS ALL IMMEDIATE;
            SET LOCAL search_path TO DEFAULT;
            EXECUTE 'WITH ' || array_to_string(changed, ', ') || ' SELECT' USING $1;
            SET LOCAL search_path TO pg_catalog;
        END LOOP;
    END IF;
    -- Last, for a trigger may use a number up. Some sequences give one without a transaction.
    {set_sequences}
END $look$
"""


@dataclass(frozen=True)
class Schema:
    """What to look at in a database: the same in each clone of a template.

    Args:
        function: the statement that makes the function which looks and mends.
        objects: the query that lists the catalogue's rows, each with its `xmin`.
    """

    function: str
    objects: str


@dataclass(frozen=True)
class Clean:
    """How a clone was before the first test.

    Args:
        horizon: the first transaction that isn't the migrations' or the clone's.
        objects: how many rows the catalogue has.
    """

    horizon: int
    objects: int


async def schema_of(connection: Connection) -> Schema:
    """Read what there is to look at in a migrated database that no test has changed."""
    await connection.execute(WHOLE_NAMES)
    catalogues = await connection.fetch(CATALOGUES)
    objects = " UNION ALL ".join((*map(rows_of_catalogue, catalogues), *OTHERS))
    rows = []
    for number, table in enumerate(await connection.fetch(TABLES)):
        count = 0
        if table["size"] and table["visible"]:
            count = await connection.fetchval(f"SELECT count(*) FROM ONLY {table['name']}")
        rows.append(look_at(table, count, f"d{number}"))
    sequences = []
    for name, visible in await connection.fetch(SEQUENCES):
        if not visible:
            rows.append(literal(f"!{name}"))
            continue
        last, called = await connection.fetchrow(f"SELECT last_value, is_called FROM {name}")
        sequences.append(
            f"SELECT setval({literal(name)}, {last}, {called}) FROM {name}"
            f" WHERE (last_value, is_called) <> ({last}, {called})"
        )
    if await connection.fetchval("SELECT count(*) FROM pg_largeobject_metadata"):
        rows.append("'!the large objects'")
    function = FUNCTION.format(
        sessions=SESSIONS,
        objects=objects,
        rows=", ".join(rows),
        set_sequences=f"PERFORM count(*) FROM ({' UNION ALL '.join(sequences)}) AS mended;"
        if sequences
        else "",
    )
    return Schema(function, objects)


def rows_of_catalogue(catalogue: Record) -> str:
    """Return the query for those rows of a catalogue that aren't the server's own."""
    name, key = catalogue["relname"], catalogue["attname"]
    key = key if catalogue["indexed"] else f"{key}::oid"
    return f"SELECT xmin FROM {name} WHERE {WHOLE.get(name, f'{key} >= {FIRST_OID}')}"


def look_at(table: Record, count: int, part: str) -> str:
    """Return the expression that is NULL if a table is as it was.

    Otherwise it is the part of a statement that deletes what is new, or, where that isn't enough,
    an exclamation mark and the table's name.

    Args:
        table: its row of TABLES.
        count: how many rows it had.
        part: a name for the part of the statement.
    """
    name = table["name"]
    lost = literal(f"!{name}")
    if not table["visible"]:
        filled = f"{table['size']} > 0 OR pg_relation_size({table['oid']}) > 0"
        return f"CASE WHEN {filled} THEN {lost} END"
    delete = f"{part} AS (DELETE FROM ONLY {name}"
    if not count:
        new = literal(f"{delete})") if table["deletable"] else lost
        return f"CASE WHEN EXISTS (SELECT FROM ONLY {name}) THEN {new} END"
    new = literal(f"{delete} WHERE age(xmin) <= age($1))") if table["deletable"] else lost
    return (
        f"(SELECT CASE WHEN count(*) FILTER (WHERE age(xmin) > age($1)) <> {count} THEN {lost}"
        f" WHEN count(*) <> {count} THEN {new} END FROM ONLY {name})"
    )


async def begin(connection: Connection, schema: Schema, objects: int | None = None) -> Clean:
    """Make the function, and note how the clone is now.

    Args:
        connection: to the clone.
        schema: what to look at in it.
        objects: how many rows the catalogue has, where an earlier clone has told.
    """
    await connection.execute(WHOLE_NAMES)
    await connection.execute(schema.function)
    if objects is None:
        objects = await connection.fetchval(f"SELECT count(*) FROM ({schema.objects}) AS objects")
    horizon = "(pg_snapshot_xmax(pg_current_snapshot())::text::bigint % 4294967296)::text::xid"
    return Clean(await connection.fetchval(f"SELECT {horizon}"), objects)
