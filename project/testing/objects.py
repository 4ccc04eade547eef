"""What a database's schema has, and the difference between two clones of one template."""

from typing import NamedTuple

from asyncpg import Connection

from .look import FIRST_OID

WITH_OID = """
SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared
  AND a.attname = 'oid' AND a.attnum > 0 AND has_table_privilege(c.oid, 'SELECT')
  AND c.relname NOT IN ('pg_largeobject_metadata', 'pg_enum')
"""
# An object that goes with another one, such as a table's row type, is a part of it. So is what an
# extension brings, and an enum's value.
OBJECTS = f"""
SELECT (classid, objid)::text AS object, objsubid AS part, xmin::text AS version,
  article || ' ' || described.type || ' ' || described.identity AS name, ARRAY(
    SELECT (refclassid, refobjid)::text FROM pg_depend AS d
    WHERE d.classid = it.classid AND d.objid = it.objid AND d.deptype IN ('a', 'i', 'e')
    UNION ALL SELECT (named_by, named)::text WHERE named <> objid
  ) AS wholes
FROM (
  SELECT 'the' AS article, 'pg_class'::regclass::oid AS classid, attrelid AS objid,
    attnum::int AS objsubid, a.xmin, 'pg_class'::regclass::oid AS named_by, attrelid AS named
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
  WHERE attnum > 0 AND NOT attisdropped AND attrelid >= {FIRST_OID}
    AND relkind IN ('r', 'v', 'm', 'p')
  UNION ALL
  SELECT 'a value of the', tableoid, oid, 0, xmin, 'pg_type'::regclass, enumtypid FROM pg_enum
  UNION ALL {{catalogues}}
) AS it, pg_identify_object(named_by, named, objsubid) AS described
WHERE described.identity NOT LIKE 'pg_temp%' AND described.identity NOT LIKE 'pg_toast%'
"""


class Seen(NamedTuple):
    """One object of a schema."""

    version: str
    name: str
    wholes: list[str]


Objects = dict[tuple[str, int], Seen]  # by its number in the catalogue, and a column's in its table


async def objects_in(connection: Connection) -> Objects:
    """Return what a database's schema has."""
    catalogues = " UNION ALL ".join(
        f"SELECT 'the', {name}.tableoid, oid, 0, xmin, {name}.tableoid, oid FROM {name}"
        f" WHERE oid >= {FIRST_OID}"
        for (name,) in await connection.fetch(WITH_OID)
    )
    return {
        (row["object"], row["part"]): Seen(row["version"], row["name"], row["wholes"])
        for row in await connection.fetch(OBJECTS.format(catalogues=catalogues))
    }


def differences(before: Objects, after: Objects) -> list[str]:
    """Say what a test has added, changed and dropped. Two clones have the same numbers.

    What goes with something else that was added or dropped isn't said, nor is a table's change if
    a column's is.

    Args:
        before: a clean clone's objects.
        after: those of the clone that the test had.
    """
    verbs = dict.fromkeys(after.keys() - before.keys(), "added")
    verbs |= dict.fromkeys(before.keys() - after.keys(), "dropped")
    both = before.keys() & after.keys()
    verbs |= {key: "changed" for key in both if before[key].version != after[key].version}
    whole = {name: verb for (name, part), verb in verbs.items() if not part}
    of_a_part = {name for name, part in verbs if part}
    lines = []
    for (name, part), verb in sorted(verbs.items()):
        seen = after.get((name, part)) or before[name, part]
        goes_with = [name, *seen.wholes] if part else seen.wholes
        if any(whole.get(other) == verb != "changed" for other in goes_with):
            continue
        if verb != "changed" or part or name not in of_a_part:
            lines.append(f"{verb} {seen.name}")
    return lines
