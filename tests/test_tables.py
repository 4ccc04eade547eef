"""Which tables session level and deletion empty, and what they say of the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates
from tests.runs import IMPORTS, run, schema
from tests.servers import databases

EMPTYING = ["session_level", "deletion"]
MADE = (
    "CREATE TABLE thing (id int PRIMARY KEY)",
    """CREATE TABLE "Odd ""na:me"" 100% ü" (id int)""",
    "CREATE SCHEMA tenant",
    "CREATE TABLE tenant.theirs (id int)",
    "CREATE TABLE no_model (id int)",
    "CREATE TABLE refers (id int REFERENCES thing)",
    "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TABLE kept_by_trigger (id int)",
    "CREATE TRIGGER keeps BEFORE DELETE ON kept_by_trigger FOR EACH ROW EXECUTE FUNCTION keep()",
    "CREATE TABLE kept_by_rule (id int)",
    "CREATE RULE keeps AS ON DELETE TO kept_by_rule DO INSTEAD NOTHING",
    "CREATE TABLE kept_by_policy (id int)",
    "ALTER TABLE kept_by_policy ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE kept_by_policy FORCE ROW LEVEL SECURITY",
    "CREATE POLICY writes ON kept_by_policy FOR INSERT WITH CHECK (true)",
    "CREATE TABLE kept_by_partition (id int) PARTITION BY LIST (id)",
    "CREATE TABLE partition PARTITION OF kept_by_partition FOR VALUES IN (1)",
    "CREATE TRIGGER keeps BEFORE DELETE ON partition FOR EACH ROW EXECUTE FUNCTION keep()",
    "CREATE TABLE kept_by_heir (id int)",
    "CREATE TABLE heir () INHERITS (kept_by_heir)",
    "CREATE TRIGGER keeps BEFORE DELETE ON heir FOR EACH ROW EXECUTE FUNCTION keep()",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM thing",
)
METADATA = """
from sqlalchemy import Column, Integer, MetaData, Table

def metadata(*names, schema=None):
    made = MetaData()
    for name in names:
        Table(name, made, Column("id", Integer), schema=schema)
    return made

@pytest.fixture(scope="session")
def target_metadata():
    return TARGET
"""
OTHERS = "kept_by_trigger, kept_by_rule, kept_by_policy"


@pytest.fixture
def dsn(original_dsn: str, tmp_path: Path) -> Iterator[str]:
    """An original, and a conftest.py that makes a schema of MADE."""
    nothing_to_undo = (
        '\n@pytest.fixture(scope="session")\ndef downgrade_schema():\n    return lambda dsn: None\n'
    )
    (tmp_path / "conftest.py").write_text(schema(*MADE) + nothing_to_undo)
    before = databases(original_dsn)
    yield original_dsn
    run_async(drop_templates(original_dsn))
    assert databases(original_dsn) == before


def emptied(target: str, *tables: str, more: str = "") -> str:
    """Return two tests that each find tables empty, and fill them."""
    return f"""{IMPORTS}{METADATA}
TARGET = {target}
{more}

@pytest.mark.parametrize("n", range(2))
async def test_finds_them_empty(db, n):
    for table in {tables!r}:
        assert await query(db, "SELECT pg_relation_size('%s')" % table) == [(0,)]
        await query(db, "INSERT INTO %s VALUES (1)" % table)
"""


@pytest.mark.parametrize("strategy", EMPTYING)
def test_tables_without_a_model_are_told_of_once(strategy: str, dsn: str, tmp_path: Path) -> None:
    source = emptied("metadata('thing', 'refers')")
    said = run(tmp_path, strategy, dsn, source)
    assert said.count("Not emptied, since target_metadata doesn't name them: ") == 1
    line = said.partition("doesn't name them: ")[2].partition("\n")[0]
    assert line.endswith("see the strategy restore.")
    assert "no_model" in line
    assert "tenant.theirs" in line
    assert "refers" not in line
    assert "counted" not in line


@pytest.mark.parametrize("strategy", EMPTYING)
@pytest.mark.parametrize("target", ["metadata()", "[]", "[metadata(), metadata()]"])
def test_an_empty_metadata_ends_the_run(
    target: str, strategy: str, dsn: str, tmp_path: Path
) -> None:
    said = run(tmp_path, strategy, dsn, emptied(target), status=pytest.ExitCode.USAGE_ERROR)
    assert "a MetaData without a table, so nothing would be emptied" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("strategy", ["rollback", "template", "restore"])
def test_an_empty_metadata_is_no_matter_where_nobody_reads_it(
    strategy: str, dsn: str, tmp_path: Path
) -> None:
    run(tmp_path, strategy, dsn, emptied("metadata()"))


@pytest.mark.parametrize("strategy", EMPTYING)
@pytest.mark.parametrize(
    ("target", "table"),
    [
        ("[metadata('refers'), metadata('thing')]", "thing"),
        ("metadata('thing', 'of_a_later_revision')", "thing"),
        ("""metadata('Odd "na:me" 100% ü')""", '"Odd ""na:me"" 100% ü"'),
        ("metadata('theirs', schema='tenant')", "tenant.theirs"),
    ],
    ids=["a list", "a model without a table", "an odd name", "another schema"],
)
def test_tables_of_the_metadata_are_emptied(
    target: str, table: str, strategy: str, dsn: str, tmp_path: Path
) -> None:
    source = emptied(target).replace("pg_relation_size('%s')", "count(*) FROM %s")
    said = run(tmp_path, strategy, dsn, source.replace("in ()", f"in ({table!r},)"))
    assert "2 passed" in said


@pytest.mark.parametrize("strategy", EMPTYING)
def test_a_schema_translate_map_is_followed(strategy: str, dsn: str, tmp_path: Path) -> None:
    source = f"""{IMPORTS}{METADATA}
TARGET = metadata('theirs', schema='per_tenant')

class Manager:
    def __init__(self, dsn):
        self.engine = create_async_engine(
            dsn, execution_options={{"schema_translate_map": {{"per_tenant": "tenant"}}}}
        )
        self.asessionmaker = async_sessionmaker(self.engine)

    async def close(self):
        await self.engine.dispose()

@pytest.fixture(scope="session")
def session_manager_factory():
    return Manager

@pytest.mark.parametrize("n", range(2))
async def test_finds_it_empty(db, n):
    assert await query(db, "SELECT count(*) FROM tenant.theirs") == [(0,)]
    await query(db, "INSERT INTO tenant.theirs VALUES (1)")
"""
    run(tmp_path, strategy, dsn, source)


@pytest.mark.parametrize("strategy", EMPTYING)
@pytest.mark.parametrize("table", OTHERS.split(", "))
def test_a_table_that_keeps_rows_from_delete_is_emptied(
    table: str, strategy: str, dsn: str, tmp_path: Path
) -> None:
    """Its size shows it: under row security nobody but a superuser sees the rows."""
    run(tmp_path, strategy, dsn, emptied(f"metadata({table!r})", table))


@pytest.mark.parametrize("strategy", EMPTYING)
@pytest.mark.parametrize("table", ["heir", "partition"])
def test_a_table_that_keeps_rows_in_a_part_of_it_is_emptied(
    table: str, strategy: str, dsn: str, tmp_path: Path
) -> None:
    run(tmp_path, strategy, dsn, emptied(f"metadata('kept_by_{table}')", table))


@pytest.mark.parametrize("strategy", ["deletion", "restore"])
def test_materialized_views_are_as_the_tables_are(strategy: str, dsn: str, tmp_path: Path) -> None:
    source = f"""{IMPORTS}{METADATA}
TARGET = metadata('thing')

@pytest.mark.parametrize("n", range(2))
async def test_finds_none(db, n):
    assert await query(db, "SELECT n FROM counted") == [(0,)]
    await query(db, "INSERT INTO thing VALUES (1)")
    await query(db, "REFRESH MATERIALIZED VIEW counted")
    assert await query(db, "SELECT n FROM counted") == [(1,)]
"""
    run(tmp_path, strategy, dsn, source)


@pytest.mark.parametrize("strategy", EMPTYING)
def test_a_table_of_yours_may_begin_with_alembics_column(
    strategy: str, tmp_path: Path, dsn: str
) -> None:
    conftest = tmp_path / "conftest.py"
    made = "'CREATE TABLE versioned (version_num int PRIMARY KEY, body text)'"
    conftest.write_text(conftest.read_text().replace("MADE = (", f"MADE = ({made}, ", 1))
    source = emptied('metadata("versioned")', "versioned")
    counts = source.replace("pg_relation_size('%s')", "count(*) FROM %s")
    run(tmp_path, strategy, dsn, counts)
