"""What a test leaves where restore's look is blind, or where its mending brings something new."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates
from tests.runs import IMPORTS, run, schema
from tests.servers import Server, databases, query

# A trigger that notes each deletion, one that does so at the end, and a sequence read ahead.
MADE = (
    "CREATE TABLE thing (id serial PRIMARY KEY, name text)",
    "CREATE SEQUENCE ahead CACHE 10",
    "CREATE TABLE audit (id serial, table_name text)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN INSERT INTO audit (table_name) VALUES (TG_TABLE_NAME); RETURN NULL; END $$",
    "CREATE TABLE noted (id int)",
    "CREATE TRIGGER notes AFTER DELETE ON noted FOR EACH ROW EXECUTE FUNCTION note()",
    "CREATE TABLE noted_late (id int)",
    "CREATE CONSTRAINT TRIGGER notes AFTER DELETE ON noted_late DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION note()",
)
DATABASE = "SELECT oid::int FROM pg_database WHERE datname = current_database()"


@pytest.fixture
def dsn(original_dsn: str, tmp_path: Path) -> Iterator[str]:
    """An original, and a conftest.py that makes a schema of MADE."""
    (tmp_path / "conftest.py").write_text(schema(*MADE))
    before = databases(original_dsn)
    yield original_dsn
    run_async(drop_templates(original_dsn))
    assert databases(original_dsn) == before


# What one test does, and what the next test sees.
LEFT = {
    "numbers read ahead": ("SELECT nextval('ahead')", "SELECT nextval('ahead')", [(1,)]),
    "a number used up by mending": (
        "INSERT INTO noted VALUES (1)",
        "SELECT nextval('audit_id_seq'), count(*) FROM audit",
        [(1, 0)],
    ),
    "a row written by mending, late": (
        "INSERT INTO noted_late VALUES (1)",
        "SELECT nextval('audit_id_seq'), count(*) FROM audit",
        [(1, 0)],
    ),
}


@pytest.mark.parametrize("strategy", ["template", "restore"])
@pytest.mark.parametrize("what", LEFT)
def test_the_next_test_sees_nothing_of(what: str, strategy: str, dsn: str, tmp_path: Path) -> None:
    """And under restore it has the same database: there was nothing to replace."""
    does, sees, expected = LEFT[what]
    source = f"""{IMPORTS}
LAST = []

async def test_does(db):
    await query(db, {does!r})
    LAST.extend(await query(db, {DATABASE!r}))

async def test_sees(db):
    assert await query(db, {sees!r}) == {expected!r}
    assert (LAST == await query(db, {DATABASE!r})) is {strategy == "restore"}
"""
    run(tmp_path, strategy, dsn, source)


@pytest.mark.parametrize("strategy", ["template", "restore"])
def test_a_test_that_has_the_server_end_all_sessions(
    strategy: str, dsn: str, tmp_path: Path
) -> None:
    source = f"""{IMPORTS}
async def test_ends_them(db):
    await query(db, "INSERT INTO thing (name) VALUES ('left')")
    connection = await connect()
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()

async def test_finds_nothing(db):
    assert await query(db, "SELECT count(*) FROM thing") == [(0,)]
"""
    run(tmp_path, strategy, dsn, source)


@pytest.mark.parametrize("strategy", ["template", "restore"])
def test_a_listener_that_stays_takes_no_message_from_the_next(
    strategy: str, dsn: str, tmp_path: Path
) -> None:
    """The driver sends LISTEN for a channel's first listener only."""
    source = f"""{IMPORTS}
@pytest.mark.parametrize("n", range(2))
async def test_listens(db, n):
    heard = []
    async with db.asessionmaker() as session:
        raw = await (await session.connection()).get_raw_connection()
        await raw.driver_connection.add_listener("news", lambda *_: heard.append(n))
        await session.commit()
        connection = await connect()
        await connection.execute("NOTIFY news")
        await connection.close()
        async with asyncio.timeout(5):
            while not heard:
                await asyncio.sleep(0.01)
    assert heard == [n]
"""
    run(tmp_path, strategy, dsn, source)


@pytest.mark.parametrize("strategy", ["template", "deletion", "restore"])
@pytest.mark.parametrize("pool", ["AsyncAdaptedQueuePool", "StaticPool", "NullPool"])
def test_what_an_application_sets_up_stays_and_what_a_test_sets_goes(
    pool: str, strategy: str, dsn: str, tmp_path: Path
) -> None:
    """A setting of your own, such as `app.tenant`, is in no view of PostgreSQL's."""
    source = f"""{IMPORTS}
from sqlalchemy import pool, Column, Integer, MetaData, Table

@pytest.fixture(scope="session")
def target_metadata():
    metadata = MetaData()
    Table("thing", metadata, Column("id", Integer))
    return metadata

class Manager:
    def __init__(self, dsn):
        self.engine = create_async_engine(dsn, poolclass=pool.{pool})
        self.asessionmaker = async_sessionmaker(self.engine)

        @event.listens_for(self.engine.sync_engine, "connect")
        def set_up(connection, record):
            cursor = connection.cursor()
            cursor.execute("SET app.tenant = 'mine'")
            cursor.close()
            connection.commit()

    async def close(self):
        await self.engine.dispose()

@pytest.fixture(scope="session")
def session_manager_factory():
    return Manager

@pytest.mark.parametrize("n", range(3))
async def test_sees_it(db, n):
    assert await query(db, "SHOW app.tenant") == [("mine",)]
    assert await query(db, "SHOW statement_timeout") == [("0",)]
    await query(db, "SET statement_timeout = '7s'")
    await query(db, "SET app.tenant = 'yours'")
"""
    said = run(tmp_path, strategy, dsn, source)
    assert "3 passed" in said


@pytest.mark.parametrize("strategy", ["template", "deletion", "restore"])
def test_a_session_manager_that_a_test_closes_for_good(
    strategy: str, dsn: str, tmp_path: Path
) -> None:
    """As an application does when it shuts down."""
    source = f"""{IMPORTS}
from sqlalchemy import Column, Integer, MetaData, Table

@pytest.fixture(scope="session")
def target_metadata():
    metadata = MetaData()
    Table("thing", metadata, Column("id", Integer))
    return metadata

class Manager:
    def __init__(self, dsn):
        self.engine = create_async_engine(dsn)

    @property
    def asessionmaker(self):
        if self.engine is None:
            raise RuntimeError("closed")
        return async_sessionmaker(self.engine)

    async def close(self):
        if self.engine is not None:
            await self.engine.dispose()
        self.engine = None

@pytest.fixture(scope="session")
def session_manager_factory():
    return Manager

@pytest.mark.parametrize("n", range(3))
async def test_closes_it(db, n):
    assert await query(db, "SELECT count(*) FROM thing") == [(0,)]
    await query(db, "INSERT INTO thing (name) VALUES ('left')")
    await db.close()
"""
    run(tmp_path, strategy, dsn, source)


@pytest.mark.parametrize("strategy", ["template", "restore"])
def test_tables_and_sequences_that_the_role_may_not_read(
    strategy: str, password_server: Server, tmp_path: Path
) -> None:
    """The migrations become their owner, as the tests do. The role itself has no right to them."""
    (tmp_path / "conftest.py").write_text(
        schema(
            "DO $$ BEGIN EXECUTE format("
            "'GRANT CREATE ON DATABASE %I TO owner', current_database()); END $$",
            "SET ROLE owner",
            "CREATE SCHEMA theirs",
            "CREATE TABLE theirs.thing (id serial, n int)",
            "CREATE TABLE theirs.filled (n int)",
            "INSERT INTO theirs.filled VALUES (1)",
        )
    )
    source = f"""{IMPORTS}
@pytest.mark.parametrize("n", range(3))
async def test_it(db, n):
    async with db.asessionmaker() as session:
        await session.execute(text("SET LOCAL ROLE owner"))
        added = await session.execute(text("INSERT INTO theirs.thing (n) VALUES (1) RETURNING id"))
        assert added.scalars().all() == [1]
        assert await session.scalar(text("SELECT count(*) FROM theirs.thing")) == 1
        changed = await session.execute(text("UPDATE theirs.filled SET n = n + 1 RETURNING n"))
        assert changed.scalars().all() == [2]
        await session.commit()
"""
    url, before = password_server.url, databases(password_server.url)
    query(
        url,
        "CREATE ROLE owner",
        "CREATE ROLE becomes_it LOGIN CREATEDB NOINHERIT PASSWORD 'word' IN ROLE owner",
        "CREATE DATABASE mending OWNER becomes_it",
    )
    dsn = url.set(username="becomes_it", password="word", database="mending")
    try:
        run(tmp_path, strategy, dsn.render_as_string(False), source)
    finally:
        run_async(drop_templates(dsn.render_as_string(False)))
        query(url, "DROP DATABASE mending WITH (FORCE)", "DROP ROLE becomes_it", "DROP ROLE owner")
    assert databases(url) == before


# What a test does under `--report-leaks`, and the end of its line.
TOLD = {
    "ALTER TABLE thing RENAME COLUMN name TO title": "changed the table column public.thing.title",
    "CREATE TABLE fresh (id serial PRIMARY KEY)": "added the table public.fresh",
    "CREATE TYPE mood AS ENUM ('sad', 'glad')": "added the type public.mood",
    "CREATE EXTENSION vector": "added the extension vector",
    "DROP TABLE audit": "dropped the table public.audit",
    "SELECT lo_create(0)": "changed the schema, the settings of the database, or large objects",
    "UPDATE fixed SET id = 2": "changed what can't be put back: public.fixed",
    "INSERT INTO fixed VALUES (2)": None,
    "INSERT INTO noted VALUES (1)": None,
}


def test_report_leaks_names_what_was_left_in_a_line(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        schema(*MADE, "CREATE TABLE fixed (id int)", "INSERT INTO fixed VALUES (1)")
    )
    told = dict(TOLD)
    if not query(dsn, "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
        del told["CREATE EXTENSION vector"]
    source = f"""{IMPORTS}
@pytest.mark.parametrize("statement", {list(told)!r})
async def test(db, statement):
    await query(db, statement)
"""
    said = run(tmp_path, "restore", dsn, source, "--report-leaks")
    section = said.partition("what tests left behind, besides rows")[2].splitlines()
    lines = sorted(line for line in section if line.startswith("test_it.py"))
    assert lines == sorted(f"test_it.py::test[{do}] {line}" for do, line in told.items() if line)
