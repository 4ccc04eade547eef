"""The fixtures that every strategy begins with: the run's pair of DSNs, and the environment."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from .errors import stop
from .guards import REFUSED
from .names import DsnPair, SecretDsn, make_test_dsn
from .proof import keep_out

EXAMPLE = "postgresql+asyncpg://user:password@localhost:5432/mydb"


@pytest.fixture(scope="session")
def original_postgres_dsn() -> str:
    """Return the DSN of the original database. Override it to take it from elsewhere."""
    dsn = os.environ.get("POSTGRES_DSN")
    if not dsn:
        stop(f"No database: set POSTGRES_DSN, for example to {EXAMPLE}")
    return dsn


@pytest.fixture(scope="session")
def dsn_pair(original_postgres_dsn: str, pytestconfig: pytest.Config) -> DsnPair:
    """Return the run's two databases, decided here and nowhere else."""
    return pair_for(original_postgres_dsn, pytestconfig)


def pair_for(original: str, config: pytest.Config) -> DsnPair:
    """Return the pair of DSNs for a run on an original.

    A pytest-xdist worker has a test database of its own; the workers of one run are one run.
    """
    try:
        url = make_url(original)
    except (ArgumentError, ValueError):
        stop(f"POSTGRES_DSN is not a database URL. It should look like {EXAMPLE}")
    if url.drivername != "postgresql+asyncpg" or not url.database:
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


@contextmanager
def patched_environment(pair: DsnPair, config: pytest.Config) -> Iterator[None]:
    """Name the test database in POSTGRES_DSN, and put the original out of bounds."""
    with pytest.MonkeyPatch.context() as patch, keep_out(pair) as refused:
        config.stash[REFUSED] = refused
        patch.setenv("POSTGRES_DSN_ORIGINAL", pair.original)
        patch.setenv("POSTGRES_DSN", pair.test)
        yield


@pytest.fixture(scope="session")
def os_environ_patch(dsn_pair: DsnPair, pytestconfig: pytest.Config) -> Iterator[None]:
    """For the session, POSTGRES_DSN names the test database and POSTGRES_DSN_ORIGINAL yours.

    That is for the application's sake: the fixtures never read either of them back.
    """
    with patched_environment(dsn_pair, pytestconfig):
        yield


@pytest.fixture(scope="session", autouse=True)
def os_environ_patch_for_all(request: pytest.FixtureRequest) -> Iterator[None]:
    """Patch the environment before the first test, whether or not that one uses a database.

    Where no test asks for a database, none is connected to and no server is looked for.
    """
    given = os.environ.get("POSTGRES_DSN")
    if any("dsn_pair" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("os_environ_patch")
        yield
    elif given:
        with patched_environment(pair_for(given, request.config), request.config):
            yield
    else:
        yield
