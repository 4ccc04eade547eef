"""Restore gives back what a test has changed, whatever it was: seen by pg_dump, not by itself."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.postgres.embedded import EmbeddedServer
from project.testing.database.lifecycle import run_async
from project.testing.database.names import psql_command
from project.testing.template import drop_templates
from tests.runs import run
from tests.servers import databases

# Made by the migrations: objects of most kinds, and rows that are hard to write down again.
MADE = (
    "CREATE TABLE product (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text,"
    " twice int GENERATED ALWAYS AS (length(name) * 2) STORED, boss int REFERENCES product,"
    " seen timestamptz DEFAULT now(), amount numeric DEFAULT 'NaN', note json, raw bytea)",
    """INSERT INTO product (name, boss, seen, note, raw) VALUES
    ('a', 1, 'infinity', '{"b" :  1, "a":2}', '\\x00ff'), ('b', 1, '-infinity', null, null)""",
    "CREATE TABLE review (id serial PRIMARY KEY, rating real CHECK (rating < 9),"
    " product_id int REFERENCES product ON DELETE CASCADE)",
    "INSERT INTO review (product_id, rating) VALUES (1, 1.1)",
    "CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE parted_2026 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "CREATE TABLE parent (id int)",
    "CREATE TABLE child (more int) INHERITS (parent)",
    "CREATE UNLOGGED TABLE quick (id int)",
    'CREATE TABLE "Odd "" name" ("quiet" int, "$1" int, horizon int)',
    "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    "CREATE DOMAIN short AS text CHECK (length(value) < 9)",
    "CREATE TYPE pair AS (one int, two int)",
    "CREATE SEQUENCE odd_numbers START 1001 INCREMENT 2",
    "SELECT setval('odd_numbers', 5001, false)",
    "CREATE VIEW names AS SELECT name FROM product",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM product",
    "CREATE UNIQUE INDEX counted_once ON counted (n)",
    "CREATE MATERIALIZED VIEW not_yet AS SELECT 1 AS n WITH NO DATA",
    "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION to_mood(int) RETURNS mood LANGUAGE sql AS $$ SELECT 'sad'::mood $$",
    "CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$",
    "CREATE TRIGGER shouts BEFORE INSERT OR UPDATE ON product"
    " FOR EACH ROW WHEN (pg_trigger_depth() > 7) EXECUTE FUNCTION shout()",
    "CREATE RULE no_quick AS ON DELETE TO quick DO INSTEAD NOTHING",
    "CREATE TABLE secret (id int)",
    "ALTER TABLE secret ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON secret USING (true)",
    "CREATE SCHEMA other",
    "CREATE TABLE other.thing (id int)",
    "CREATE STATISTICS both_of ON name, amount FROM product",
    "CREATE COLLATION backwards (provider = libc, locale = 'C')",
    "CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)",
    "CREATE PUBLICATION news FOR TABLE product",
)
# What tests do. Each is seen by pg_dump.
CHANGES = (
    # rows
    "INSERT INTO product (name) VALUES ('c')",
    "UPDATE product SET name = 'z' WHERE name = 'b'",
    "DELETE FROM product WHERE name = 'b'",
    "DELETE FROM product",
    "TRUNCATE product CASCADE",
    "TRUNCATE product RESTART IDENTITY CASCADE",
    "UPDATE review SET id = 7",
    "INSERT INTO parted VALUES (1, '2026-02-03')",
    "INSERT INTO child VALUES (1, 2)",
    "INSERT INTO quick VALUES (1)",
    """INSERT INTO "Odd "" name" VALUES (1, 2, 3)""",
    "INSERT INTO secret VALUES (1)",
    "INSERT INTO other.thing VALUES (1)",
    "UPDATE product SET name = name; UPDATE product SET name = 'y' WHERE id = 2",
    "SELECT nextval('odd_numbers')",
    "SELECT setval('odd_numbers', 7001, false)",
    "SELECT setval('odd_numbers', 5001, true)",
    "SELECT lo_create(4711)",
    # tables
    "ALTER TABLE product ADD COLUMN extra int",
    "ALTER TABLE product DROP COLUMN note",
    "ALTER TABLE product RENAME COLUMN name TO title",
    "ALTER TABLE product RENAME TO goods",
    "ALTER TABLE product ALTER COLUMN name SET DEFAULT 'x'",
    "ALTER TABLE product ALTER COLUMN name SET NOT NULL",
    "ALTER TABLE product ALTER COLUMN name SET STATISTICS 7",
    "ALTER TABLE product ALTER COLUMN name SET STORAGE EXTERNAL",
    "ALTER TABLE product ALTER COLUMN amount TYPE float",
    "ALTER TABLE product ADD CONSTRAINT named UNIQUE (name)",
    "ALTER TABLE review DROP CONSTRAINT review_rating_check",
    "ALTER TABLE review ALTER CONSTRAINT review_product_id_fkey DEFERRABLE",
    "ALTER TABLE product SET (fillfactor = 50)",
    "ALTER TABLE product REPLICA IDENTITY FULL",
    "ALTER TABLE product DISABLE TRIGGER shouts",
    "ALTER TABLE product CLUSTER ON product_pkey",
    "ALTER TABLE quick SET LOGGED",
    "ALTER TABLE secret DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE secret FORCE ROW LEVEL SECURITY",
    "ALTER TABLE child NO INHERIT parent",
    "ALTER TABLE parted DETACH PARTITION parted_2026",
    "CREATE TABLE parted_2027 PARTITION OF parted FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    "ALTER TABLE product SET SCHEMA other",
    "DROP TABLE review",
    "DROP TABLE product CASCADE",
    "CREATE TABLE fresh (id int)",
    "COMMENT ON TABLE product IS 'goods'",
    "COMMENT ON COLUMN product.name IS 'what it says'",
    "GRANT SELECT ON product TO PUBLIC",
    "GRANT SELECT (name) ON product TO PUBLIC",
    # indexes, views, rules, triggers, policies, statistics
    "CREATE INDEX by_name ON product (name)",
    "DROP INDEX counted_once",
    "ALTER INDEX counted_once RENAME TO counted_twice",
    "CREATE VIEW more AS SELECT 1 AS one",
    "CREATE OR REPLACE VIEW names AS SELECT name || '!' AS name FROM product",
    "ALTER VIEW names SET (security_barrier = true)",
    "DROP VIEW names",
    "REFRESH MATERIALIZED VIEW not_yet",
    "DROP MATERIALIZED VIEW counted",
    "DROP RULE no_quick ON quick",
    "DROP TRIGGER shouts ON product",
    "COMMENT ON TRIGGER shouts ON product IS 'loud'",
    "DROP POLICY mine ON secret",
    "ALTER POLICY mine ON secret USING (false)",
    "ALTER STATISTICS both_of SET STATISTICS 9",
    "DROP STATISTICS both_of",
    # types, functions, sequences, schemas, and what is left
    "ALTER TYPE mood ADD VALUE 'calm'",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
    "ALTER TYPE pair ADD ATTRIBUTE three int",
    "ALTER DOMAIN short DROP CONSTRAINT short_check",
    "CREATE TYPE span AS RANGE (subtype = int)",
    "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "ALTER FUNCTION one() STRICT",
    "REVOKE ALL ON FUNCTION one() FROM PUBLIC",
    "DROP PROCEDURE nothing()",
    "CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int)",
    "CREATE OPERATOR === (function = int4eq, leftarg = int, rightarg = int)",
    "CREATE CAST (int AS mood) WITH FUNCTION to_mood(int)",
    "ALTER SEQUENCE odd_numbers INCREMENT 4",
    "ALTER SEQUENCE odd_numbers OWNED BY product.id",
    "DROP SEQUENCE odd_numbers",
    "CREATE SCHEMA extra",
    "COMMENT ON SCHEMA public IS 'ours'",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "ALTER SCHEMA other RENAME TO another",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "ALTER COLLATION backwards RENAME TO forwards",
    "ALTER TEXT SEARCH CONFIGURATION words DROP MAPPING FOR asciiword",
    "ALTER PUBLICATION news SET (publish = 'insert')",
    "ALTER PUBLICATION news ADD TABLE review",
    "CREATE EVENT TRIGGER never ON ddl_command_end EXECUTE FUNCTION hook()",
    "CREATE FOREIGN DATA WRAPPER far",
    "CREATE EXTENSION vector",
    "DROP EXTENSION plpgsql CASCADE",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 65', current_database()); END $$",
    "DO $$ BEGIN EXECUTE format("
    "'GRANT CREATE ON DATABASE %I TO PUBLIC', current_database()); END $$",
)
SOURCE = f"""
import os
import re
import subprocess
from pathlib import Path
import pytest
from sqlalchemy import MetaData, text

MADE = {MADE!r}
CHANGES = {CHANGES!r}
CLEAN = []
NOT_SEEN = ("SELECT 1", "SELECT 2")
LOOKS_AT = os.environ["LOOKS_AT"]

def dump(dsn):
    said = subprocess.run(
        [os.environ["PG_DUMP"], "--create", os.environ["DUMP_CONNECTION"]],
        capture_output=True, text=True, check=True,
    ).stdout
    return re.sub(r"^.*restrict .*$", "", said, flags=re.M)

@pytest.fixture(scope="session")
def target_metadata():
    return MetaData()

@pytest.fixture(scope="session")
def template_files():
    return [Path(__file__)]

@pytest.fixture(scope="session")
def alembic_config():
    from alembic.config import Config
    config = Config()
    config.set_main_option("script_location", os.environ["SCRIPTS"])
    return config

@pytest.fixture(scope="session")
def upgrade_schema():
    def upgrade(dsn):
        import asyncio
        from sqlalchemy.ext.asyncio import create_async_engine
        async def make():
            engine = create_async_engine(dsn, isolation_level="AUTOCOMMIT")
            async with engine.connect() as connection:
                for statement in (*MADE, "CREATE FUNCTION hook() RETURNS event_trigger"
                                  " LANGUAGE plpgsql AS 'BEGIN END'"):
                    await connection.exec_driver_sql(statement)
            await engine.dispose()
        asyncio.run(make())
    return upgrade

@pytest.mark.asyncio
@pytest.mark.parametrize("change", ["SELECT 1", *CHANGES, "SELECT 2"])
async def test(db, test_dsn, change):
    if not CLEAN or LOOKS_AT == "before":
        found = dump(test_dsn)
        CLEAN.append(found)
        assert found == CLEAN[0]
    async with db.asessionmaker() as session:
        await session.connection(execution_options={{"isolation_level": "AUTOCOMMIT"}})
        for statement in [change] if "$$" in change else change.split(";"):
            await session.execute(text(statement.replace(":", "\\\\:")))
    if LOOKS_AT == "after" and change not in NOT_SEEN:
        assert dump(test_dsn) != CLEAN[0]
"""


@pytest.fixture
def dump(original_dsn: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which a run finds pg_dump, and knows how to connect it."""
    before = databases(original_dsn)
    tools = EmbeddedServer()._tools() if "host=" in original_dsn else Path("/usr/bin")
    (tmp_path / "scripts" / "versions").mkdir(parents=True)
    connection = psql_command(original_dsn).removeprefix("psql ").strip("'")
    yield {
        "PG_DUMP": str(tools / "pg_dump"),
        "DUMP_CONNECTION": re.sub(r"dbname=(\S+)", r"dbname=\1_test", connection),
        "SCRIPTS": str(tmp_path / "scripts"),
        "PGPASSWORD": os.environ.get("PGPASSWORD", ""),
    }
    run_async(drop_templates(original_dsn))
    assert databases(original_dsn) == before


def test_whatever_a_test_changes_is_as_it_was(
    original_dsn: str, tmp_path: Path, dump: dict[str, str]
) -> None:
    run(tmp_path, "restore", original_dsn, SOURCE, status=0, **dump, LOOKS_AT="before")


@pytest.mark.thorough
def test_each_of_these_changes_shows(
    original_dsn: str, tmp_path: Path, dump: dict[str, str]
) -> None:
    run(tmp_path, "template", original_dsn, SOURCE, status=0, **dump, LOOKS_AT="after")
