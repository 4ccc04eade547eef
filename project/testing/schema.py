"""Two databases' schemas, compared by what PostgreSQL's catalogue says of them.

One is made by the migrations, the other by the models: a fault on one side alone isn't seen by
tests that run on the other. What exists was looked at first, and serves something else:

- Alembic's own comparison, `alembic check`, writes the next revision. It compares the database
  with the models, not with what they make, and leaves out primary keys, check and exclusion
  constraints, most constraints' names, enums' values, indexes' conditions and methods, and more;
- migra is at its end, and its successor, `results`, writes a script of SQL that alters one
  database into the other. It asks for a driver and a parser of its own;
- two texts of `pg_dump --schema-only` differ wherever two columns stand in another order, as they
  do after each ADD COLUMN. A server's `pg_dump` has to be installed, and not be older than it.

So the comparison is written here, a line for each difference. The order of a table's columns,
rights, owners and tablespaces are no part of it.

https://www.postgresql.org/docs/current/catalogs.html
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from asyncpg import Connection, PostgresError

from .database.lifecycle import admin_connection
from .look import FIRST_OID
from .objects import objects_in
from .tables import OF_ALEMBIC

MIGRATIONS, MODELS = "in the migrations", "in the models"
# What is in this schema is written without its name, and all else with it.
NAMES = "SET search_path = public"


def own(catalogue: str, oid: str, namespace: str) -> str:
    """Return the condition that an object is neither the server's own nor an extension's."""
    return (
        f"{oid} >= {FIRST_OID} AND {namespace}::regnamespace::text !~ '^pg_'"
        f" AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = '{catalogue}'::regclass"
        f" AND objid = {oid} AND deptype = 'e')"
    )


OF_SEQUENCE = """
'start', nullif('START ' || seqstart, 'START 1'),
'increment', nullif('INCREMENT ' || seqincrement, 'INCREMENT 1'),
'minimum', nullif('MINVALUE ' || seqmin, 'MINVALUE ' || CASE WHEN seqincrement > 0 THEN 1
  ELSE CASE seqtypid WHEN 'int2'::regtype THEN -32768 WHEN 'int4'::regtype THEN -2147483648
    ELSE -9223372036854775808 END END),
'maximum', nullif('MAXVALUE ' || seqmax, 'MAXVALUE ' || CASE WHEN seqincrement < 0 THEN -1
  ELSE CASE seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
    ELSE 9223372036854775807 END END),
'cache', nullif('CACHE ' || seqcache, 'CACHE 1'), 'cycle', CASE WHEN seqcycle THEN 'CYCLE' END
"""
# Each row is a part of the schema: what it is, the table that it belongs to, its name, and what
# there is to say of it. A fact that isn't there is NULL, and is left out.
PARTS = f"""
WITH relation AS (
  SELECT c.*, c.oid::regclass::text AS place, CASE
    WHEN relispartition THEN 'partition' WHEN relkind IN ('r', 'p') THEN 'table'
    WHEN relkind = 'v' THEN 'view' WHEN relkind = 'm' THEN 'materialized view'
    WHEN relkind = 'f' THEN 'foreign table' END AS kind
  FROM pg_class AS c
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND {own("pg_class", "c.oid", "relnamespace")}
    AND NOT {OF_ALEMBIC}
), owned AS (
  SELECT d.refobjid AS attrelid, d.refobjsubid AS attnum, sequence.* FROM pg_sequence AS sequence
  JOIN pg_depend AS d ON classid = 'pg_class'::regclass AND objid = seqrelid AND refobjsubid > 0
    AND refclassid = 'pg_class'::regclass AND (deptype = 'i' OR deptype = 'a' AND EXISTS (
      SELECT FROM pg_attrdef JOIN pg_depend AS use ON use.classid = 'pg_attrdef'::regclass
        AND use.objid = pg_attrdef.oid AND use.refobjid = seqrelid
      WHERE adrelid = d.refobjid AND adnum = d.refobjsubid))
)
SELECT kind, place, '' AS name, jsonb_build_object(
  'definition', CASE WHEN kind LIKE '%view' THEN 'AS ' || btrim(pg_get_viewdef(oid), E' ;\\n') END,
  'logged', CASE relpersistence WHEN 'u' THEN 'UNLOGGED' END,
  'partitions', 'PARTITION BY ' || pg_get_partkeydef(oid),
  'bound', pg_get_expr(relpartbound, oid),
  'parents', (
    SELECT 'INHERITS (' || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) || ')'
    FROM pg_inherits WHERE inhrelid = oid AND NOT relispartition),
  'security', CASE WHEN relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' END,
  'forced security', CASE WHEN relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END,
  'replicated', CASE relreplident WHEN 'n' THEN 'REPLICA IDENTITY NOTHING'
    WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'i' THEN 'REPLICA IDENTITY USING INDEX ' || (
      SELECT indexrelid::regclass FROM pg_index WHERE indrelid = oid AND indisreplident) END,
  'options', (
    SELECT 'WITH (' || string_agg(option, ', ' ORDER BY option) || ')' FROM (
      SELECT unnest(reloptions) AS option UNION ALL SELECT 'toast.' || unnest(t.reloptions)
      FROM pg_class AS t WHERE t.oid = relation.reltoastrelid) AS o),
  'comment', 'COMMENT ' || quote_literal(obj_description(oid, 'pg_class'))
) AS facts FROM relation
UNION ALL
SELECT 'column', place, quote_ident(attname), jsonb_build_object(
  'type', format_type(atttypid, atttypmod),
  'collation', CASE WHEN attcollation <> typcollation
    THEN 'COLLATE ' || attcollation::regcollation::text END,
  'null', CASE WHEN attnotnull THEN 'NOT NULL' END,
  'value', CASE
    WHEN attidentity = 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
    WHEN attidentity = 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY'
    WHEN attgenerated = 's' THEN 'GENERATED ALWAYS AS ' || pg_get_expr(adbin, adrelid) || ' STORED'
    WHEN attgenerated = 'v' THEN 'GENERATED ALWAYS AS ' || pg_get_expr(adbin, adrelid)
    WHEN atttypid < {FIRST_OID} AND pg_get_expr(adbin, adrelid) ~ '^NULL::[a-z ]+$' THEN NULL
    ELSE 'DEFAULT ' || pg_get_expr(adbin, adrelid) END,
  'comment', 'COMMENT ' || quote_literal(col_description(attrelid, attnum))
) || CASE WHEN seqrelid IS NULL THEN '{{}}' ELSE jsonb_build_object(
  'counts', CASE WHEN seqtypid <> atttypid
    THEN 'a sequence of the type ' || format_type(seqtypid, NULL) END, {OF_SEQUENCE}) END
FROM pg_attribute JOIN relation ON relation.oid = attrelid JOIN pg_type AS t ON t.oid = atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
LEFT JOIN owned USING (attrelid, attnum)
WHERE attnum > 0 AND NOT attisdropped AND kind NOT LIKE '%view'
UNION ALL
SELECT CASE contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique constraint'
    WHEN 'c' THEN 'check constraint' WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclusion' END,
  place, quote_ident(conname), jsonb_build_object(
    'definition', pg_get_constraintdef(c.oid),
    'options', (SELECT 'WITH (' || array_to_string(reloptions, ', ') || ')' FROM pg_class AS i
      WHERE i.oid = conindid AND contype IN ('p', 'u')),
    'comment', 'COMMENT ' || quote_literal(obj_description(c.oid, 'pg_constraint')))
FROM pg_constraint AS c JOIN relation ON relation.oid = conrelid
WHERE contype IN ('p', 'u', 'c', 'f', 'x') AND conparentid = 0
UNION ALL
SELECT 'index', place, i.indexrelid::regclass::text, jsonb_build_object(
  'definition', CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END
    || regexp_replace(pg_get_indexdef(indexrelid), '^.*? USING ', ''),
  'valid', CASE WHEN NOT indisvalid THEN 'INVALID' END)
FROM pg_index AS i JOIN relation ON relation.oid = indrelid
WHERE NOT EXISTS (
    SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
  AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)
UNION ALL
SELECT 'trigger', place, quote_ident(tgname), jsonb_build_object(
  'definition', pg_get_triggerdef(t.oid)
    || CASE tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ', disabled' ELSE ', enabled always' END)
FROM pg_trigger AS t JOIN relation ON relation.oid = tgrelid
WHERE NOT tgisinternal AND tgparentid = 0
UNION ALL
SELECT 'policy', place, quote_ident(polname), jsonb_build_object(
  'definition', CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END || ' FOR ' ||
    CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
      WHEN 'd' THEN 'DELETE' ELSE 'ALL' END || ' TO ' || (
      SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END, ', '
        ORDER BY role) FROM unnest(polroles) AS role)
    || coalesce(' USING ' || pg_get_expr(polqual, polrelid), '')
    || coalesce(' WITH CHECK ' || pg_get_expr(polwithcheck, polrelid), ''))
FROM pg_policy JOIN relation ON relation.oid = polrelid
UNION ALL
SELECT 'sequence', '', seqrelid::regclass::text, jsonb_build_object(
  'type', 'of the type ' || format_type(seqtypid, NULL), {OF_SEQUENCE})
FROM pg_sequence JOIN pg_class AS c ON c.oid = seqrelid
WHERE {own("pg_class", "c.oid", "relnamespace")}
  AND NOT EXISTS (SELECT FROM owned WHERE owned.seqrelid = c.oid)
UNION ALL
SELECT 'enum', '', t.oid::regtype::text, jsonb_build_object('values', (
  SELECT string_agg(CASE WHEN enumlabel ~ '^[^,''[:space:]]([^,'']*[^,''[:space:]])?$'
    THEN enumlabel ELSE quote_literal(enumlabel) END, ', ' ORDER BY enumsortorder)
  FROM pg_enum WHERE enumtypid = t.oid))
FROM pg_type AS t WHERE typtype = 'e' AND {own("pg_type", "t.oid", "typnamespace")}
UNION ALL
SELECT 'domain', '', t.oid::regtype::text, jsonb_build_object(
  'type', format_type(typbasetype, typtypmod), 'collation', (
    SELECT 'COLLATE ' || t.typcollation::regcollation FROM pg_type AS base
    WHERE base.oid = t.typbasetype AND base.typcollation <> t.typcollation),
  'null', CASE WHEN typnotnull THEN 'NOT NULL' END,
  'value', 'DEFAULT ' || typdefault, 'checks', (
    SELECT string_agg(named || pg_get_constraintdef(oid), ' ' ORDER BY conname)
    FROM pg_constraint, concat('CONSTRAINT ' || quote_ident(
      nullif(conname, left(typname || '_check', 63)::name)) || ' ') AS named
    WHERE contypid = t.oid AND contype = 'c'))
FROM pg_type AS t WHERE typtype = 'd' AND {own("pg_type", "t.oid", "typnamespace")}
UNION ALL
SELECT 'function', '', p.oid::regprocedure::text, jsonb_build_object(
  'definition', CASE WHEN prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END)
FROM pg_proc AS p WHERE {own("pg_proc", "p.oid", "pronamespace")}
"""
# A part of a model has no form for these, so the migrations alone may make them.
BEYOND = ("view", "materialized view", "foreign table", "partition", "trigger", "function",
          "policy")  # fmt: skip
BEYOND_FACTS = ("security", "forced security", "replicated")
# What `objects_in` calls the parts that have facts above, or are a part of such a one.
KNOWN = re.compile(
    r"a value of |the (((foreign )?table|(materialized )?view|index|sequence)( column| constraint)?"
    r"|domain constraint|default value|trigger|function|procedure|aggregate|policy) "
)
# What goes with a table or a view, and isn't a part of it from the beginning.
ADDED = re.compile(r'the (statistics object |rule (?!"_RETURN"))')
# What a column's sequence does, where it has one on both sides.
COUNTING = ("counts", "start", "increment", "minimum", "maximum", "cache", "cycle")
LONGEST = 200  # letters of a fact in a line
ZONES = ("UTC", "Etc/GMT+12", "Etc/GMT-14")
# A foreign key's actions and what else a constraint's definition ends with.
ENDINGS = re.compile(
    r" ((ON DELETE|ON UPDATE) (?:NO ACTION|RESTRICT|CASCADE|SET (?:NULL|DEFAULT)(?: \([^)]*\))?)"
    r"|(DEFERRABLE)(?: INITIALLY DEFERRED)?|(MATCH) FULL|(NOT VALID)|(NOT ENFORCED)|(NO INHERIT))$"
)


class Part(NamedTuple):
    """A part of a schema: `foreign key`, the table `key`, `key_user_id_fkey`."""

    kind: str
    place: str
    name: str

    def __str__(self) -> str:
        if self.kind in ("table", *BEYOND) and not self.name:
            return f"{self.kind} {self.place}"
        what = f"{self.kind} {self.name}".strip()
        return f"table {self.place}: {what}" if self.place else what


Facts = dict[str, str]
Schema = dict[Part, Facts]


async def schema_differences(migrated: str, made: str, *, beyond: bool = False) -> list[str]:
    """Compare a migrated database with one that the models have made: a line for each difference.

    Args:
        migrated: the DSN of the one that the migrations have made.
        made: the DSN of the one that the models have made.
        beyond: say, too, what only the migrations have and a model has no form for: views,
            functions, triggers, extensions, and the like.
    """
    async with driver_of(migrated) as there, driver_of(made) as here:
        left, right = await schema_of(there), await schema_of(here)
        for part in left.keys() & right.keys():
            mine, theirs = left[part], right[part]
            if mine.get("type") == theirs.get("type") and await is_one_value(
                here, mine.get("value", ""), theirs.get("value", ""), mine.get("type", "")
            ):
                theirs["value"] = mine["value"]
    return list(compare(left, right, beyond=beyond))


async def read_schema(dsn: str) -> Schema:
    """Read a database's schema, to see later what has become of it."""
    async with driver_of(dsn) as connection:
        return await schema_of(connection)


@asynccontextmanager
async def driver_of(dsn: str) -> AsyncIterator[Connection]:
    """Connect to a database: asyncpg's own connection."""
    async with admin_connection(dsn) as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, Connection)
        yield driver


async def schema_of(connection: Connection) -> Schema:
    """Read a database's schema: what there is, and what there is to say of each part.

    Parts of a kind that has no facts of its own, such as an extension or a rule, have a name.
    """
    await connection.execute(NAMES)
    schema: Schema = {}
    for row in await connection.fetch(f"SELECT kind, place, name, facts::text FROM ({PARTS}) AS p"):
        facts = {name: fact for name, fact in json.loads(row["facts"]).items() if fact is not None}
        schema[Part(row["kind"], row["place"], row["name"])] = split(facts)
    found = await objects_in(connection)
    named = {part.name for part in schema if part.kind in ("enum", "domain")}
    numbers = {number for number, _ in found}
    for seen in found.values():
        name = re.sub(r"\bpublic\.", "", seen.name.removeprefix("the "))
        goes_with = any(whole in numbers for whole in seen.wholes) and not ADDED.match(seen.name)
        if not goes_with and not KNOWN.match(seen.name) and name.removeprefix("type ") not in named:
            schema[Part("", "", name)] = {}
    return schema


def split(facts: Facts) -> Facts:
    """Take off a constraint's definition what it ends with, such as `ON DELETE CASCADE`."""
    while found := ENDINGS.search(facts.get("definition", "")):
        facts["definition"] = facts["definition"][: found.start()]
        facts[next(filter(None, found.groups()[1:]))] = found[1]
    return facts


async def is_one_value(connection: Connection, one: str, other: str, kind: str) -> bool:
    """Tell whether two defaults of a column are two spellings of one value.

    PostgreSQL keeps `0` and `'0'::numeric` apart, and CURRENT_TIMESTAMP and now(). What is equal
    today may not be so tomorrow, for another role or elsewhere: a fixed value and one that is
    computed are two, and the computed ones are compared in several time zones, of which two have
    different dates at any time. The second statement of a transaction has another time than the
    transaction.
    """
    one, told, one_value = one.partition("DEFAULT ")
    other, told_too, other_value = other.partition("DEFAULT ")
    if one or other or not told or not told_too or one_value == other_value:
        return False
    if "nextval(" in one_value + other_value:
        return False
    values = (one_value, other_value)
    transaction = connection.transaction()
    await transaction.start()
    try:
        fixed = [await is_fixed(connection, value, kind) for value in values]
        columns = ", ".join(
            f"{name} {kind} DEFAULT {it}" for name, it in zip("ab", values, strict=True)
        )
        await connection.execute(f"CREATE TEMPORARY TABLE two ({columns})")
        same = []
        for zone in ZONES:
            await connection.execute(f"SET LOCAL TimeZone = '{zone}'")
            insert = "INSERT INTO pg_temp.two DEFAULT VALUES RETURNING a::text = b::text"
            same.append(await connection.fetchval(insert))
        return fixed[0] == fixed[1] and all(same)
    except PostgresError:
        return False
    finally:
        await transaction.rollback()


async def is_fixed(connection: Connection, value: str, kind: str) -> bool:
    """Tell whether a default is the same at any time and for everyone, as a generated column is."""
    column = f"it {kind} GENERATED ALWAYS AS ({value}) STORED"
    try:
        async with connection.transaction():
            await connection.execute(f"CREATE TEMPORARY TABLE one ({column})")
            await connection.execute("DROP TABLE pg_temp.one")
    except PostgresError:
        return False
    return True


def compare(migrated: Schema, made: Schema, *, beyond: bool = False) -> Iterator[str]:
    """Yield a line for each difference between two schemas, table by table.

    A part of what is missing as a whole isn't said. A model may stand for a view: its table is
    then no difference.
    """
    there, here = tables_of(migrated), tables_of(made)
    mapped = {
        name
        for name, kind in here.items()
        if kind == "table" and there.get(name, "table") not in ("table", "partition")
    }
    made = {part: facts for part, facts in made.items() if part.place not in mapped}
    migrated = {
        part: facts for part, facts in migrated.items() if part.place not in mapped or not part.name
    }
    renamed = dict(pairs(migrated, made))
    for part in sorted({*migrated, *made}, key=in_order):
        within = part.name and part.place  # of a table
        if part in migrated and part in made:
            yield from facts_apart(str(part), migrated[part], made[part], beyond=beyond)
        elif part in renamed:
            other, what = renamed[part], f"table {part.place}: {part.kind}"
            yield f"{what}: called {part.name} {MIGRATIONS}, {other.name} {MODELS}"
            yield from facts_apart(f"{what} {part.name}", migrated[part], made[other])
        elif part in renamed.values():
            continue
        elif part in made:
            if not within or part.place in there:
                yield f"{part}: only {MODELS}"
        elif (not within or part.place in here) and (beyond or part.kind not in ("", *BEYOND)):
            yield f"{part}: only {MIGRATIONS}"


def tables_of(schema: Schema) -> dict[str, str]:
    """Return the tables, views and the like of a schema by name, each with its kind."""
    return {part.place: part.kind for part in schema if part.place and not part.name}


def pairs(migrated: Schema, made: Schema) -> Iterator[tuple[Part, Part]]:
    """Yield the constraints and indexes that have two names and one definition."""
    free = [part for part in made if part not in migrated]
    for part in sorted(set(migrated) - set(made)):
        if not part.place or part.kind in ("column", *BEYOND):
            continue
        definition = migrated[part].get("definition")
        for other in free:
            alike = (other.kind, other.place) == (part.kind, part.place)
            if alike and part.name and made[other].get("definition") == definition:
                free.remove(other)
                yield part, other
                break


def in_order(part: Part) -> tuple[str, int, str, str]:
    """Return where a part stands: by its table, that itself first, then its columns."""
    kinds = ("column", "primary key")
    rank = kinds.index(part.kind) + 1 if part.kind in kinds else len(kinds) + 1
    return part.place, rank if part.name else 0, part.kind, part.name


def facts_apart(what: str, mine: Facts, theirs: Facts, *, beyond: bool = False) -> Iterator[str]:
    """Yield a line for each fact that two sides have differently."""
    for name in {**mine, **theirs}:
        one, other = mine.get(name, ""), theirs.get(name, "")
        if one == other or (name in COUNTING and mine.get("value") != theirs.get("value")):
            continue
        if name in BEYOND_FACTS and not other and not beyond:
            continue
        long = short(one) == short(other)  # line breaks apart
        one, other = short(one, long=long), short(other, long=long)
        if not one:
            yield f"{what}: {other} {MODELS}, not {MIGRATIONS}"
        elif not other:
            yield f"{what}: {one} {MIGRATIONS}, not {MODELS}"
        else:
            yield f"{what}: {one} {MIGRATIONS}, {other} {MODELS}"


def short(fact: str, *, long: bool = False) -> str:
    """Return a fact on one line; of a long one the beginning, and what tells it from others."""
    line = re.sub(r"\s*\n\s*", " ", fact).strip()
    if len(line) <= LONGEST and not long:
        return line
    return f"{line[:LONGEST]}… ({hashlib.sha256(fact.encode()).hexdigest()[:8]})"
