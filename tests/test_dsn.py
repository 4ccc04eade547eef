"""POSTGRES_DSN: what is wrong with it is said in one line, and a password never."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import make_url

from project import postgres
from project.postgres.connection import PostgresError
from tests import forked
from tests.runs import plugins
from tests.servers import PASSWORD, databases, query, quote

SECRET = "n0t-to-be-seen"  # a password that must never be shown
TESTS = Path(__file__).parent / "test_records.py"


def with_url(**parts: object) -> Callable[[str], str]:
    return lambda dsn: make_url(dsn).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]


BAD: dict[str, tuple[Callable[[str], str], str]] = {
    "no URL": (lambda _: SECRET, "is not a database URL"),
    "no port": (lambda _: f"postgresql+asyncpg://u:{SECRET}@h:port/db", "is not a database URL"),
    "another driver": (with_url(drivername="postgresql+psycopg", password=SECRET), "asyncpg"),
    "no driver": (with_url(drivername="postgresql", password=SECRET), r"postgresql\+asyncpg://"),
    "another kind": (lambda _: f"https://u:{SECRET}@h/db", r"postgresql\+asyncpg://"),
    "no database": (with_url(database="", password=SECRET), "names no database"),
    "wrong password": (with_url(password=SECRET), "password authentication failed"),
    "no such role": (with_url(username="nonesuch", password=SECRET), "authentication failed"),
    "no such database": (with_url(database="nonesuch"), '"nonesuch" does not exist'),
    "server down": (with_url(port=1, password=SECRET), "host '127.0.0.1', port 1"),
    "no such host": (with_url(host="nonesuch.invalid", password=SECRET), "nonesuch.invalid"),
    "no such socket": (
        lambda _: f"postgresql+asyncpg://u:{SECRET}@/db?host=/nonesuch",
        "host '/nonesuch'",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_dsn_gets_one_clear_line(
    kind: str, password_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, message = BAD[kind]
    monkeypatch.setenv("POSTGRES_DSN", spoil(password_dsn))
    with pytest.raises(PostgresError, match=message) as caught:
        postgres.dsn()
    said = str(caught.value)
    assert "\n" not in said
    assert SECRET not in said
    assert PASSWORD not in said


def test_a_good_dsn_is_used_as_given(password_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_DSN", password_dsn)
    assert postgres.dsn() == password_dsn


def test_your_own_server_is_reached_by_your_own_settings(
    password_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are kept from the embedded server only."""
    url = make_url(password_dsn)
    bare = f"postgresql+asyncpg://{url.username}@{url.host}:{url.port}/{url.database}"
    monkeypatch.setenv("POSTGRES_DSN", bare)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    postgres.dsn()
    assert os.environ["PGPASSWORD"] == PASSWORD
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "standby")
    with pytest.raises(PostgresError, match="standby"):
        postgres.dsn()


def run_pytest(dsn: str, strategy: str) -> tuple[int, str]:
    options = [*plugins(strategy), "--noconftest", str(TESTS)]
    process = forked.start(Path.cwd(), options, os.environ | {"POSTGRES_DSN": dsn})
    said, _ = process.communicate(timeout=120)
    assert process.returncode is not None
    return process.returncode, said


@pytest.mark.parametrize("strategy", ["function_level", "session_level"])
@pytest.mark.parametrize("kind", ["another driver", "wrong password", "server down"])
def test_a_test_run_on_a_bad_dsn_ends_with_one_line(
    kind: str, strategy: str, password_dsn: str
) -> None:
    spoil, message = BAD[kind]
    status, output = run_pytest(spoil(password_dsn), strategy)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert sum(message.replace("\\", "") in line for line in output.splitlines()) == 1
    assert "Traceback" not in output
    assert "_ ERROR" not in output
    assert SECRET not in output


@pytest.mark.parametrize("strategy", ["function_level", "session_level"])
def test_a_role_that_may_not_create_databases(strategy: str, password_dsn: str) -> None:
    query(password_dsn, f"CREATE ROLE humble LOGIN PASSWORD '{SECRET}'")
    try:
        dsn = with_url(username="humble", password=SECRET)(password_dsn)
        before = databases(password_dsn)
        status, said = run_pytest(dsn, strategy)
        assert status == pytest.ExitCode.USAGE_ERROR
        assert "permission denied to create database" in said
        assert 'ALTER ROLE "humble" CREATEDB' in said
        assert SECRET not in said
        assert databases(password_dsn) == before
    finally:
        query(password_dsn, "DROP ROLE humble")


AWKWARD = [
    "per%cent",
    "a%20b%2Fc",
    "at@sign",
    "sl/ash",
    "col:on",
    "with space",
    "single'quote",
    'double"quote',
    "que?ry=1&x#y",
    "plus+",
    "back\\slash",
    "Grün_naïve_日本",
    "UPPER_lower",
    "dollar$1",
    "[brackets]",
]


@pytest.mark.parametrize(
    ("awkward", "strategy"),
    list(zip(AWKWARD, cycle(["function_level", "session_level"]), strict=False)),
)
def test_an_awkward_dsn_works_throughout(awkward: str, strategy: str, password_dsn: str) -> None:
    """The role, its password and the database hold it; the role is no superuser."""
    if "?" in awkward and sqlalchemy.__version__.startswith("2.0."):
        pytest.skip("SQLAlchemy 2.0 ends a database's name at a question mark")
    secret = awkward.replace("'", "''")
    role, name = quote(f"role {awkward}"), quote(f"db {awkward}")
    query(password_dsn, f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{secret}'")
    query(password_dsn, f"CREATE DATABASE {name} OWNER {role}")
    try:
        before = databases(password_dsn)
        dsn = with_url(username=f"role {awkward}", password=awkward, database=f"db {awkward}")
        status, said = run_pytest(dsn(password_dsn), strategy)
        assert status == 0, said
        assert "2 passed" in said
        assert databases(password_dsn) == before
    finally:
        query(password_dsn, f"DROP DATABASE {name}", f"DROP ROLE {role}")


LOOPS = """\
import asyncio, gc
from project import nest_asyncio
from project import postgres

nest_asyncio.apply()
postgres.dsn()
loops = [o for o in gc.get_objects() if isinstance(o, asyncio.BaseEventLoop)]
print(sum(not loop.is_closed() for loop in loops if loop is not asyncio.get_event_loop()))
"""


def test_a_look_at_the_server_leaves_no_loop_open(original_dsn: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LOOPS],
        env=os.environ | {"POSTGRES_DSN": original_dsn},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "0\n"
