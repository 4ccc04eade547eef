"""The fixtures that every strategy begins with: the run's pair of DSNs, and the environment."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from .errors import stop
from .guards import REFUSED
from .names import DsnPair, SecretDsn, make_test_dsn
from .proof import keep_out

DRIVER = "postgresql+asyncpg"
EXAMPLE = f"{DRIVER}://user:password@localhost:5432/mydb"


@pytest.fixture(scope="session")
def original_postgres_dsn() -> str:
    """Return the DSN of the original database. Override it to take it from elsewhere."""
    dsn = os.environ.get("POSTGRES_DSN")
    if not dsn:
        stop(f"No database: set POSTGRES_DSN, for example to {EXAMPLE}")
    return dsn


@pytest.fixture(scope="session")
def dsn_pair(original_postgres_dsn: str, pytestconfig: pytest.Config) -> DsnPair:
    """Return the run's two databases, decided here and nowhere else.

    From here on the original is out of bounds for all else than the fixtures.
    """
    pair = pair_for(original_postgres_dsn, pytestconfig)
    guard_original(pair, pytestconfig)
    return pair


def pair_for(original: str, config: pytest.Config) -> DsnPair:
    """Return the pair of DSNs for a run on an original.

    A pytest-xdist worker has a test database of its own; the workers of one run are one run.
    """
    try:
        url = make_url(original)
    except (ArgumentError, ValueError):
        stop(f"POSTGRES_DSN is not a database URL. It should look like {EXAMPLE}")
    if url.drivername != DRIVER or not url.database:
        stop(
            f"POSTGRES_DSN has the driver {url.drivername} and the database {url.database!r}."
            f" It should look like {EXAMPLE}"
        )
    worker = getattr(config, "workerinput", {})
    return DsnPair(
        original=SecretDsn(original),
        test=SecretDsn(make_test_dsn(original, worker.get("workerid", ""))),
        run=worker.get("testrunuid") or secrets.token_hex(16),
    )


def guard_original(pair: DsnPair, config: pytest.Config) -> None:
    """Keep everybody out of the original, and of what POSTGRES_DSN names, until pytest ends."""
    others = []
    with suppress(ArgumentError, ValueError):  # a fixture of yours may make one of another form
        if REFUSED not in config.stash:  # else it is the test database of another pair
            given = make_url(os.environ.get("POSTGRES_DSN", "")).set(drivername=DRIVER)
            others.append(given.render_as_string(hide_password=False))
    guard = ExitStack()
    refused = guard.enter_context(keep_out(pair, *others))
    config.stash.setdefault(REFUSED, []).append(refused)
    config.add_cleanup(guard.close)


@contextmanager
def named_in_environment(pair: DsnPair) -> Iterator[None]:
    """Name the test database in POSTGRES_DSN, and the original in POSTGRES_DSN_ORIGINAL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_DSN_ORIGINAL", pair.original)
        patch.setenv("POSTGRES_DSN", pair.test)
        yield


@pytest.fixture(scope="session")
def os_environ_patch(dsn_pair: DsnPair) -> Iterator[None]:
    """For the session, POSTGRES_DSN names the test database and POSTGRES_DSN_ORIGINAL yours.

    That is for the application's sake: the fixtures never read either of them back.
    """
    with named_in_environment(dsn_pair):
        yield


@pytest.fixture(scope="session", autouse=True)
def _clean_db_environ(request: pytest.FixtureRequest) -> Iterator[None]:
    """Patch the environment before the first test, whether or not that one uses a database.

    Where no test asks for a database, none is connected to and no server is looked for.
    """
    given = os.environ.get("POSTGRES_DSN")
    if any("dsn_pair" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("os_environ_patch")
        yield
    elif given:
        pair = pair_for(given, request.config)
        guard_original(pair, request.config)
        with named_in_environment(pair):
            yield
    else:
        yield
