"""What holds under every strategy: each test starts clean, and nothing is left."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from project.isolation import SUITE as ISOLATION_SUITE
from project.testing import STRATEGIES
from project.testing.database.lifecycle import COMMENT, MARK, run_async
from project.testing.database.names import database_of, make_test_dsn
from project.testing.template import drop_templates, template_prefix, templates_of
from tests import faults
from tests.runs import PYTEST_INI, run, start, suite
from tests.servers import PASSWORD, Server, database, databases, query, quote

FAILED, ENDED = pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
MIGRATIONS_RUN = {"function_level": 6 * 2, "session_level": 2}  # under the others, once
LOCALS = ("--tb=long", "--showlocals")  # in Python's own tracebacks there are none
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
KILLED = f"{SUITE}\n\ndef test_is_killed(db):\n    import os\n    os.kill(os.getpid(), 9)\n"


@pytest.fixture
def dsn(original_dsn: str) -> Iterator[str]:
    """An original with rows in it; in the end, all of them are there and no database beside it."""
    query(
        original_dsn,
        "CREATE TABLE product (precious text)",
        "INSERT INTO product SELECT md5(n::text) FROM generate_series(1, 1000) AS n",
    )
    fingerprint = (
        "SELECT md5(string_agg(precious, ',' ORDER BY precious)),"
        " (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class) FROM product"
    )
    content, there = query(original_dsn, fingerprint), databases(original_dsn)
    yield original_dsn
    assert query(original_dsn, fingerprint) == content
    run_async(drop_templates(original_dsn))
    assert databases(original_dsn) == there


def left_by(dsn: str) -> set[str]:
    """The databases beside an original that belong to it, templates aside."""
    return {name for name in databases(dsn) if name.startswith(f"{database_of(dsn)}_")}


def templates(dsn: str) -> set[str]:
    return {name for name in databases(dsn) if name.startswith(templates_of(dsn))}


# --- clean ---


def test_a_run_with_an_error_in_a_tear_down_counts_as_failed(dsn: str, tmp_path: Path) -> None:
    """The tests below trust `run`: here it is shown a migrate_db that raises after its work."""
    (tmp_path / "conftest.py").write_text(
        "import pytest\n\n@pytest.fixture(autouse=True)\ndef breaks(db):\n    yield\n    1 / 0\n"
    )
    with pytest.raises(AssertionError, match="2 passed, 2 errors"):
        run(tmp_path, "session_level", dsn, CANONICAL)


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_test_starts_clean_and_alembic_runs_as_often_as_it_says(
    strategy: str, tmp_path: Path, dsn: str
) -> None:
    log = tmp_path / "log"
    run(tmp_path, strategy, dsn, SUITE, "--log-level=INFO", f"--log-file={log}")
    expected = MIGRATIONS_RUN.get(strategy, 1)
    text = log.read_text()
    assert text.count("Context impl") == expected
    assert text.count("Running upgrade") == 2 * -(-expected // 2)  # two revisions each time
    assert text.count("Running downgrade") == 2 * (expected // 2)
    assert not left_by(dsn)


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_series_two_tests(strategy: str, tmp_path: Path, dsn: str) -> None:
    """Under rollback NOW() stands still, so that the newest product can't be told."""
    status = FAILED if strategy == "rollback" else 0
    said = run(tmp_path, strategy, dsn, CANONICAL, status=status)
    assert ("1 failed, 1 passed" if status else "2 passed") in said


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failing_test_leaves_nothing_and_shows_no_password(
    strategy: str, tmp_path: Path, dsn: str
) -> None:
    source = f"""{SUITE}

@pytest.mark.asyncio
async def test_fails(create_test_db, dsn_pair, db):
    async with db.asessionmaker() as session:
        session.add(Product(name="left"))
        await session.commit()
    assert "password" in create_test_db

@pytest.mark.asyncio
async def test_finds_nothing(db):
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 0
"""
    secret = make_url(dsn).set(password=make_url(dsn).password or "n0t-to-be-seen")
    shown = run(tmp_path, strategy, secret.render_as_string(False), source, *LOCALS, status=FAILED)
    assert "1 failed, 7 passed" in shown
    assert str(secret.password) not in shown
    assert not left_by(dsn)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failing_test_on_a_server_with_a_password(
    strategy: str, tmp_path: Path, password_server: Server
) -> None:
    source = (
        "def test_fails(create_test_db, dsn_pair, db):\n    assert 'password' in create_test_db"
    )
    dsn = password_server.url.render_as_string(hide_password=False)
    said = run(tmp_path, strategy, dsn, source, *LOCALS, status=FAILED)
    run_async(drop_templates(dsn))
    assert ":***@" in said
    assert PASSWORD[:6] not in said  # its beginning looks the same in a URL


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_conftest_names_migrations_and_tables_of_its_own(
    strategy: str, tmp_path: Path, dsn: str
) -> None:
    """Two overridden fixtures take a strategy to another project."""
    own_migrations(tmp_path)
    source = """
import pytest
from sqlalchemy import text

@pytest.mark.parametrize("n", range(3))
@pytest.mark.asyncio
async def test_things(db, n):
    async with db.asessionmaker() as session:
        assert await session.scalar(text("SELECT count(*) FROM thing")) == 0
        await session.execute(text("INSERT INTO thing (id) VALUES (1)"))
        await session.commit()
"""
    run(tmp_path, strategy, dsn, source)


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["session_level", "template"])
def test_the_environment_is_restored(strategy: str, tmp_path: Path, dsn: str) -> None:
    """And one process may run strategies with one loop and without, as a notebook does."""
    source = f"""
import os, sys, pytest
os.environ["POSTGRES_DSN"] = sys.argv[1]
os.environ.pop("POSTGRES_DSN_ORIGINAL", None)
for strategy in ("session_level", "deletion", {strategy!r}):
    plugins = ["-p", "project.defaults", "-p", f"project.testing.{{strategy}}"]
    if status := pytest.main([*plugins, "test_it.py"]):
        sys.exit(status)
    assert os.environ["POSTGRES_DSN"] == sys.argv[1]
    assert "POSTGRES_DSN_ORIGINAL" not in os.environ
"""
    (tmp_path / "test_it.py").write_text(CANONICAL)
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    result = subprocess.run(
        [sys.executable, "-c", source, dsn], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        pytest.param(STRATEGIES, id="on"),
        pytest.param(STRATEGIES[::-1], id="back", marks=pytest.mark.thorough),
    ],
)
def test_one_process_runs_every_strategy(order: tuple[str, ...], tmp_path: Path, dsn: str) -> None:
    """One imports another's module, which pytest would warn of: a warning is an error here."""
    source = f"""
import sys, pytest
for strategy in {order}:
    plugins = ["-p", "project.defaults", "-p", f"project.testing.{{strategy}}"]
    if status := pytest.main([*plugins, "test_it.py::test_get_record"]):
        sys.exit(status)
"""
    (tmp_path / "test_it.py").write_text(CANONICAL)
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    result = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env=os.environ | {"POSTGRES_DSN": dsn},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


# --- killed, kept, foreign ---


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_database_of_a_killed_run_goes_with_the_next(
    strategy: str, tmp_path: Path, dsn: str
) -> None:
    run(tmp_path, strategy, dsn, KILLED, status=-9)
    assert left_by(dsn) == {database_of(make_test_dsn(dsn))}
    before = templates(dsn)
    run(tmp_path, strategy, dsn, SUITE)
    assert not left_by(dsn)
    assert templates(dsn) == before, "a template is used again"


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_database_that_no_test_run_made_stays(strategy: str, tmp_path: Path, dsn: str) -> None:
    name = database_of(make_test_dsn(dsn))
    with database(dsn, name) as dear:
        query(dear, "CREATE TABLE precious (n int)")
        said = run(tmp_path, strategy, dsn, SUITE, status=ENDED)
        assert f"There is a database {name!r} that no test run has made" in said
        assert query(dear, "SELECT * FROM precious") == []
        query(dsn, f"COMMENT ON DATABASE {quote(name)} IS '{COMMENT}'")
        run(tmp_path, strategy, dsn, SUITE)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_kept_database_holds_what_the_failed_test_wrote(
    strategy: str, dsn: str, tmp_path: Path
) -> None:
    failing = "@pytest.mark.asyncio\nasync def test_fails(db, product_fixture):\n    assert 0\n"
    said = run(tmp_path, strategy, dsn, f"{SUITE}\n\n{failing}", "--keep-test-db", status=FAILED)
    kept = re.search(r"dbname=(\w+)", said)
    assert kept is not None, said
    assert query(make_url(dsn).set(database=kept[1]), "SELECT name FROM product") == [
        ("Test product",)
    ]
    run(tmp_path, strategy, dsn, SUITE, "--keep-test-db")
    assert not left_by(dsn), "a run that passes keeps nothing"


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_worker_that_starts_late_spares_what_another_has_kept(
    strategy: str, dsn: str, tmp_path: Path
) -> None:
    """One worker fails and keeps its database; then the other looks for leftovers."""
    (tmp_path / "conftest.py").write_text(
        """
import time
import pytest
from pathlib import Path

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    end = time.monotonic() + 30
    while item.name == "test_late" and not Path("kept").exists() and time.monotonic() < end:
        time.sleep(0.05)

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if session.testsfailed and hasattr(session.config, "workerinput"):
        Path("kept").touch()
"""
    )
    source = """
import pytest

@pytest.mark.asyncio
async def test_fails(db, product_fixture):
    assert 0

@pytest.mark.asyncio
async def test_late(db):
    pass
"""
    said = run(
        tmp_path,
        strategy,
        dsn,
        source,
        "-n2",
        "--keep-test-db",
        status=pytest.ExitCode.INTERRUPTED,
    )
    kept = re.findall(r"dbname=(\w+)", said)
    assert set(kept) == left_by(dsn), said
    assert kept
    run(tmp_path, strategy, dsn, SUITE)
    assert not left_by(dsn)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_connection_that_a_test_leaves_open(strategy: str, tmp_path: Path, dsn: str) -> None:
    """Function level names it, as an error; the others end it."""
    source = f"""{SUITE}

import asyncpg, os

open_connections = []

@pytest.mark.asyncio
async def test_leaves_a_connection_open(db):
    dsn = os.environ["POSTGRES_DSN"].replace("+asyncpg", "")
    open_connections.append(await asyncpg.connect(dsn))
"""
    status = FAILED if strategy == "function_level" else 0
    said = run(tmp_path, strategy, dsn, source, "-W", "ignore", status=status)
    assert ("being accessed by other users" in said) is bool(status)
    assert not left_by(dsn)


# --- in parallel ---

MEET = suite("strategies/meet.py")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_worker_has_a_database_of_its_own(strategy: str, dsn: str, tmp_path: Path) -> None:
    """Two tests that wait for each other pass on two workers, and on one they can't."""
    run(tmp_path, strategy, dsn, MEET, "-n2")
    for number in range(2):
        used = set((tmp_path / f"gw{number}.txt").read_text().split())
        assert used == {database_of(make_test_dsn(dsn, f"gw{number}"))}
    assert not left_by(dsn)


# --- migrations ---


def own_migrations(folder: Path) -> Path:
    """Give a folder migrations of its own, the isolation suite's; return the revision's file."""
    (folder / "conftest.py").write_text(
        """
import pytest
from alembic.config import Config
from project.isolation.tables import METADATA

@pytest.fixture(scope="session")
def alembic_config():
    config = Config()
    config.set_main_option("script_location", "migrations")
    config.set_main_option("path_separator", "os")
    return config

@pytest.fixture(scope="session")
def target_metadata():
    return METADATA
"""
    )
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    for file in ("env.py", "versions/0001.py"):
        source = ISOLATION_SUITE.parent / "migrations" / file
        (folder / "migrations" / file).write_text(source.read_text())
    return versions / "0001.py"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_migrations_that_can_not_be_undone(strategy: str, dsn: str, tmp_path: Path) -> None:
    revision = own_migrations(tmp_path)
    source = revision.read_text()
    head = source.index("def downgrade")
    revision.write_text(f"{source[:head]}def downgrade() -> None:\n    raise NotImplementedError\n")
    undone = strategy in MIGRATIONS_RUN
    said = run(
        tmp_path, strategy, dsn, "def test_it(db):\n    pass\n", status=FAILED if undone else 0
    )
    assert ("The downgrade of revision 0001 failed" in said) is undone
    assert ("The other strategies do without that" in said) is undone
    assert not left_by(dsn)


@pytest.mark.slow
def test_changed_migrations_make_a_new_template_and_drop_the_old(dsn: str, tmp_path: Path) -> None:
    """A revision that changes, a file without an ending, and one that your fixture names."""
    revision = own_migrations(tmp_path)
    with (tmp_path / "conftest.py").open("a") as conftest:
        conftest.write(
            "\n\n@pytest.fixture(scope='session')\ndef template_files():\n"
            "    from pathlib import Path\n    return [Path('functions.sql')]\n"
        )
    functions, plain = tmp_path / "functions.sql", revision.with_name("grants")
    for file in (functions, plain):
        file.write_text("")
    made = []
    for changed in (None, None, revision, functions, plain):
        if changed:
            changed.write_text(changed.read_text() + "\n# changed\n")
        run(tmp_path, "template", dsn, "def test_it(db):\n    pass\n")
        made.append(templates(dsn))
    first, again, *others = made
    assert first == again
    assert {len(found) for found in made} == {1}
    assert len(set.union(first, *others)) == 4


@pytest.mark.slow
def test_a_broken_template_is_made_anew(dsn: str, tmp_path: Path) -> None:
    """One that was left empty, and one whose version was changed."""
    run(tmp_path, "template", dsn, SUITE)
    [template] = templates(dsn)
    quoted = quote(template)
    query(dsn, f"DROP DATABASE {quoted}", f"CREATE DATABASE {quoted} CONNECTION LIMIT {MARK}")
    run(tmp_path, "template", dsn, SUITE)
    query(dsn, f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS true")
    query(make_url(dsn).set(database=template), "UPDATE alembic_version SET version_num = '0001'")
    query(dsn, f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS false")
    run(tmp_path, "template", dsn, SUITE)
    assert templates(dsn) == {template}


def test_migrations_that_do_nothing_make_no_template(dsn: str, tmp_path: Path) -> None:
    own_migrations(tmp_path)
    (tmp_path / "migrations" / "env.py").write_text("")
    said = run(tmp_path, "template", dsn, "def test_it(db):\n    pass\n", status=ENDED)
    assert "isn't migrated: it has no table" in said
    assert not templates(dsn)


@pytest.mark.slow
def test_templates_go_whose_original_is_gone(dsn: str, tmp_path: Path) -> None:
    with database(dsn, "an original that goes") as gone:
        run(tmp_path, "template", gone, SUITE)
        [template] = templates(gone)
        run(tmp_path, "template", dsn, SUITE)
        assert template in databases(dsn), "its original is there"
    run(tmp_path, "template", dsn, SUITE)
    assert template not in databases(dsn)
    assert not template.startswith(template_prefix(database_of(dsn)))


# --- what only some promise ---


def test_sequences_are_reset_on_request(dsn: str, tmp_path: Path) -> None:
    own_migrations(tmp_path)
    source = """
import pytest
from sqlalchemy import text

async def draw(db):
    async with db.asessionmaker() as session:
        number = await session.scalar(text("INSERT INTO counted DEFAULT VALUES RETURNING id"))
        await session.commit()
        return number

@pytest.mark.asyncio
async def test_1(db):
    assert await draw(db) == 1

@pytest.mark.asyncio
async def test_2(db):
    assert await draw(db) == 2

@pytest.mark.asyncio
async def test_3(db, reset_sequences):
    assert await draw(db) == 1
"""
    run(tmp_path, "deletion", dsn, source)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nobody_waits_for_a_lock_for_long(strategy: str, dsn: str, tmp_path: Path) -> None:
    source = """
import pytest
from sqlalchemy import text

@pytest.mark.asyncio
async def test_limit(db):
    async with db.asessionmaker() as session:
        assert await session.scalar(text("SHOW lock_timeout")) == "5s"
"""
    run(tmp_path, strategy, dsn, source)


def test_unit_tests_need_no_server(tmp_path: Path) -> None:
    """Where no test asks for a database and POSTGRES_DSN is unset, no server is looked for."""
    for strategy in STRATEGIES:
        process = start(
            tmp_path,
            strategy,
            "",
            "def test_it():\n    pass\n",
            PROJECT_POSTGRES_DIR=str(tmp_path / "server"),
        )
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert not (tmp_path / "server").exists()


@pytest.mark.parametrize("name", ["x" * 63, "x" * 62 + "y", "é" * 31, "日" * 20 + "abc"])
def test_a_long_name_is_never_cut_back_to_the_original(name: str) -> None:
    dsn = f"postgresql+asyncpg://u:p@h/{name}"
    test_name = database_of(make_test_dsn(dsn))
    assert len(test_name.encode()) <= 63
    assert test_name != name
    assert test_name.endswith("_test")
    assert make_test_dsn(dsn) != make_test_dsn(dsn + "z")


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        (
            "postgresql+asyncpg://u@/shop?host=/tmp/x&port=5433",
            "postgresql+asyncpg://u@/shop_test?host=/tmp/x&port=5433",
        ),
        ("postgresql+asyncpg://u:p%40/?@h/shop", "postgresql+asyncpg://u:p%40%2F%3F@h/shop_test"),
        ("postgresql+asyncpg://h/a%20b?x=/y", "postgresql+asyncpg://h/a b_test?x=/y"),
    ],
)
def test_a_dsn_keeps_your_spelling(dsn: str, expected: str) -> None:
    made = make_test_dsn(dsn)
    assert make_url(made) == make_url(dsn).set(database=database_of(dsn) + "_test")
    assert made == expected
