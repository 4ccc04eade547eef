"""Faults on purpose, on real servers: generated DSNs, killed runs, crashed servers, runs at once.

python -m tests.faults     prints the figures; exits 1 if one of them is off

It takes ten minutes on a quiet machine with two cores, and half an hour on a busy one.
tests/test_safety.py runs the same functions with smaller numbers.
"""

import asyncio
import functools
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from project.postgres.connection import DRIVER
from project.postgres.embedded import EmbeddedServer
from project.testing import STRATEGIES
from project.testing.database.lifecycle import MARK, run_async, temporary_database
from project.testing.database.names import DsnPair, SecretDsn, database_of, make_test_dsn
from project.testing.template import drop_templates
from tests import forked
from tests.runs import Process, plugins
from tests.servers import DEBIAN, Server, databases, query, quote, running_server

PHASES = ("create", "migrate", "test", "clean", "drop")
ROLES = ("postgres", "participant")  # a superuser, and a role that may create databases
KILL, CRASH = "kill -9 of pytest", "crash of the server"
REFUSAL = "Another test run uses the database"
RUN_SECONDS = 120

# Each test expects an empty table, and leaves a committed row in it.
SUITE = """
import asyncio
import pytest
from sqlalchemy import func, select
from project.db.models import Product

@pytest.mark.parametrize("n", range(5))
@pytest.mark.asyncio
async def test_finds_nothing_leaves_a_row(db, n):
    async with db.asessionmaker() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 0
        session.add(Product(name=f"left by {n}"))
        await session.commit()
    await asyncio.sleep(0.05)
"""

# Notes in the file `phases` what the run is about to do, and when.
CONFTEST = """
import time
from pathlib import Path
from alembic import command
from project.testing import deletion, session_level, template
from project.testing.database import lifecycle

def note(phase):
    with Path("phases").open("a") as file:
        file.write(f"{phase} {time.time()}\\n")

def noting(phase, module, name):
    function = getattr(module, name)
    def noted(*arguments, **options):
        note(phase)
        return function(*arguments, **options)
    setattr(module, name, noted)

noting("create", lifecycle, "create_database")
noting("create", template, "create_database")
noting("create", template, "clone_database")
noting("drop", lifecycle, "drop_own_database")
noting("drop", template, "drop_own_database")
noting("migrate", command, "upgrade")
noting("clean", command, "downgrade")
noting("clean", session_level, "truncate_tables")
noting("clean", deletion, "delete_rows")

def pytest_runtest_call():
    note("test")

def pytest_unconfigure():
    note("end")
"""


@dataclass
class Figures:
    """What was counted, in words for a line; and what went wrong, if anything did."""

    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def say(text: str) -> None:
    print(text, end="", flush=True)


# --- an original database, and runs of a suite beside it ---


@dataclass
class Original:
    """A database with rows in it, the role that owns it, and a folder with a suite to run."""

    url: URL
    folder: Path

    @property
    def dsn(self) -> str:
        return self.url.render_as_string(hide_password=False)

    def checksum(self) -> object:
        return query(
            self.dsn,
            "SELECT md5(string_agg(precious, ',' ORDER BY precious)),"
            " (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class) FROM product",
        )

    def start(self, strategy: str, *arguments: str) -> Process:
        """Start pytest under a strategy, in a process of its own."""
        options = ["-q", "--tb=short", *plugins(strategy), *arguments]
        return forked.start(self.folder, options, os.environ | {"POSTGRES_DSN": self.dsn})

    def run(self, strategy: str, *arguments: str) -> tuple[int, str]:
        """Run pytest to its end; return its exit code and what it said."""
        process = self.start(strategy, *arguments)
        said, _ = process.communicate(timeout=RUN_SECONDS)
        assert process.returncode is not None
        return process.returncode, said

    def phases(self) -> list[tuple[str, float]]:
        """What the run has begun so far, and when. Only whole lines count."""
        try:
            text = (self.folder / "phases").read_text()
        except FileNotFoundError:
            return []
        lines = [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [(phase, float(when)) for phase, when in lines]


@contextmanager
def original(server: URL, name: str, role: str = "postgres") -> Iterator[Original]:
    """Make an original of a role's on a server, with 1000 rows; drop it in the end."""
    url = server.set(database=name)
    drop = f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)"
    if role != server.username:
        url = url.set(username=role, password=role)
        if not query(server, f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
            query(server, f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{role}'")
    query(server, drop, f"CREATE DATABASE {quote(name)} OWNER {quote(str(url.username))}")
    query(
        url,
        "CREATE TABLE product (precious text)",
        "INSERT INTO product SELECT md5(n::text) FROM generate_series(1, 1000) AS n",
    )
    folder = Path(tempfile.mkdtemp())
    (folder / "test_it.py").write_text(SUITE)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )
    mine = Original(url, folder)
    try:
        yield mine
    finally:
        run_async(drop_templates(url.render_as_string(hide_password=False)))
        query(server, drop)
        shutil.rmtree(folder, ignore_errors=True)


# --- killed runs, and crashed servers ---


def left_on(server: Server) -> set[str]:
    """The databases on a server but for templates, which stay from run to run."""
    return {name for name in databases(server.url) if not name.startswith("template_")}


def kill_at(
    mine: Original,
    strategy: str,
    moment: tuple[int, float],
    kill: Callable[[Process], None],
) -> bool:
    """Start a run, and call `kill` so many seconds after the beginning of its n-th phase.

    Return False if the run had ended before.
    """
    number, seconds = moment
    (mine.folder / "phases").unlink(missing_ok=True)
    process = mine.start(strategy)
    while len(mine.phases()) <= number and process.poll() is None:
        time.sleep(0.002)
    time.sleep(seconds)
    in_time = process.poll() is None
    kill(process)
    process.communicate(timeout=RUN_SECONDS)
    return in_time


def random_moment(
    noted: list[tuple[str, float]], phase: str, chance: random.Random
) -> tuple[int, float]:
    """Choose one of a phase's turns in an undisturbed run, and a moment of it."""
    number = chance.choice([at for at, (name, _) in enumerate(noted) if name == phase])
    return number, chance.uniform(0, noted[number + 1][1] - noted[number][1])


def faults(
    server: Server,
    figures: Figures,
    what: str,
    phases: tuple[str, ...],
    each: int,
    chance: random.Random,
    roles: tuple[str, ...] = ROLES,
) -> None:
    """Kill runs, or the server under them, at random moments, each followed by a normal run.

    For each strategy, role and phase there are `each` of them. `what` is KILL or CRASH.
    """

    def kill(process: Process) -> None:
        if what == CRASH:
            server.crash()
        else:
            process.kill()

    where: Counter[str] = Counter()
    good: Counter[str] = Counter()
    for strategy, role in product(STRATEGIES, roles):
        with original(server.url, f"{strategy} {role}", role) as mine:
            before, checksum = databases(server.url), mine.checksum()
            for _ in range(2):  # the second time, template migrates no more
                (mine.folder / "phases").unlink(missing_ok=True)
                code, said = mine.run(strategy)
                assert code == 0, said
            noted = mine.phases()
            there = {phase for phase, _ in noted}
            for phase in [phase for phase in phases * each if phase in there]:
                in_time = False
                while not in_time:
                    in_time = kill_at(mine, strategy, random_moment(noted, phase, chance), kill)
                    if what == CRASH:
                        server.start()
                where[phase] += 1
                good["left a database"] += bool(left_on(server) - before)
                code, said = mine.run(strategy)
                leftovers = left_on(server) - before
                outcome = {
                    "next run passed": code == 0,
                    "original unchanged": mine.checksum() == checksum,
                    "nothing left after it": not leftovers,
                }
                good.update(words for words, fine in outcome.items() if fine)
                if not all(outcome.values()):
                    figures.wrong.append(f"{what}, {strategy}, {phase}: {leftovers}\n{said}")
                say("." if all(outcome.values()) else "F")
    places = ", ".join(f"{number} in {phase}" for phase, number in where.items())
    counts = ", ".join(f"{words} {number}" for words, number in sorted(good.items()))
    figures.lines.append(f"{what}: {where.total()} ({places}): {counts}")


# --- runs at once ---


def at_once(server: Server, figures: Figures, many: int, same: int) -> None:
    """Run the suite at once with `many` originals, then `same` times with one original."""
    before = databases(server.url)
    with ExitStack() as stack:
        originals = [
            stack.enter_context(original(server.url, f"original {n}", ROLES[n % 2]))
            for n in range(many)
        ]
        one = originals[0]
        there = databases(server.url)
        checksums = [mine.checksum() for mine in originals]
        runs = [
            mine.start(STRATEGIES[n // 2 % len(STRATEGIES)]) for n, mine in enumerate(originals)
        ]
        said = [process.communicate(timeout=5 * RUN_SECONDS)[0] for process in runs]
        passed = sum(process.returncode == 0 for process in runs)
        figures.wrong += [s for s, process in zip(said, runs, strict=True) if process.returncode]
        leftovers = len(left_on(server) - there)
        say("." if passed == many and not leftovers else "F")

        runs = [one.start(STRATEGIES[n % len(STRATEGIES)]) for n in range(same)]
        said = [process.communicate(timeout=5 * RUN_SECONDS)[0] for process in runs]
        passed_same = sum(process.returncode == 0 for process in runs)
        refused = sum(
            process.returncode == pytest.ExitCode.USAGE_ERROR and REFUSAL in text
            for process, text in zip(runs, said, strict=True)
        )
        leftovers += len(left_on(server) - there)
        intact = [mine.checksum() for mine in originals] == checksums
        say("." if passed_same + refused == same and not leftovers else "F")
        if passed_same + refused < same or not passed_same:
            figures.wrong += said
        if leftovers or not intact:
            figures.wrong.append(f"at once: {leftovers} leftovers, originals unchanged: {intact}")
    assert databases(server.url) == before
    figures.lines.append(
        f"at once: {passed} of {many} passed with {many} originals; with one original, of {same}"
        f" runs {passed_same} passed and {refused} were refused; originals unchanged: {intact},"
        f" leftovers {leftovers}"
    )


# --- DSNs ---

ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
AWKWARD = st.sampled_from("%@/:?#&='\"\\ +_-.[]$,;!~ü日İAz09")
PART = st.text(ANY | AWKWARD, min_size=1, max_size=20) | st.text(AWKWARD, min_size=1, max_size=90)
ADDRESS = st.one_of(
    st.fixed_dictionaries(
        {
            "host": st.sampled_from(["localhost", "127.0.0.1", "::1", "db.example.com"]),
            "port": st.none() | st.integers(1, 65535),
            "query": st.dictionaries(PART, PART, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {"query": st.fixed_dictionaries({"host": PART, "port": st.just("5432")})},
    ),
)
URLS = st.builds(
    lambda username, password, database, address: URL.create(
        DRIVER, username, password, database=database, **address
    ),
    st.none() | PART,
    st.none() | PART,
    PART | st.integers(0, 99).map(lambda n: f"shop_gw{n}"),
    ADDRESS,
)


def dsns(**options: Any) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    """Return a decorator that calls a function with generated DSNs, and shrinks one that fails."""

    def decorate(check: Callable[[str], None]) -> Callable[[], None]:
        @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck), **options)
        @given(URLS)
        def checked(url: URL) -> None:
            dsn = url.render_as_string(hide_password=False)
            assume(make_url(dsn).database)
            check(dsn)

        return checked

    return decorate


def as_stored(name: str) -> bytes:
    """A database's name as PostgreSQL keeps it: not over 63 bytes."""
    return name.encode()[:63]


def check_derived(dsn: str) -> None:
    """See that a DSN's test DSN leads to the same server, and to another database."""
    given_url, test_url = make_url(dsn), make_url(make_test_dsn(dsn))
    assert test_url.set(database=given_url.database) == given_url, "another server"
    name, mine = test_url.database or "", given_url.database or ""
    assert as_stored(name) != as_stored(mine), "the original"
    assert len(name.encode()) <= 63
    assert name.endswith("_test")


def can_be_made(url: URL) -> bool:
    """Tell whether PostgreSQL can have this role and this database."""
    role, name = url.username or "", url.database or ""
    return (
        0 < len(role.encode()) <= 63
        and 0 < len(name.encode()) <= 63
        and not role.startswith("pg_")
        and role not in ("public", "none", *ROLES)
        and bool(url.password)
    )


def pair_of(dsn: str, part: str = "") -> DsnPair:
    """The two databases of a run that isn't pytest's."""
    return DsnPair(SecretDsn(dsn), SecretDsn(make_test_dsn(dsn, part)), f"of a test {part}")


async def connect_and_look(dsn: str, test_dsn: str) -> tuple[str, int]:
    """Make the test database, and return the name and the mark of where its DSN leads."""
    async with temporary_database(pair_of(dsn), lambda: False):
        engine = create_async_engine(test_dsn, poolclass=NullPool)
        async with engine.connect() as connection:
            row = await connection.exec_driver_sql(
                "SELECT datname, datconnlimit FROM pg_database WHERE datname = current_database()"
            )
            found = row.one()
            return found.datname, found.datconnlimit


def check_connected(server: Server, dsn: str) -> None:
    """Make a role and a database of a DSN's names, connect, and see where the test DSN leads."""
    url = make_url(dsn)
    assume(can_be_made(url))
    socket = {"host": str(server.folder), "port": str(server.port)}
    by_socket = len(dsn) % 2
    address = server.url.set(host=None, port=None, query=socket) if by_socket else server.url
    mine = address.set(username=url.username, password=url.password, database=url.database)
    real_dsn = mine.render_as_string(hide_password=False)
    role, name = quote(url.username or ""), quote(url.database or "")
    secret = (url.password or "").replace("'", "''")
    query(
        server.url,
        f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{secret}'",
        f"CREATE DATABASE {name} OWNER {role}",
    )
    try:
        before = databases(server.url)
        try:
            query(real_dsn, "SELECT 1")
        except (DBAPIError, OSError, ValueError):
            reject()  # the driver can't use it either
        test_dsn = make_test_dsn(real_dsn)
        led_to = asyncio.run(connect_and_look(real_dsn, test_dsn))
        assert led_to == (database_of(test_dsn), MARK)
        assert databases(server.url) == before
    finally:
        query(server.url, f"DROP DATABASE {name}", f"DROP ROLE {role}")


def check_dsns(server: Server, derived: int, connected: int) -> None:
    """Derive so many test DSNs from generated DSNs, and connect to so many for real."""
    dsns(max_examples=derived)(check_derived)()
    dsns(max_examples=connected)(functools.partial(check_connected, server))()


# --- all of it ---


def main() -> int:
    """Run every fault on PostgreSQL 15, where Debian's is installed, and on the embedded one's."""
    started, seed = time.perf_counter(), random.randrange(10**6)
    print(f"seed {seed}; this takes ten minutes to half an hour")
    wrong, chance = [], random.Random(seed)

    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        tools = {"18": EmbeddedServer(Path(place))._tools()}
        if DEBIAN.exists():
            tools = {"15": DEBIAN} | tools
        for version, folder in tools.items():
            here = Path(place, version)
            here.mkdir()
            figures = Figures()
            with running_server(here, folder) as server:
                share = len(tools)
                say(f"PostgreSQL {version} ")
                check_dsns(server, 500 // share, 52 // share)
                figures.lines.append(f"DSNs: {500 // share} derived, {52 // share} connected to")
                faults(server, figures, KILL, PHASES, 2 // share, chance)
                faults(server, figures, CRASH, ("create", "test"), 1, chance)
                at_once(server, figures, 16, 4)
            print("", *figures.lines, *figures.wrong, sep="\n")
            wrong += figures.wrong
    print(f"{time.perf_counter() - started:.0f} s; {len(wrong)} wrong")
    return min(len(wrong), 1)


if __name__ == "__main__":
    sys.exit(main())
