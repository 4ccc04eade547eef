"""What both strategies promise, held against real pytest runs in processes of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from project.testing.database.lifecycle import run_async
from project.testing.database import COMMENT, make_test_dsn
from project.testing.template import drop_templates
from tests import faults
from tests.servers import PASSWORD, Server, database, databases, query, quote

STRATEGIES = ["function_level", "session_level"]
CANONICAL = (Path(__file__).parent / "test_records.py").read_text()

# Five tests that each expect an empty table and leave a row in it, and one more.
SUITE = f"""{faults.SUITE}

from sqlalchemy import text

@pytest.mark.asyncio
async def test_the_tables_are_those_of_head(db):
    async with db.asessionmaker() as session:
        version = text("SELECT version_num FROM alembic_version")
        assert await session.scalar(version) == "0002"
"""


def run(
    folder: Path, strategy: str, dsn: str, source: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a test file in a folder outside the repo, under a strategy."""
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", f"project.testing.{strategy}", *arguments],
        cwd=folder,
        env=os.environ | {"POSTGRES_DSN": dsn},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_canonical_tests_pass_outside_the_repo(
    strategy: str, tmp_path: Path, original_dsn: str
) -> None:
    before = databases(original_dsn)
    result = run(tmp_path, strategy, original_dsn, CANONICAL)
    assert "2 passed" in result.stdout, result.stdout
    assert databases(original_dsn) == before


@pytest.mark.parametrize(
    ("strategy", "expected"), [("function_level", 6 * 2), ("session_level", 2)]
)
def test_how_often_alembic_runs_and_that_no_row_is_seen_by_the_next_test(
    strategy: str, expected: int, tmp_path: Path, original_dsn: str
) -> None:
    log = tmp_path / "log"
    options = ["--log-level=INFO", f"--log-file={log}"]
    result = run(tmp_path, strategy, original_dsn, SUITE, *options)
    assert "6 passed" in result.stdout, result.stdout
    runs = re.findall(r"Context impl", log.read_text())
    assert len(runs) == expected
    assert len(re.findall(r"Running upgrade", log.read_text())) == expected  # two revisions a run
    assert len(re.findall(r"Running downgrade", log.read_text())) == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_original_is_untouched(strategy: str, tmp_path: Path, original_dsn: str) -> None:
    query(
        original_dsn,
        "CREATE TABLE product (precious text)",
        "INSERT INTO product SELECT md5(n::text) FROM generate_series(1, 1000) AS n",
    )
    fingerprint = (
        "SELECT md5(string_agg(precious, ',' ORDER BY precious)),"
        " (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class) FROM product"
    )
    before = query(original_dsn, fingerprint)
    result = run(tmp_path, strategy, original_dsn, SUITE)
    assert "6 passed" in result.stdout, result.stdout
    assert query(original_dsn, fingerprint) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failing_test_leaves_nothing_either(
    strategy: str, tmp_path: Path, original_dsn: str
) -> None:
    before = databases(original_dsn)
    source = f"{SUITE}\n\n@pytest.mark.asyncio\nasync def test_fails(db):\n    raise ValueError\n"
    result = run(tmp_path, strategy, original_dsn, source)
    assert "1 failed, 6 passed" in result.stdout, result.stdout
    assert databases(original_dsn) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_database_of_a_killed_run_is_made_anew(
    strategy: str, tmp_path: Path, original_dsn: str
) -> None:
    before = databases(original_dsn)
    source = f"{SUITE}\n\ndef test_is_killed(db):\n    import os\n    os.kill(os.getpid(), 9)\n"
    assert run(tmp_path, strategy, original_dsn, source).returncode == -9
    assert len(databases(original_dsn) - before) == 1
    assert "6 passed" in run(tmp_path, strategy, original_dsn, SUITE).stdout
    assert databases(original_dsn) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_database_that_no_test_run_made_stays(
    strategy: str, tmp_path: Path, original_dsn: str
) -> None:
    name = make_url(make_test_dsn(original_dsn)).database
    assert name is not None
    with database(original_dsn, name) as dear:
        query(dear, "CREATE TABLE precious (n int)")
        result = run(tmp_path, strategy, original_dsn, SUITE)
        assert result.returncode == pytest.ExitCode.USAGE_ERROR
        assert f"There is a database {name!r} that no test run has made" in result.stdout
        assert query(dear, "SELECT * FROM precious") == []
        query(original_dsn, f"COMMENT ON DATABASE {quote(name)} IS '{COMMENT}'")
        assert "6 passed" in run(tmp_path, strategy, original_dsn, SUITE).stdout


def test_session_level_drops_a_database_with_an_open_connection(
    tmp_path: Path, original_dsn: str
) -> None:
    before = databases(original_dsn)
    source = f"""{SUITE}

import asyncio, asyncpg, os

open_connections = []

@pytest.mark.asyncio
async def test_leaves_a_connection_open(db):
    dsn = os.environ["POSTGRES_DSN"].replace("+asyncpg", "")
    open_connections.append(await asyncpg.connect(dsn))
"""
    result = run(tmp_path, "session_level", original_dsn, source, "-W", "ignore")
    assert "7 passed" in result.stdout, result.stdout
    assert databases(original_dsn) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_conftest_names_migrations_and_tables_of_its_own(
    strategy: str, tmp_path: Path, original_dsn: str
) -> None:
    """Two overridden fixtures take a strategy to another project, which names a URL of its own."""
    (tmp_path / "env.py").write_text(
        """
import asyncio
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url"))
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""
    )
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "one.py").write_text(
        """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "one", None

def upgrade():
    op.create_table("thing", sa.Column("n", sa.Integer))

def downgrade():
    op.drop_table("thing")
"""
    )
    (tmp_path / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s\n"
        "sqlalchemy.url = postgresql+asyncpg://nobody@localhost:1/production\n"
    )
    (tmp_path / "conftest.py").write_text(
        """
import pytest, sqlalchemy as sa
from alembic.config import Config

THINGS = sa.MetaData()
sa.Table("thing", THINGS, sa.Column("n", sa.Integer))

@pytest.fixture(scope="session")
def alembic_config():
    return Config("alembic.ini")

@pytest.fixture(scope="session")
def target_metadata():
    return THINGS
"""
    )
    source = """
import pytest
from sqlalchemy import text

@pytest.mark.parametrize("n", range(3))
@pytest.mark.asyncio
async def test_things(db, n):
    async with db.asessionmaker() as session:
        assert await session.scalar(text("SELECT count(*) FROM thing")) == 0
        await session.execute(text("INSERT INTO thing VALUES (1)"))
        await session.commit()
"""
    assert "3 passed" in run(tmp_path, strategy, original_dsn, source).stdout


def test_the_environment_is_restored(tmp_path: Path, original_dsn: str) -> None:
    source = """
import os, sys, pytest
os.environ["POSTGRES_DSN"] = sys.argv[1]
os.environ.pop("POSTGRES_DSN_ORIGINAL", None)
status = pytest.main(["-p", "project.testing.session_level", "test_it.py"])
assert os.environ["POSTGRES_DSN"] == sys.argv[1]
assert "POSTGRES_DSN_ORIGINAL" not in os.environ
sys.exit(status)
"""
    (tmp_path / "test_it.py").write_text(SUITE)
    result = subprocess.run(
        [sys.executable, "-c", source, original_dsn], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["x" * 63, "x" * 62 + "y", "é" * 31, "日" * 20 + "abc"])
def test_a_long_name_is_never_cut_back_to_the_original(name: str) -> None:
    dsn = f"postgresql+asyncpg://u:p@h/{name}"
    test_name = make_url(make_test_dsn(dsn)).database
    assert test_name is not None
    assert len(test_name.encode()) <= 63
    assert test_name != name
    assert test_name.endswith("_test")
    assert make_test_dsn(dsn) != make_test_dsn(dsn + "z")


MIGRATIONS = Path(__file__).parents[1] / "migrations"
OWN_MIND = f"""
import pytest
from alembic.config import Config
from pathlib import Path

@pytest.fixture(scope="session")
def alembic_config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("migrations")
    env = Path({str(MIGRATIONS / "env.py")!r}).read_text()
    of_the_application = 'os.environ["MY_SETTING"].replace("%", "%%")'
    url = f'config.set_main_option("sqlalchemy.url", {{of_the_application}})'
    (folder / "env.py").write_text(env.replace("\\nmain()", f"\\n{{url}}\\nmain()"))
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", {str(MIGRATIONS / "versions")!r})
    return config
"""


@pytest.mark.parametrize("strategy", [*STRATEGIES, "deletion", "rollback", "template"])
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "in a worker"])
def test_an_env_py_that_names_the_original_is_stopped(
    strategy: str, workers: tuple[str, ...], tmp_path: Path, original_dsn: str
) -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    subprocess.run(command, env=os.environ | {"POSTGRES_DSN": original_dsn}, check=True)
    query(original_dsn, "INSERT INTO product (name) VALUES ('precious')")
    before = databases(original_dsn)
    (tmp_path / "conftest.py").write_text(OWN_MIND)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MY_SETTING", original_dsn)
        result = run(tmp_path, strategy, original_dsn, CANONICAL, *workers)
    assert "Nothing has been migrated" in result.stdout, result.stdout
    assert "passed" not in result.stdout
    assert query(original_dsn, "SELECT name FROM product") == [("precious",)]
    assert databases(original_dsn) == before


@pytest.mark.parametrize("strategy", [*STRATEGIES, "deletion", "rollback", "template"])
def test_a_failing_test_shows_no_password(
    strategy: str, tmp_path: Path, password_server: Server
) -> None:
    source = """
import pytest

@pytest.mark.asyncio
async def test_fails(create_test_db, db):
    assert "password" in create_test_db
"""
    dsn = password_server.url.render_as_string(hide_password=False)
    said = run(tmp_path, strategy, dsn, source).stdout
    run_async(drop_templates(dsn))
    assert "1 failed" in said
    assert ":***@" in said
    assert PASSWORD[:6] not in said  # its beginning looks the same in a URL
