"""The original, and whatever else is yours, under every strategy: attacked, and unchanged."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from project.testing import STRATEGIES
from project.testing.database.lifecycle import run_async
from project.testing.database.names import database_of, make_test_dsn
from project.testing.template import drop_templates
from tests.runs import run, start, suite
from tests.servers import Server, database, databases, query, quote

FAILED, ENDED = pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
UNDO = ("function_level", "session_level")  # those that migrate down

# Migrations of a project of its own, whose env.py takes its URL from the environment.
ENV_PY = """
import asyncio, os
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    url = os.environ.get("MIGRATE") or os.environ["POSTGRES_DSN"]
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)

asyncio.run(main())
"""
REVISION = suite("nothing_of_yours/revision.py")
CONFTEST = """
import os
import pytest, sqlalchemy as sa
from alembic.config import Config

THINGS = sa.MetaData()
sa.Table("thing", THINGS, sa.Column("n", sa.Integer))

@pytest.fixture(scope="session")
def alembic_config():
    config = Config()
    config.set_main_option("script_location", ".")
    config.set_main_option("path_separator", "os")
    return config

@pytest.fixture(scope="session")
def target_metadata():
    return THINGS
"""
ADDS = """
import asyncio, os, pytest, sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

async def add(db, n):
    async with db.asessionmaker() as session:
        assert await session.scalar(sa.text("SELECT count(*) FROM thing")) == 0
        await session.execute(sa.text(f"INSERT INTO thing VALUES ({n})"))
        await session.commit()
"""


@pytest.fixture
def mine(password_server: Server) -> Iterator[str]:
    """A database with three rows in it, of a role that has CREATEDB only."""
    server = password_server
    superuser = server.url.render_as_string(hide_password=False)
    if not query(superuser, "SELECT 1 FROM pg_roles WHERE rolname = 'participant'"):
        query(superuser, "CREATE ROLE participant LOGIN CREATEDB PASSWORD 'participant'")
    owner = server.url.set(username="participant", password="participant")
    with database(owner.render_as_string(hide_password=False), "mine") as dsn:
        yield from dear(dsn)


def dear(dsn: str) -> Iterator[str]:
    query(
        dsn,
        "CREATE TABLE thing (n integer)",
        "INSERT INTO thing VALUES (101), (102), (103)",
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('one')",
    )
    yield dsn
    run_async(drop_templates(dsn))


@pytest.fixture(params=["a superuser's", "a role's with CREATEDB only"])
def mine_on_both(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same on this run's server, and on the other."""
    if request.param == "a superuser's":
        yield from dear(request.getfixturevalue("original_dsn"))
    else:
        yield request.getfixturevalue("mine")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "one.py").write_text(REVISION)
    (tmp_path / "env.py").write_text(ENV_PY)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    return tmp_path


def content(dsn: str) -> list[tuple[object, ...]]:
    """What is in a database: each table, and each row of those that are dear."""
    return query(
        dsn,
        "SELECT (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class),"
        " (SELECT string_agg(n::text, ',' ORDER BY n) FROM thing),"
        " (SELECT string_agg(version_num, ',') FROM alembic_version)",
    )


@pytest.fixture
def unchanged(mine: str) -> Iterator[str]:
    """The original's DSN; in the end, see that all is in it that was, and nothing beside it."""
    yield from watched(mine)


@pytest.fixture
def unchanged_on_both(mine_on_both: str) -> Iterator[str]:
    """The same on two servers."""
    yield from watched(mine_on_both)


def watched(mine: str) -> Iterator[str]:
    before, there = content(mine), databases(mine)
    yield mine
    assert content(mine) == before
    run_async(drop_templates(mine))
    assert databases(mine) == there


def last_line(said: str) -> str:
    return said.strip().splitlines()[-1]


# --- a value decided once is not read again ---


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_test_that_sets_the_variable_back(
    strategy: str, project: Path, unchanged_on_both: str
) -> None:
    """As load_dotenv(override=True) does: the downgrade's env.py then names the original."""
    source = f"""{ADDS}
@pytest.mark.asyncio
async def test_it(db):
    await add(db, 1)
    os.environ["POSTGRES_DSN"] = os.environ["POSTGRES_DSN_ORIGINAL"]
"""
    status = ENDED if strategy in UNDO else 0
    said = run(project, strategy, unchanged_on_both, source, status=status)
    if strategy in UNDO:
        assert "env.py" in last_line(said) or "original database" in last_line(said), said


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_variable_that_is_set_before_db(strategy: str, project: Path, unchanged: str) -> None:
    source = f"""{ADDS}
@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setenv("POSTGRES_DSN", os.environ["POSTGRES_DSN_ORIGINAL"])

@pytest.mark.asyncio
async def test_it(settings, db):
    await add(db, 1)
"""
    # Session fixtures come before it, so the variable is still right when they migrate.
    first = strategy == "function_level"
    said = run(project, strategy, unchanged, source, status=ENDED if first else 0)
    assert ("passed" in said) is not first


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_session_fixture_that_loads_a_dotenv(
    strategy: str, project: Path, unchanged_on_both: str
) -> None:
    """It stands between the patch of the environment and the fixtures; env.py reads its config."""
    (project / "conftest.py").write_text(
        f"""{CONFTEST}
@pytest.fixture(scope="session", autouse=True)
def dotenv(os_environ_patch):
    os.environ["POSTGRES_DSN"] = os.environ["POSTGRES_DSN_ORIGINAL"]
"""
    )
    env = ENV_PY.replace(
        'os.environ["POSTGRES_DSN"]', 'context.config.get_main_option("sqlalchemy.url")'
    )
    (project / "env.py").write_text(env)
    source = f"""{ADDS}
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.asyncio
async def test_it(db, n):
    await add(db, n)
"""
    for _ in range(2):  # the second session finds the first one's template, if there is one
        run(project, strategy, unchanged_on_both, source)


# --- proof, not a name ---


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("when", ["up", "down"])
def test_the_same_name_on_another_server(
    when: str,
    strategy: str,
    project: Path,
    original_dsn: str,
    password_server: Server,
) -> None:
    elsewhere = password_server.url.render_as_string(hide_password=False)
    there = databases(original_dsn)
    source = f"""{ADDS}
@pytest.mark.asyncio
async def test_it(db):
    await add(db, 1)
    os.environ["MIGRATE"] = os.environ["ELSEWHERE"]
"""
    with database(elsewhere, database_of(make_test_dsn(original_dsn))) as namesake:
        for dsn in dear(namesake):
            before = content(dsn)
            ends = when == "up" or strategy in UNDO
            environment = {"MIGRATE" if when == "up" else "ELSEWHERE": dsn}
            said = run(
                project, strategy, original_dsn, source, status=ENDED if ends else 0, **environment
            )
            assert not ends or "not this run's test database" in last_line(said), said
            assert content(dsn) == before
            assert query(
                dsn,
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
            ) == [(0,)]
    run_async(drop_templates(original_dsn))
    assert databases(original_dsn) == there


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "in a worker"])
def test_a_migrate_db_of_your_own_on_the_original(
    workers: tuple[str, ...], strategy: str, project: Path, unchanged: str
) -> None:
    """It is guarded like the package's, up and down."""
    (project / "conftest.py").write_text(
        f"""{CONFTEST}
from alembic import command

@pytest.fixture(scope="session")
def migrate_db(create_session_db, alembic_config):
    os.environ["MIGRATE"] = os.environ["POSTGRES_DSN_ORIGINAL"]
    command.downgrade(alembic_config, "base")

@pytest.fixture(scope="session")
def create_session_db(os_environ_patch):
    pass
"""
    )
    source = "def test_it(migrate_db):\n    pass\n"
    status = pytest.ExitCode.INTERRUPTED if workers else ENDED
    said = run(project, strategy, unchanged, source, *workers, status=status)
    assert "refused" in last_line(said), said


@pytest.mark.parametrize("strategy", UNDO)
def test_a_database_made_anew_by_another_run_is_not_undone(
    strategy: str, project: Path, unchanged: str
) -> None:
    """The run has lost its hold, and another run has made a database of the same name."""
    source = f"""{ADDS}
from project.testing.database.lifecycle import admin_connection, create_database

@pytest.mark.asyncio
async def test_it(db):
    await db.close()
    name = sa.make_url(os.environ["POSTGRES_DSN"]).database
    async with admin_connection(os.environ["POSTGRES_DSN_ORIGINAL"]) as connection:
        await connection.exec_driver_sql(f'DROP DATABASE "{{name}}" WITH (FORCE)')
        await create_database(connection, name, "of another")
    engine = create_async_engine(os.environ["POSTGRES_DSN"])
    async with engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE thing AS SELECT 7 AS n"))
    await engine.dispose()
"""
    run(project, strategy, unchanged, source, "-W", "ignore", status=ENDED)
    other = make_url(make_test_dsn(unchanged))
    assert query(other, "SELECT n FROM thing") == [(7,)]
    query(unchanged, f"DROP DATABASE {quote(str(other.database))}")


# --- the original is out of bounds ---


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_test_that_connects_to_the_original_fails(
    strategy: str, project: Path, unchanged_on_both: str
) -> None:
    """Also if it names the same place otherwise, or makes nothing of the refusal."""
    otherwise = make_url(unchanged_on_both)
    if otherwise.host:
        otherwise = otherwise.set(host="localhost")
    else:
        host = str(otherwise.query["host"])
        otherwise = otherwise.update_query_dict({"host": f"{host}/../{Path(host).name}"})
    source = f"""{ADDS}
ENGINES = [
    create_async_engine(url, poolclass=sa.NullPool)
    for url in (os.environ["POSTGRES_DSN"], {otherwise.render_as_string(hide_password=False)!r})
]

async def write(engine):
    async with engine.begin() as connection:
        await connection.execute(sa.text("INSERT INTO thing VALUES (666)"))

@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.asyncio
async def test_writes(db, engine):
    await write(engine)

@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.asyncio
async def test_goes_round_the_statements(db, engine):
    connection = await engine.raw_connection()
    await connection.driver_connection.execute("INSERT INTO thing VALUES (666)")

@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.asyncio
async def test_writes_as_it_connects(db, engine):
    @sa.event.listens_for(engine.sync_engine, "connect")
    def write(connection, record):
        cursor = connection.cursor()
        cursor.execute("INSERT INTO thing VALUES (666)")
        connection.commit()
    async with engine.connect():
        pass

@pytest.mark.asyncio
async def test_takes_another_way(db):
    engine = create_async_engine(os.environ["POSTGRES_DSN"], poolclass=sa.NullPool)
    @sa.event.listens_for(engine.sync_engine, "do_connect")
    def reroute(dialect, record, arguments, parameters):
        parameters["database"] = ENGINES[0].url.database
    await write(engine)

@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.asyncio
async def test_catches(db, engine):
    try:
        await write(engine)
    except Exception:
        pass

@pytest.mark.asyncio
async def test_does_not(db):
    await add(db, 1)
"""
    said = run(project, strategy, unchanged_on_both, source, status=FAILED)
    assert "9 failed, 1 passed" in said, said
    assert "Read POSTGRES_DSN in a function" in said


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_connection_that_is_open_since_the_import(
    strategy: str, project: Path, unchanged: str
) -> None:
    source = f"""{ADDS}
from sqlalchemy.util import greenlet_spawn
LOOP = asyncio.new_event_loop()
ENGINE = create_async_engine(os.environ["POSTGRES_DSN"])
CONNECTION = LOOP.run_until_complete(ENGINE.connect().start())

async def write():
    await CONNECTION.execute(sa.text("INSERT INTO thing VALUES (666)"))
    await CONNECTION.commit()

def test_writes(os_environ_patch):
    LOOP.run_until_complete(write())
"""
    said = run(project, strategy, unchanged, source, "-W", "ignore", status=FAILED)
    assert "was refused" in said


WRITES = f"""{ADDS}
ENGINE = create_async_engine(os.environ["POSTGRES_DSN"], poolclass=sa.NullPool)

@pytest.mark.asyncio
async def test_writes(db):
    async with ENGINE.begin() as connection:
        await connection.execute(sa.text("INSERT INTO thing VALUES (666)"))
"""
OWN_PATCH = """
@pytest.fixture(scope="session")
def os_environ_patch(dsn_pair):
    os.environ["DATABASE_URL"] = dsn_pair.test
    yield
"""
OWN_ORIGINAL = """
@pytest.fixture(scope="session")
def original_postgres_dsn():
    return os.environ["OTHER"]
"""
AT_THE_END = """
def pytest_sessionfinish(session):
    import asyncio
    from sqlalchemy.ext.asyncio import create_async_engine

    async def drop():
        engine = create_async_engine(os.environ["POSTGRES_DSN"])
        async with engine.begin() as connection:
            await connection.run_sync(THINGS.drop_all)

    try:
        asyncio.run(drop())
    except Exception as error:
        print("AT THE END", type(error).__name__)
"""


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("conftest", [OWN_PATCH, OWN_ORIGINAL], ids=["patch", "original"])
def test_a_fixture_of_yours_does_not_take_the_guard_away(
    conftest: str, strategy: str, project: Path, unchanged: str
) -> None:
    (project / "conftest.py").write_text(CONFTEST + conftest)
    other = make_url(unchanged).set(database="other").render_as_string(hide_password=False)
    env = ENV_PY.replace(
        'os.environ["POSTGRES_DSN"]', 'context.config.get_main_option("sqlalchemy.url")'
    )
    (project / "env.py").write_text(env)
    query(unchanged, "CREATE DATABASE other")
    try:
        said = run(project, strategy, unchanged, WRITES, status=FAILED, OTHER=other)
        run_async(drop_templates(other))
    finally:
        query(unchanged, "DROP DATABASE other")
    assert "1 failed" in said
    assert "was refused" in said


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_guard_stands_until_the_session_has_finished(
    strategy: str, project: Path, unchanged: str
) -> None:
    (project / "conftest.py").write_text(CONFTEST + AT_THE_END)
    source = f"{ADDS}\n@pytest.mark.asyncio\nasync def test_it(db):\n    await add(db, 1)\n"
    assert "AT THE END WrongDatabaseError" in run(project, strategy, unchanged, source, "-s")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_original_that_can_not_be_asked(strategy: str, project: Path, unchanged: str) -> None:
    """Its connections are used up, so that the guard can't learn what it is: it refuses."""
    otherwise = make_url(unchanged).set(host="localhost").render_as_string(hide_password=False)
    source = WRITES.replace('os.environ["POSTGRES_DSN"], poolclass', f"{otherwise!r}, poolclass")
    limit = f"ALTER DATABASE {quote(database_of(unchanged))} CONNECTION LIMIT"
    query(unchanged, f"{limit} 2")
    try:
        run(project, strategy, unchanged, source, status=FAILED)
    finally:
        query(unchanged, f"{limit} -1")


def test_reset_sequences_resets_no_other_database(project: Path, unchanged: str) -> None:
    """A session manager of yours leads elsewhere."""
    query(unchanged, "CREATE DATABASE other")
    other = make_url(unchanged).set(database="other").render_as_string(hide_password=False)
    query(other, "CREATE SEQUENCE sq", "SELECT setval('sq', 500)")
    conftest = """
from project.testing.session_manager import SessionManager

@pytest.fixture(scope="session")
def session_manager_factory():
    return lambda dsn: SessionManager(os.environ["OTHER"])
"""
    (project / "conftest.py").write_text(CONFTEST + conftest)
    source = "import pytest\n\ndef test_it(db, reset_sequences):\n    pass\n"
    try:
        run(project, "deletion", unchanged, source, status=FAILED, OTHER=other)
        assert query(other, "SELECT last_value FROM sq") == [(500,)]
    finally:
        query(unchanged, "DROP DATABASE other WITH (FORCE)")


ELSEWHERE = """
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

class Manager:
    def __init__(self, dsn):
        self.engine = create_async_engine(os.environ["OTHER"], poolclass=getattr(pool, POOL))
        self.asessionmaker = async_sessionmaker(self.engine)

    async def close(self):
        await self.engine.dispose()

@pytest.fixture(scope="session")
def session_manager_factory():
    return Manager
"""


@pytest.mark.parametrize("strategy", [it for it in STRATEGIES if it != "rollback"])
@pytest.mark.parametrize("pool", ["AsyncAdaptedQueuePool", "NullPool"])
def test_a_session_manager_that_goes_elsewhere(
    pool: str, strategy: str, project: Path, unchanged: str
) -> None:
    """Its first statement is refused. Rollback makes its sessions itself."""
    query(unchanged, "CREATE DATABASE other")
    other = make_url(unchanged).set(database="other").render_as_string(hide_password=False)
    query(other, "CREATE TABLE thing (n int)", "INSERT INTO thing VALUES (1)")
    conftest = f"{CONFTEST}\nPOOL = {pool!r}\n{ELSEWHERE}"
    (project / "conftest.py").write_text(conftest)
    source = f"""{ADDS}
@pytest.mark.parametrize("statement", ["INSERT INTO thing VALUES (2)", "DELETE FROM thing"])
@pytest.mark.asyncio
async def test_it(db, statement):
    async with db.asessionmaker() as session:
        await session.execute(sa.text(statement))
        await session.commit()
"""
    try:
        said = run(project, strategy, unchanged, source, status=FAILED, OTHER=other)
        assert "`db` is on 'other', and this run's test database is" in said
        assert query(other, "SELECT n FROM thing") == [(1,)]
    finally:
        query(unchanged, "DROP DATABASE other WITH (FORCE)")


# --- a hold that lives ---

SLEEPS = f"""{ADDS}
from project.testing.database.lifecycle import admin_connection

@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.asyncio
async def test_it(db, n):
    await add(db, n)
    await asyncio.sleep(1.5)
    async with admin_connection(os.environ["POSTGRES_DSN_ORIGINAL"]) as connection:
        held = await connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'test database fixtures'"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert held.scalar() == 1, "the connection that holds the database is gone"
"""
LOSES_THE_HOLD = f"""{ADDS}
from pathlib import Path
from project.testing.database.lifecycle import admin_connection

async def lose_the_hold():
    async with admin_connection(os.environ["POSTGRES_DSN_ORIGINAL"]) as connection:
        await connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND application_name = 'test database fixtures'"
        )

@pytest.mark.asyncio
async def test_it(db):
    async with db.asessionmaker() as session:
        await session.scalar(sa.text("SELECT 1"))
        await lose_the_hold()
        Path("lost").touch()
        while Path("wait").exists():
            await asyncio.sleep(0.05)

@pytest.mark.asyncio
async def test_next(db):
    await add(db, 1)
"""


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_server_that_ends_idle_sessions(strategy: str, project: Path, unchanged: str) -> None:
    role = quote(query(unchanged, "SELECT user")[0][0])
    query(unchanged, f"ALTER ROLE {role} SET idle_session_timeout = '1s'")
    try:
        source = SLEEPS.replace(
            "await asyncio.sleep(1.5)", "await db.close()\n    await asyncio.sleep(1.5)"
        )
        run(project, strategy, unchanged, source, "-W", "ignore")
    finally:
        query(unchanged, f"ALTER ROLE {role} RESET idle_session_timeout")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_hold_that_is_lost_is_taken_anew(strategy: str, project: Path, unchanged: str) -> None:
    run(project, strategy, unchanged, LOSES_THE_HOLD, "-W", "ignore")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_second_run_drops_no_database_in_use(
    strategy: str, project: Path, unchanged: str
) -> None:
    (project / "wait").touch()
    first = start(project, strategy, unchanged, LOSES_THE_HOLD, "-W", "ignore")
    while not (project / "lost").exists():
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.01)
    said = run(project, strategy, unchanged, LOSES_THE_HOLD, "-W", "ignore", status=ENDED)
    assert re.search("uses the database|may still be at work", said), said
    (project / "wait").unlink()
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 0, said
