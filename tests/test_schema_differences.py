"""The migrations' schema against the models': each difference is a line, and equal ones are none.

Of each pair one side is made by `create_all` and the other by Alembic, and then the other way
round. Beside it stands what `alembic check` finds, with types and server defaults compared.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.operations import Operations
from alembic.operations.ops import OpContainer
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Connection,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE, ExcludeConstraint

from project.testing import STRATEGIES
from project.testing.database.lifecycle import (
    admin_connection,
    create_database,
    drop_database,
    is_ours,
    run_async,
)
from project.testing.database.names import DsnPair, SecretDsn, database_of, make_test_dsn
from project.testing.schema import schema_differences
from project.testing.schema_differences import SIDES, beside, drop_compared, made_for_this
from project.testing.template import drop_templates
from tests.runs import run
from tests.servers import Server, database, databases, query

NAMED = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
Items = Callable[[], list[Any]]  # a column belongs to one table, so each is made anew
Schema = Callable[[], MetaData]


def item(
    items: Items = list, *, convention: dict[str, str] | None = None, **keywords: Any
) -> Schema:
    """A table `item` with an id and further columns or constraints; beside it a table `person`."""

    def make() -> MetaData:
        metadata = MetaData(naming_convention=convention)
        Table("person", metadata, Column("id", Integer, primary_key=True))
        own = items()
        if not any(isinstance(it, PrimaryKeyConstraint) for it in own):
            own.insert(0, Column("id", Integer, primary_key=True))
        Table("item", metadata, *own, **keywords)
        return metadata

    return make


def person(**keywords: Any) -> Items:
    """A foreign key from `item` to `person`."""
    return lambda: [Column("person_id", ForeignKey("person.id", **keywords))]


def column(kind: Any, *arguments: Any, **keywords: Any) -> Items:
    return lambda: [Column("it", kind, *arguments, **keywords)]


def with_column(kind: Any, *others: Callable[[], Any], **keywords: Any) -> Items:
    return lambda: [Column("it", kind, **keywords), *(other() for other in others)]


def enum(*values: str, **keywords: Any) -> Items:
    return lambda: [Column("it", Enum(*values, name="mood", **keywords))]


@dataclass
class Pair:
    """Two schemas that differ in one thing.

    Args:
        name: what differs.
        models: one schema, which `create_all` makes.
        migrations: the other one, which Alembic makes.
        then: what the migrations execute after that, in SQL.
        lines: what is to be said; with `then` alone in one direction.
        alembic: the operations that `alembic check` finds, and its warnings. Mostly none.
    """

    name: str
    models: Schema
    migrations: Schema
    lines: list[str]
    alembic: str = ""
    then: list[str] = field(default_factory=list)


PLAIN = item()
STRING = item(column(String(50)))
PAIRS = [
    Pair(
        "a table",
        PLAIN,
        lambda: MetaData(),
        ["table item: only in the models", "table person: only in the models"],
        "add_table add_table",
    ),
    Pair("a column", STRING, PLAIN, ["table item: column it: only in the models"], "add_column"),
    Pair(
        "a type",
        STRING,
        item(column(Text)),
        ["table item: column it: text in the migrations, character varying(50) in the models"],
        "modify_type",
    ),
    Pair(
        "a length",
        STRING,
        item(column(String(60))),
        [
            "table item: column it: character varying(60) in the migrations,"
            " character varying(50) in the models"
        ],
        "modify_type",
    ),
    Pair(
        "a time zone",
        item(column(DateTime)),
        item(column(DateTime(timezone=True))),
        [
            "table item: column it: timestamp with time zone in the migrations,"
            " timestamp without time zone in the models"
        ],
        "modify_type",
    ),
    Pair(
        "an array",
        item(column(ARRAY(Integer))),
        item(column(ARRAY(BigInteger))),
        ["table item: column it: bigint[] in the migrations, integer[] in the models"],
        "modify_type",
    ),
    Pair(
        "a collation",
        item(column(String(collation="C"))),
        item(column(String)),
        ['table item: column it: COLLATE "C" in the models, not in the migrations'],
    ),
    Pair(
        "NOT NULL",
        item(column(Text, nullable=False)),
        item(column(Text)),
        ["table item: column it: NOT NULL in the models, not in the migrations"],
        "modify_nullable",
    ),
    Pair(
        "a default",
        item(column(Integer, server_default="1")),
        item(column(Integer)),
        ["table item: column it: DEFAULT 1 in the models, not in the migrations"],
        "modify_default",
    ),
    Pair(
        "another default",
        item(column(Text, server_default="a")),
        item(column(Text, server_default="b")),
        [
            "table item: column it: DEFAULT 'b'::text in the migrations, DEFAULT 'a'::text in the"
            " models"
        ],
        "modify_default",
    ),
    Pair(
        "the default's function",
        item(column(DateTime, server_default=func.now())),
        item(column(DateTime, server_default=func.clock_timestamp())),
        [
            "table item: column it: DEFAULT clock_timestamp() in the migrations, DEFAULT now() in"
            " the models"
        ],
        "modify_default",
    ),
    Pair(
        "an identity",
        item(column(Integer, Identity())),
        item(column(Integer, nullable=False)),
        [
            "table item: column it: GENERATED BY DEFAULT AS IDENTITY in the models, not in the"
            " migrations"
        ],
        "modify_default",
    ),
    Pair(
        "the identity's kind",
        item(column(Integer, Identity())),
        item(column(Integer, Identity(always=True))),
        [
            "table item: column it: GENERATED ALWAYS AS IDENTITY in the migrations, GENERATED BY"
            " DEFAULT AS IDENTITY in the models"
        ],
        "modify_default",
    ),
    Pair(
        "the identity's start",
        item(column(Integer, Identity(start=1))),
        item(column(Integer, Identity(start=1000))),
        ["table item: column it: START 1000 in the migrations, not in the models"],
        "modify_default",
    ),
    Pair(
        "an identity for a serial",
        item(lambda: [Column("it", Integer, Identity()), PrimaryKeyConstraint("it")]),
        item(lambda: [Column("it", Integer, autoincrement=True), PrimaryKeyConstraint("it")]),
        [
            "table item: column it: DEFAULT nextval('item_it_seq'::regclass) in the migrations,"
            " GENERATED BY DEFAULT AS IDENTITY in the models"
        ],
        "modify_default",
    ),
    Pair(
        "a generated column",
        item(column(Integer, Computed("id * 2", persisted=True))),
        item(column(Integer)),
        [
            "table item: column it: GENERATED ALWAYS AS (id * 2) STORED in the models, not in the"
            " migrations"
        ],
        "warning",
    ),
    Pair(
        "what a generated column computes",
        item(column(Integer, Computed("id * 2", persisted=True))),
        item(column(Integer, Computed("id * 3", persisted=True))),
        [
            "table item: column it: GENERATED ALWAYS AS (id * 3) STORED in the migrations,"
            " GENERATED ALWAYS AS (id * 2) STORED in the models"
        ],
        "warning",
    ),
    Pair(
        "a primary key",
        item(lambda: [Column("id", Integer, autoincrement=False), PrimaryKeyConstraint("id")]),
        item(lambda: [Column("id", Integer, nullable=False), PrimaryKeyConstraint()]),
        ["table item: primary key item_pkey: only in the models"],
    ),
    Pair(
        "the primary key's columns",
        item(
            lambda: [
                Column("id", Integer, autoincrement=False),
                Column("it", Integer, nullable=False),
                PrimaryKeyConstraint("id"),
            ]
        ),
        item(
            lambda: [
                Column("id", Integer),
                Column("it", Integer, nullable=False),
                PrimaryKeyConstraint("id", "it"),
            ]
        ),
        [
            "table item: primary key item_pkey: PRIMARY KEY (id, it) in the migrations, PRIMARY KEY"
            " (id) in the models"
        ],
    ),
    Pair(
        "the primary key's name",
        PLAIN,
        item(lambda: [Column("id", Integer), PrimaryKeyConstraint("id", name="pk_item")]),
        ["table item: primary key: called pk_item in the migrations, item_pkey in the models"],
    ),
    Pair(
        "a foreign key",
        item(person()),
        item(lambda: [Column("person_id", Integer)]),
        ["table item: foreign key item_person_id_fkey: only in the models"],
        "add_fk",
    ),
    Pair(
        "ON DELETE",
        item(person()),
        item(person(ondelete="CASCADE")),
        [
            "table item: foreign key item_person_id_fkey: ON DELETE CASCADE in the migrations,"
            " not in the models"
        ],
        "remove_fk add_fk",
    ),
    Pair(
        "another ON DELETE",
        item(person(ondelete="SET NULL")),
        item(person(ondelete="CASCADE")),
        [
            "table item: foreign key item_person_id_fkey: ON DELETE CASCADE in the migrations, ON"
            " DELETE SET NULL in the models"
        ],
        "remove_fk add_fk",
    ),
    Pair(
        "ON UPDATE",
        item(person(onupdate="CASCADE")),
        item(person()),
        [
            "table item: foreign key item_person_id_fkey: ON UPDATE CASCADE in the models, not in"
            " the migrations"
        ],
        "remove_fk add_fk",
    ),
    Pair(
        "when a foreign key is checked",
        item(person(deferrable=True, initially="DEFERRED")),
        item(person()),
        [
            "table item: foreign key item_person_id_fkey: DEFERRABLE INITIALLY DEFERRED in the"
            " models, not in the migrations"
        ],
        "remove_fk add_fk",
    ),
    Pair(
        "a foreign key's name",
        item(person(name="fk_person")),
        item(person()),
        [
            "table item: foreign key: called item_person_id_fkey in the migrations, fk_person in"
            " the models"
        ],
    ),
    Pair(
        "a foreign key that isn't validated",
        item(person()),
        item(person()),
        [
            "table item: foreign key item_person_id_fkey: NOT VALID in the migrations, not in the"
            " models"
        ],
        then=[
            "ALTER TABLE item DROP CONSTRAINT item_person_id_fkey, ADD CONSTRAINT"
            " item_person_id_fkey FOREIGN KEY (person_id) REFERENCES person (id) NOT VALID"
        ],
    ),
    Pair(
        "a unique constraint",
        item(column(Text, unique=True)),
        item(column(Text)),
        ["table item: unique constraint item_it_key: only in the models"],
        "add_constraint",
    ),
    Pair(
        "a unique constraint's name",
        item(with_column(Text, lambda: UniqueConstraint("it", name="one"))),
        item(with_column(Text, lambda: UniqueConstraint("it", name="other"))),
        ["table item: unique constraint: called other in the migrations, one in the models"],
        "remove_constraint add_constraint",
    ),
    Pair(
        "NULLS NOT DISTINCT",
        item(with_column(Text, lambda: UniqueConstraint("it", postgresql_nulls_not_distinct=True))),
        item(with_column(Text, lambda: UniqueConstraint("it"))),
        [
            "table item: unique constraint item_it_key: UNIQUE (it) in the migrations, UNIQUE NULLS"
            " NOT DISTINCT (it) in the models"
        ],
    ),
    Pair(
        "a check constraint",
        item(with_column(Integer, lambda: CheckConstraint("it > 0", name="positive"))),
        item(column(Integer)),
        ["table item: check constraint positive: only in the models"],
    ),
    Pair(
        "what a check constraint says",
        item(with_column(Integer, lambda: CheckConstraint("it > 0", name="positive"))),
        item(with_column(Integer, lambda: CheckConstraint("it >= 0", name="positive"))),
        [
            "table item: check constraint positive: CHECK ((it >= 0)) in the migrations, CHECK"
            " ((it > 0)) in the models"
        ],
    ),
    Pair(
        "an exclusion constraint",
        item(with_column(TSTZRANGE, lambda: ExcludeConstraint(("it", "&&"), name="one_at_a_time"))),
        item(column(TSTZRANGE)),
        ["table item: exclusion one_at_a_time: only in the models"],
    ),
    Pair(
        "an index",
        item(column(Text, index=True)),
        item(column(Text)),
        ["table item: index ix_item_it: only in the models"],
        "add_index",
    ),
    Pair(
        "an index's columns",
        item(with_column(Text, lambda: Index("ix", "it", "id"))),
        item(with_column(Text, lambda: Index("ix", "it"))),
        ["table item: index ix: btree (it) in the migrations, btree (it, id) in the models"],
        "remove_index add_index",
    ),
    Pair(
        "a unique index",
        item(column(Text, index=True, unique=True)),
        item(column(Text, index=True)),
        [
            "table item: index ix_item_it: btree (it) in the migrations, UNIQUE btree (it) in the"
            " models"
        ],
        "remove_index add_index",
    ),
    Pair(
        "an index's condition",
        item(with_column(Text, lambda: Index("ix", "it", postgresql_where=text("id > 5")))),
        item(with_column(Text, lambda: Index("ix", "it", postgresql_where=text("id > 6")))),
        [
            "table item: index ix: btree (it) WHERE (id > 6) in the migrations, btree (it) WHERE"
            " (id > 5) in the models"
        ],
    ),
    Pair(
        "an index's expression",
        item(with_column(Text, lambda: Index("ix", text("lower(it)")))),
        item(with_column(Text, lambda: Index("ix", text("upper(it)")))),
        [
            "table item: index ix: btree (upper(it)) in the migrations, btree (lower(it)) in the"
            " models"
        ],
        "remove_index add_index",
    ),
    Pair(
        "an index's method",
        item(with_column(JSONB, lambda: Index("ix", "it", postgresql_using="gin"))),
        item(with_column(JSONB, lambda: Index("ix", "it"))),
        ["table item: index ix: btree (it) in the migrations, gin (it) in the models"],
    ),
    Pair(
        "what an index includes",
        item(with_column(Text, lambda: Index("ix", "it", postgresql_include=["id"]))),
        item(with_column(Text, lambda: Index("ix", "it"))),
        [
            "table item: index ix: btree (it) in the migrations, btree (it) INCLUDE (id) in the"
            " models"
        ],
    ),
    Pair(
        "an index that has failed",
        item(column(Text, index=True)),
        item(column(Text, index=True)),
        ["table item: index ix_item_it: INVALID in the migrations, not in the models"],
        then=["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_item_it'::regclass"],
    ),
    Pair(
        "a value of an enum",
        item(enum("a", "b", "c")),
        item(enum("a", "b")),
        ["enum mood: a, b in the migrations, a, b, c in the models"],
    ),
    Pair(
        "the order of an enum",
        item(enum("a", "b")),
        item(enum("b", "a")),
        ["enum mood: b, a in the migrations, a, b in the models"],
    ),
    Pair(
        "an enum that is left over",
        item(),
        item(),
        ["enum mood: only in the migrations"],
        then=["CREATE TYPE mood AS ENUM ('a', 'b')"],
    ),
    Pair(
        "a sequence",
        item(),
        item(),
        ["sequence number: only in the migrations"],
        then=["CREATE SEQUENCE number"],
    ),
    Pair(
        "a table's comment",
        item(comment="what is sold"),
        item(),
        ["table item: COMMENT 'what is sold' in the models, not in the migrations"],
        "add_table_comment",
    ),
    Pair(
        "a column's comment",
        item(column(Text, comment="one")),
        item(column(Text, comment="two")),
        ["table item: column it: COMMENT 'two' in the migrations, COMMENT 'one' in the models"],
        "modify_comment",
    ),
    Pair(
        "a schema",
        item(schema="audit"),
        item(),
        ["table audit.item: only in the models", "table item: only in the migrations"],
        "add_table remove_table",
    ),
    Pair(
        "a table's options",
        item(postgresql_with={"fillfactor": 70}),
        item(),
        ["table item: WITH (fillfactor=70) in the models, not in the migrations"],
    ),
    Pair(
        "an unlogged table",
        item(),
        item(prefixes=["UNLOGGED"]),
        ["table item: UNLOGGED in the migrations, not in the models"],
    ),
    Pair(
        "a partitioned table",
        item(postgresql_partition_by="RANGE (id)"),
        item(),
        ["table item: PARTITION BY RANGE (id) in the models, not in the migrations"],
    ),
    Pair(
        "the type of a serial's sequence",
        item(),
        item(),
        [
            "table item: column id: a sequence of the type bigint in the migrations, not in the"
            " models"
        ],
        then=["ALTER SEQUENCE item_id_seq AS bigint"],
    ),
]

# Schemas of which nothing is to be said, whoever makes them: PostgreSQL spells much of it anew.
EQUAL: dict[str, Schema] = {
    "naming conventions": item(
        lambda: [
            Column("it", Text, index=True),
            Column("one", Text, unique=True),
            Column("person_id", ForeignKey("person.id", ondelete="CASCADE")),
            CheckConstraint("it <> ''", name="filled"),
        ],
        convention=NAMED,
    ),
    "identity and serial": item(
        lambda: [
            Column("id", BigInteger, Identity(always=True, start=5, increment=2, cycle=True)),
            Column("it", BigInteger, autoincrement=True),
            PrimaryKeyConstraint("it"),
        ]
    ),
    "server defaults": item(
        lambda: [
            Column("a", String(10), server_default="x"),
            Column("b", Numeric(4, 2), server_default=text("0")),
            Column("c", Boolean, server_default=text("false")),
            Column("d", DateTime(timezone=True), server_default=func.now()),
            Column("e", DateTime, server_default=text("CURRENT_TIMESTAMP")),
            Column("f", JSONB, server_default="{}"),
            Column("g", ARRAY(Text), server_default=text("'{}'")),
            Column("h", Uuid, server_default=func.gen_random_uuid()),
            Column("i", Date, server_default=text("now() + interval '1 day'")),
        ]
    ),
    "partial and expression indexes": item(
        lambda: [
            Column("it", Text),
            Index("ix_lower", text("lower(it)")),
            Index("ix_some", "it", unique=True, postgresql_where=text("it IN ('a', 'b')")),
            Index("ix_down", text("it DESC NULLS LAST")),
        ]
    ),
    "enums": item(lambda: [Column("it", Enum("a", "b", name="mood"), server_default="a"),
                           Column("other", Enum("x", "y", name="checked", native_enum=False,
                                                create_constraint=True))]),
    "comments": item(column(Text, comment="it's"), comment="what is sold"),
    "generated columns": item(column(Integer, Computed("id * 2", persisted=True))),
    "schemas": item(lambda: [Column("it", Enum("a", name="mood", schema="audit"))],
                    schema="audit"),
    "names to quote": item(
        lambda: [Column("Some Name", Text, index=True), Column("user", Text, unique=True)]
    ),
    "keys of two columns": item(
        lambda: [
            Column("a", Integer),
            Column("b", Integer),
            PrimaryKeyConstraint("b", "a"),
            ForeignKeyConstraint(["a"], ["person.id"], deferrable=True, initially="DEFERRED"),
        ]
    ),
    "a sequence of its own": item(
        lambda: [
            Column("it", Integer, Sequence("number"), server_default=text("nextval('number')"))
        ]
    ),
}  # fmt: skip


async def empty(dsn: str) -> None:
    """Take everything out of a database."""
    async with admin_connection(dsn) as connection:
        await connection.exec_driver_sql("DROP EXTENSION IF EXISTS vector")
        await connection.exec_driver_sql("DROP FOREIGN DATA WRAPPER IF EXISTS far CASCADE")
        for schema in ("public", "audit", "it"):
            await connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        for schema in ("public", "audit"):
            await connection.exec_driver_sql(f"CREATE SCHEMA {schema}")


def by_create_all(connection: Connection, metadata: MetaData) -> None:
    metadata.create_all(connection)


def by_alembic(connection: Connection, metadata: MetaData) -> None:
    """Run the operations that Alembic writes into a first revision, and its own table."""
    context = MigrationContext.configure(connection, opts={"include_schemas": True})
    context._ensure_version_table()
    for sequence in metadata._sequences.values():  # autogenerate leaves them out
        sequence.create(connection, checkfirst=True)
    steps = produce_migrations(context, metadata).upgrade_ops
    assert steps
    with Operations.context(context) as operations:

        def go(container: OpContainer) -> None:
            for step in container.ops:
                if isinstance(step, OpContainer):
                    go(step)
                else:
                    operations.invoke(step)

        go(steps)


async def make(
    dsn: str, maker: Callable[[Connection, MetaData], None], metadata: MetaData, *then: str
) -> None:
    await empty(dsn)
    async with admin_connection(dsn) as connection:
        await connection.run_sync(maker, metadata)
        for statement in then:
            await connection.exec_driver_sql(statement)


def alembic_check(dsn: str, metadata: MetaData) -> list[str]:
    """What `alembic check` says of a migrated database: the names of the operations."""

    def look(connection: Connection) -> list[str]:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "include_schemas": True},
        )
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            found = compare_metadata(context, metadata)
        operations = [it[0] if isinstance(it, tuple) else it[0][0] for it in found]
        return [*operations, *("warning" for _ in warned)]

    async def run() -> list[str]:
        async with admin_connection(dsn) as connection:
            return await connection.run_sync(look)

    return run_async(run())


@pytest.fixture(scope="module")
def sides(os_environ_patch: None) -> Iterator[tuple[str, str]]:
    """Two databases: one for the migrations, one for the models."""
    original = os.environ["POSTGRES_DSN_ORIGINAL"]
    with database(original, "a_side") as migrated, database(original, "b_side") as made:
        yield migrated, made


def differences(
    sides: tuple[str, str], models: MetaData, migrations: MetaData, *then: str, beyond: bool = False
) -> list[str]:
    migrated, made = sides

    async def compare() -> list[str]:
        await make(made, by_create_all, models)
        await make(migrated, by_alembic, migrations, *then)
        return await schema_differences(migrated, made, beyond=beyond)

    return run_async(compare())


TWO_SIDED = re.compile(r"(.*: )(called )?(.*) in the migrations, (.*) in the models")


def mirrored(line: str) -> str:
    """What is said with the sides exchanged."""
    if "not in the" not in line and (found := TWO_SIDED.fullmatch(line)):
        what, called, one, other = found.groups(default="")
        return f"{what}{called}{other} in the migrations, {one} in the models"
    swapped = {"migrations": "models", "models": "migrations"}
    return re.sub("migrations|models", lambda found: swapped[found[0]], line)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_what_differs_is_said(pair: Pair, sides: tuple[str, str]) -> None:
    assert differences(sides, pair.models(), pair.migrations(), *pair.then) == pair.lines
    assert alembic_check(sides[0], pair.models()) == pair.alembic.split()


@pytest.mark.thorough
@pytest.mark.parametrize("pair", [it for it in PAIRS if not it.then], ids=lambda pair: pair.name)
def test_the_other_way_round(pair: Pair, sides: tuple[str, str]) -> None:
    said = differences(sides, pair.migrations(), pair.models())
    assert sorted(said) == sorted(map(mirrored, pair.lines))


@pytest.mark.parametrize("name", EQUAL)
def test_equal_schemas_have_no_difference(name: str, sides: tuple[str, str]) -> None:
    assert differences(sides, EQUAL[name](), EQUAL[name](), beyond=True) == []


# Two spellings of one default: text() as it is, and a string that SQLAlchemy quotes.
SPELLINGS = [
    (Numeric(4, 2), text("0"), "0"),
    (DateTime(timezone=True), func.now(), text("CURRENT_TIMESTAMP")),
    (DateTime, func.now(), text("LOCALTIMESTAMP")),
    (Boolean, text("true"), "t"),
    (JSONB, "{}", text("'{ }'")),
    (Integer, text("60 * 60"), "3600"),
]


@pytest.mark.parametrize(("kind", "one", "other"), SPELLINGS)
def test_two_spellings_of_a_default_are_one(
    kind: Any, one: Any, other: Any, sides: tuple[str, str]
) -> None:
    schemas = [item(column(kind, server_default=it))() for it in (one, other)]
    assert differences(sides, schemas[0], schemas[1]) == []


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (DateTime(timezone=True), func.now(), func.clock_timestamp()),
        (DateTime(timezone=True), func.now(), func.statement_timestamp()),
        (Uuid, func.gen_random_uuid(), text("md5(random()::text)::uuid")),
        (Integer, text("1 / 1"), text("1 / 0")),
        (Text, text("CURRENT_USER"), "postgres"),  # who runs this
        (Date, "today", text("CURRENT_DATE")),  # the day of the migration
        (DateTime, func.now(), text("(now() AT TIME ZONE 'utc')")),  # on a server in London
        (Date, text("CURRENT_DATE"), text("(now() AT TIME ZONE 'utc')")),
        (Integer, text("floor(random())"), "0"),
        (String(5), "abcdef", "abcde"),  # too long, which an INSERT refuses
        (Integer, text("nextval('one')"), text("nextval('other')")),
    ],
)
def test_two_defaults_that_may_look_alike_are_two(
    kind: Any, one: Any, other: Any, sides: tuple[str, str]
) -> None:
    schemas = [item(column(kind, server_default=it))() for it in (one, other)]
    for metadata in schemas:
        Sequence("one", metadata=metadata)
        Sequence("other", metadata=metadata)
    assert len(differences(sides, schemas[0], schemas[1])) == 1


# What a model has no form for.
BEYOND = {
    "view it": ["CREATE VIEW it AS SELECT id FROM item"],
    "materialized view it": ["CREATE MATERIALIZED VIEW it AS SELECT id FROM item",
                             "CREATE UNIQUE INDEX ix ON it (id)"],
    "function it()": ["CREATE FUNCTION it() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
    "schema it": ["CREATE SCHEMA it"],
    "extension vector": ["CREATE EXTENSION vector"],
    "table item: policy it": ["CREATE POLICY it ON item"],
    'rule it on item': ["CREATE RULE it AS ON DELETE TO item DO INSTEAD NOTHING"],
    "statistics object it": ["CREATE STATISTICS it ON id, (id + 1) FROM item"],
    "type it": ["CREATE TYPE it AS (a int)"],
    "table item: trigger it": [
        "CREATE TRIGGER it BEFORE UPDATE ON item FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", BEYOND)
def test_what_a_model_has_no_form_for_is_told_apart(what: str, sides: tuple[str, str]) -> None:
    assert differences(sides, PLAIN(), PLAIN(), *BEYOND[what]) == []
    said = differences(sides, PLAIN(), PLAIN(), *BEYOND[what], beyond=True)
    assert said == [f"{what}: only in the migrations"]


def test_what_a_table_is_told_beyond_its_model_is_told_apart(sides: tuple[str, str]) -> None:
    secured = "ALTER TABLE item ENABLE ROW LEVEL SECURITY, REPLICA IDENTITY FULL"
    assert differences(sides, PLAIN(), PLAIN(), secured) == []
    assert len(differences(sides, PLAIN(), PLAIN(), secured, beyond=True)) == 2


def test_a_partition_is_told_apart(sides: tuple[str, str]) -> None:
    schema = item(postgresql_partition_by="RANGE (id)")
    cut = "CREATE TABLE first PARTITION OF item FOR VALUES FROM (1) TO (9)"
    assert differences(sides, schema(), schema(), cut) == []
    said = differences(sides, schema(), schema(), cut, beyond=True)
    assert said == ["partition first: only in the migrations"]


SEEN = [
    ["CREATE VIEW seen AS SELECT id FROM item"],
    ["CREATE MATERIALIZED VIEW seen AS SELECT id FROM item",
     "CREATE UNIQUE INDEX ix ON seen (id)"],
    ["CREATE FOREIGN DATA WRAPPER far", "CREATE SERVER far FOREIGN DATA WRAPPER far",
     "CREATE FOREIGN TABLE seen (id int, more int) SERVER far"],
]  # fmt: skip


@pytest.mark.parametrize("view", SEEN)
def test_a_model_may_stand_for_a_view(view: list[str], sides: tuple[str, str]) -> None:
    models = item()()
    Table("seen", models, Column("id", Integer, primary_key=True))
    assert differences(sides, models, item()(), *view) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(a varchar(5) DEFAULT NULL)", "(a varchar(5))"),
        (
            "(a int) WITH (fillfactor = 70, autovacuum_enabled = false)",
            "(a int) WITH (autovacuum_enabled = false, fillfactor = 70)",
        ),
        ("(a timestamptz DEFAULT '2024-01-01 00:00+00')",
         "(a timestamptz DEFAULT '2024-01-01 02:00+02')"),
        ("(a int, c int, b int)", "(b int, c int, a int)"),
    ],
)  # fmt: skip
def test_two_spellings_of_a_table_are_one(one: str, other: str, sides: tuple[str, str]) -> None:
    migrated, made = sides

    async def compare() -> list[str]:
        await make(migrated, by_alembic, PLAIN(), f"CREATE TABLE it {one}")
        await make(made, by_create_all, PLAIN(), f"CREATE TABLE it {other}")
        return await schema_differences(migrated, made, beyond=True)

    assert run_async(compare()) == []


TRIGGER = (
    "CREATE TRIGGER it BEFORE {} ON item FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("one", "other", "line"),
    [
        (
            "CREATE VIEW it AS SELECT 1 AS one", "CREATE VIEW it AS SELECT 2 AS one",
            "view it: AS SELECT 1 AS one in the migrations, AS SELECT 2 AS one in the models",
        ),
        (
            "CREATE DOMAIN it AS int CHECK (VALUE > 0)", "CREATE DOMAIN it AS int",
            "domain it: CHECK ((VALUE > 0)) in the migrations, not in the models",
        ),
        (
            "CREATE FUNCTION it() RETURNS int LANGUAGE sql RETURN 1",
            "CREATE FUNCTION it() RETURNS int LANGUAGE sql RETURN 2",
            "function it(): CREATE OR REPLACE FUNCTION public.it() RETURNS integer LANGUAGE sql"
            " RETURN 1 in the migrations, CREATE OR REPLACE FUNCTION public.it() RETURNS integer"
            " LANGUAGE sql RETURN 2 in the models",
        ),
        (
            "CREATE FUNCTION it() RETURNS int LANGUAGE sql RETURN 1", "SELECT",
            "function it(): only in the migrations",
        ),
        (
            "CREATE MATERIALIZED VIEW it AS SELECT 1 AS one",
            "CREATE MATERIALIZED VIEW it AS SELECT 2 AS one",
            "materialized view it: AS SELECT 1 AS one in the migrations, AS SELECT 2 AS one in the"
            " models",
        ),
        (
            TRIGGER.format("INSERT"), TRIGGER.format("UPDATE"),
            "table item: trigger it: CREATE TRIGGER it BEFORE INSERT ON public.item FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger() in the migrations, CREATE"
            " TRIGGER it BEFORE UPDATE ON public.item FOR EACH ROW EXECUTE FUNCTION"
            " suppress_redundant_updates_trigger() in the models",
        ),
        (
            "ALTER TABLE item ADD CONSTRAINT it EXCLUDE USING gist (int4range(id, id) WITH &&)",
            "ALTER TABLE item ADD CONSTRAINT it EXCLUDE USING gist (int4range(id, id) WITH =)",
            "table item: exclusion it: EXCLUDE USING gist (int4range(id, id) WITH &&) in the"
            " migrations, EXCLUDE USING gist (int4range(id, id) WITH =) in the models",
        ),
        (
            "ALTER TABLE item ADD CONSTRAINT it FOREIGN KEY (id) REFERENCES person",
            "ALTER TABLE item ADD CONSTRAINT it FOREIGN KEY (id) REFERENCES item",
            "table item: foreign key it: FOREIGN KEY (id) REFERENCES person(id) in the migrations,"
            " FOREIGN KEY (id) REFERENCES item(id) in the models",
        ),
        (
            "CREATE TABLE it () INHERITS (person)", "CREATE TABLE it (id int NOT NULL DEFAULT"
            " nextval('person_id_seq'))",
            "table it: INHERITS (person) in the migrations, not in the models",
        ),
        *(
            (
                f"CREATE SEQUENCE it {option} START 1", "CREATE SEQUENCE it",
                f"sequence it: {option} in the migrations, not in the models",
            )
            for option in ("INCREMENT 2", "MINVALUE 0", "MAXVALUE 9", "CACHE 5", "CYCLE")
        ),
        *(
            (
                f"CREATE SEQUENCE it MAXVALUE {most}", "CREATE SEQUENCE it",
                f"sequence it: MAXVALUE {most} in the migrations, not in the models",
            )
            for most in (32767, 2147483647)  # the most of other types
        ),
        (
            "CREATE SEQUENCE it OWNED BY item.id", "SELECT",
            "sequence it: only in the migrations",
        ),
        (
            "CREATE TABLE it (version_num int PRIMARY KEY, body text)", "SELECT",
            "table it: only in the migrations",
        ),
        (
            "CREATE TABLE it (a text DEFAULT 'a  b')", "CREATE TABLE it (a text DEFAULT 'a b')",
            "table it: column a: DEFAULT 'a  b'::text in the migrations, DEFAULT 'a b'::text in the"
            " models",
        ),
        (
            "CREATE TABLE it (a text DEFAULT 'a\nb')", "CREATE TABLE it (a text DEFAULT 'a b')",
            "table it: column a: DEFAULT 'a b'::text… (8e3157d9) in the migrations, DEFAULT"
            " 'a b'::text… (712267b3) in the models",
        ),
        (
            "CREATE TYPE it AS ENUM ('a, b')", "CREATE TYPE it AS ENUM ('a', 'b')",
            "enum it: 'a, b' in the migrations, a, b in the models",
        ),
        (
            'CREATE DOMAIN it AS text COLLATE "C"', "CREATE DOMAIN it AS text",
            'domain it: COLLATE "C" in the migrations, not in the models',
        ),
        (
            "CREATE DOMAIN it AS int CONSTRAINT one CHECK (VALUE > 0)",
            "CREATE DOMAIN it AS int CHECK (VALUE > 0)",
            "domain it: CONSTRAINT one CHECK ((VALUE > 0)) in the migrations, CHECK ((VALUE > 0))"
            " in the models",
        ),
        (
            "CREATE TABLE it (a text) WITH (toast.autovacuum_enabled = false)",
            "CREATE TABLE it (a text)",
            "table it: WITH (toast.autovacuum_enabled=false) in the migrations, not in the models",
        ),
        (
            "CREATE TABLE it (a int PRIMARY KEY WITH (fillfactor = 70))",
            "CREATE TABLE it (a int PRIMARY KEY)",
            "table it: primary key it_pkey: WITH (fillfactor=70) in the migrations, not in the"
            " models",
        ),
        (
            "ALTER TABLE item ENABLE ROW LEVEL SECURITY", "SELECT",
            "table item: ENABLE ROW LEVEL SECURITY in the migrations, not in the models",
        ),
        (
            "ALTER TABLE item FORCE ROW LEVEL SECURITY", "SELECT",
            "table item: FORCE ROW LEVEL SECURITY in the migrations, not in the models",
        ),
        (
            "ALTER TABLE item REPLICA IDENTITY FULL", "SELECT",
            "table item: REPLICA IDENTITY FULL in the migrations, not in the models",
        ),
        (
            "CREATE POLICY it ON item USING (id = 1)", "CREATE POLICY it ON item USING (id = 2)",
            "table item: policy it: PERMISSIVE FOR ALL TO public USING (id = 1) in the migrations,"
            " PERMISSIVE FOR ALL TO public USING (id = 2) in the models",
        ),
        (
            "CREATE SEQUENCE it AS int", "CREATE SEQUENCE it",
            "sequence it: of the type integer in the migrations, of the type bigint in the models",
        ),
    ],
)  # fmt: skip
def test_where_both_have_it_its_definition_counts(
    one: str, other: str, line: str, sides: tuple[str, str]
) -> None:
    migrated, made = sides

    async def compare(first: str, second: str) -> list[str]:
        await make(migrated, by_alembic, PLAIN(), first)
        await make(made, by_create_all, PLAIN(), second)
        return await schema_differences(migrated, made, beyond=True)

    assert run_async(compare(one, other)) == [line]
    assert run_async(compare(other, one)) == [mirrored(line)]


SHOP = """
import asyncio
import pytest
from pathlib import Path
from alembic.config import Config
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, text

models = MetaData()
Table("person", models, Column("id", Integer, primary_key=True))
Table("item", models, Column("id", Integer, primary_key=True),
      Column("person_id", ForeignKey("person.id")), schema=SCHEMA)

@pytest.fixture(scope="session")
def target_metadata():
    return models

@pytest.fixture(scope="session")
def alembic_config():
    folder = Path(__file__).parent / "scripts"
    (folder / "versions").mkdir(parents=True, exist_ok=True)
    (folder / "env.py").write_text(ENV)
    (folder / "versions" / "one.py").write_text(REVISION)
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return config
"""
ENV = """
import asyncio, os
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(URL)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""
REVISION = """
from alembic import op
revision, down_revision = "one", None

def upgrade():
    op.execute("CREATE TABLE person (id serial PRIMARY KEY)")
    op.execute("CREATE TABLE item (id serial PRIMARY KEY, person_id int REFERENCES person"
               " ON DELETE CASCADE)")

def downgrade():
    op.execute("DROP TABLE item, person")
"""
LINE = (
    "table item: foreign key item_person_id_fkey: ON DELETE CASCADE in the migrations, not in the"
    " models"
)
FINDS = f"""
import pytest

def test_they_are_the_same(schema_differences):
    assert schema_differences == [{LINE!r}]

@pytest.mark.asyncio
async def test_beside_it(schema_differences, NEEDS):
    assert len(schema_differences) == 1
"""
FROM_CONFIG = 'context.config.get_main_option("sqlalchemy.url")'


def shop(
    folder: Path, *, schema: str | None = None, url: str = FROM_CONFIG, more: str = ""
) -> None:
    (folder / "conftest.py").write_text(
        f"SCHEMA = {schema!r}\nREVISION = {REVISION!r}\nENV = {ENV.replace('URL', url)!r}\n"
        f"{SHOP}\n{more}"
    )


@pytest.fixture
def dsn(original_dsn: str) -> Iterator[str]:
    before = databases(original_dsn)
    yield original_dsn
    run_async(drop_templates(original_dsn))
    assert databases(original_dsn) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_fixture_finds_it_under_every_strategy(strategy: str, tmp_path: Path, dsn: str) -> None:
    shop(tmp_path)
    run(tmp_path, strategy, dsn, FINDS.replace("NEEDS", "db"))


def test_an_env_py_that_reads_the_environment(tmp_path: Path, dsn: str) -> None:
    shop(tmp_path, url='os.environ["POSTGRES_DSN"]')
    run(tmp_path, "restore", dsn, FINDS.replace("NEEDS", "db"))


@pytest.mark.thorough
def test_two_workers_compare_beside_each_other(tmp_path: Path, dsn: str) -> None:
    shop(tmp_path)
    run(tmp_path, "restore", dsn, FINDS.replace("NEEDS", "db"), "-n", "2", "--dist", "each")


def test_a_role_that_may_create_databases_is_enough(
    tmp_path: Path, password_server: Server
) -> None:
    query(password_server.url, "CREATE ROLE plain LOGIN CREATEDB PASSWORD 'word'",
          "CREATE DATABASE plain OWNER plain")  # fmt: skip
    before = databases(password_server.url)
    url = password_server.url.set(username="plain", password="word", database="plain")
    shop(tmp_path)
    try:
        said = FINDS.replace("NEEDS", "monkeypatch")
        run(tmp_path, "restore", url.render_as_string(hide_password=False), said)
        assert databases(password_server.url) == before
    finally:
        query(password_server.url, "DROP DATABASE plain", "DROP ROLE plain")


@pytest.mark.parametrize("side", SIDES)
def test_yours_stays(side: str, tmp_path: Path, dsn: str) -> None:
    shop(tmp_path)
    with database(dsn, name_of(dsn, side)) as yours:
        query(yours, "CREATE TABLE love (letter text)")
        source = FINDS.replace("NEEDS", "monkeypatch")
        said = run(tmp_path, "restore", dsn, source, status=pytest.ExitCode.USAGE_ERROR)
        assert "that no test run has made. It stays as it is" in said
        assert query(yours, "SELECT * FROM love") == []


def name_of(dsn: str, side: str, worker: str = "") -> str:
    pair = DsnPair(SecretDsn(dsn), SecretDsn(make_test_dsn(dsn)), "")
    return beside(pair, side, worker).name


def test_leftovers_are_dropped(tmp_path: Path, dsn: str) -> None:
    async def leave() -> None:
        async with admin_connection(dsn) as connection:
            for worker in ("", "gw3"):
                for side in SIDES:
                    await create_database(connection, name_of(dsn, side, worker), "crashed")

    run_async(leave())
    shop(tmp_path)
    run(tmp_path, "restore", dsn, FINDS.replace("NEEDS", "monkeypatch"))


def test_migrations_that_go_elsewhere_are_stopped(tmp_path: Path, dsn: str) -> None:
    with database(dsn, "elsewhere") as elsewhere:
        shop(tmp_path, url=repr(elsewhere))
        source = FINDS.replace("NEEDS", "monkeypatch")
        said = run(tmp_path, "restore", dsn, source, status=pytest.ExitCode.USAGE_ERROR)
        assert "env.py connects to a database 'elsewhere'" in said
        assert query(elsewhere, "SELECT * FROM pg_tables WHERE schemaname = 'public'") == []


NEEDS_A_FUNCTION = """
from sqlalchemy import Table, Column, Integer, text
Table("more", models, Column("id", Integer, primary_key=True, server_default=text("number()")))
"""
MAKES_IT = """
from sqlalchemy.ext.asyncio import create_async_engine

@pytest.fixture(scope="session")
def create_models():
    async def make(dsn):
        engine = create_async_engine(dsn)
        async with engine.begin() as connection:
            await connection.exec_driver_sql(
                "CREATE FUNCTION number() RETURNS int LANGUAGE sql RETURN 1")
            await connection.run_sync(models.create_all)
        await engine.dispose()
    return lambda dsn: asyncio.run(make(dsn))
"""


def test_models_that_need_more_say_so(tmp_path: Path, dsn: str) -> None:
    source = "def test_it(schema_differences):\n    print(schema_differences)\n    assert 0"
    shop(tmp_path, more=NEEDS_A_FUNCTION)
    said = run(tmp_path, "restore", dsn, source, status=pytest.ExitCode.TESTS_FAILED)
    assert "The models' schema can't be made: function number() does not exist" in said
    shop(tmp_path, more=NEEDS_A_FUNCTION + MAKES_IT)
    said = run(tmp_path, "restore", dsn, source, status=pytest.ExitCode.TESTS_FAILED)
    assert "'table more: only in the models'" in said


LEAVES_OUT = """
from sqlalchemy import Column, Integer, Table

Table("kept", models, Column("id", Integer, primary_key=True))

@pytest.fixture(scope="session")
def target_metadata():
    emptied = MetaData()
    models.tables["item"].to_metadata(emptied)
    return emptied
"""
NAMES_ALL = """
@pytest.fixture(scope="session")
def models_metadata():
    return models
"""


def test_a_table_that_is_not_to_be_emptied_is_compared(tmp_path: Path, dsn: str) -> None:
    source = "def test_it(schema_differences):\n    print(schema_differences)\n    assert 0"
    shop(tmp_path, more=LEAVES_OUT)
    said = run(tmp_path, "restore", dsn, source, status=pytest.ExitCode.TESTS_FAILED)
    assert "table kept" not in said, "a table that is in neither is no difference"
    shop(tmp_path, more=LEAVES_OUT + NAMES_ALL)
    said = run(tmp_path, "restore", dsn, source, status=pytest.ExitCode.TESTS_FAILED)
    assert "'table kept: only in the models'" in said


def test_a_schema_that_models_name_is_made(tmp_path: Path, dsn: str) -> None:
    source = "def test_it(schema_differences):\n    print(schema_differences)\n    assert 0"
    shop(tmp_path, schema="audit")
    said = run(tmp_path, "restore", dsn, source, status=pytest.ExitCode.TESTS_FAILED)
    for line in ("schema audit: only in the models", "table audit.item: only in the models",
                 "table item: only in the migrations"):  # fmt: skip
        assert line in said


def test_an_arrays_schema_and_a_sequences_are_made(tmp_path: Path, dsn: str) -> None:
    source = "def test_it(schema_differences):\n    print(schema_differences)\n    assert 0"
    more = """
from sqlalchemy import Enum, Sequence
from sqlalchemy.dialects.postgresql import ARRAY
Table("more", models, Column("id", Integer, Sequence("number", schema="one"), primary_key=True),
      Column("moods", ARRAY(Enum("a", name="mood", schema="two"))))
"""
    shop(tmp_path, more=more)
    said = run(tmp_path, "restore", dsn, source, status=pytest.ExitCode.TESTS_FAILED)
    assert "schema one: only in the models" in said
    assert "enum two.mood: only in the models" in said


def test_an_extension_is_in_the_same_schema(tmp_path: Path, dsn: str) -> None:
    shop(tmp_path)
    with (tmp_path / "conftest.py").open("a") as conftest:
        conftest.write(
            """
from sqlalchemy.types import UserDefinedType

class Vector(UserDefinedType):
    cache_ok = True
    def get_col_spec(self, **_):
        return "far.vector(3)"

Table("more", models, Column("id", Integer, primary_key=True), Column("place", Vector))
REVISION = REVISION.replace('op.execute("CREATE TABLE person', """
            """'op.execute("CREATE SCHEMA far");'
    ' op.execute("CREATE EXTENSION vector SCHEMA far");'
    ' op.execute("CREATE TABLE more (id serial PRIMARY KEY, place far.vector(3))");'
    ' op.execute("CREATE TABLE person')
"""
        )
    run(tmp_path, "restore", dsn, FINDS.replace("NEEDS", "monkeypatch"))


LEAVES = """
import logging
import pytest

logger = logging.getLogger("shop")

@pytest.mark.asyncio
async def test_it(STRATEGY schema_differences, alembic_config, dsn_pair, caplog):
    assert alembic_config.get_main_option("sqlalchemy.url") == dsn_pair.test
    logger.warning("heard")
    assert "heard" in caplog.text
"""


QUIET = f"""(
    __import__("logging").getLogger("shop").__setattr__("disabled", True),  # as fileConfig does
    {FROM_CONFIG},
)[1]"""


@pytest.mark.parametrize("first", ["", "db,"])
def test_it_leaves_logging_and_the_config(first: str, tmp_path: Path, dsn: str) -> None:
    shop(tmp_path, url=QUIET)
    source = LEAVES.replace("STRATEGY", first)
    run(tmp_path, "session_level", dsn, source)


def test_what_another_worker_has_kept_stays(dsn: str) -> None:
    pair = DsnPair(SecretDsn(dsn), SecretDsn(make_test_dsn(dsn, "gw1")), "this run")
    kept = database_of(make_test_dsn(dsn, "gw0"))

    async def compare() -> None:
        async with admin_connection(dsn) as connection:
            await create_database(connection, kept, pair.run)
            async with made_for_this(beside(pair, SIDES[0], "gw1")):
                pass
            assert await is_ours(connection, kept)
            await drop_database(connection, kept)

    run_async(compare())


def test_leftovers_of_an_original_that_is_named_like_a_worker_are_dropped(dsn: str) -> None:
    with database(dsn, "original_gw1") as original:
        left = name_of(original, SIDES[0], "gw3")

        async def leave_and_drop() -> bool:
            async with admin_connection(original) as connection:
                await create_database(connection, left, "crashed")
                pair = DsnPair(SecretDsn(original), SecretDsn(make_test_dsn(original)), "next")
                await drop_compared(pair)
                stays = await is_ours(connection, left)
                await drop_database(connection, left)
                return stays

        assert not run_async(leave_and_drop())
