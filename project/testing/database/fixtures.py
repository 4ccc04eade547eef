"""The fixtures that every strategy begins with: the run's pair of DSNs, and the environment."""

import os
import secrets
from collections.abc import Iterator

import pytest

from .errors import stop
from .guards import REFUSED
from .names import DsnPair, SecretDsn, make_test_dsn
from .proof import keep_out


@pytest.fixture(scope="session")
def original_postgres_dsn() -> str:
    """Return the DSN of the original database. Override it to take it from elsewhere."""
    dsn = os.environ.get("POSTGRES_DSN")
    if not dsn:
        stop(
            "No database: set POSTGRES_DSN, for example to"
            " postgresql+asyncpg://user:password@localhost:5432/mydb"
        )
    return dsn


@pytest.fixture(scope="session")
def dsn_pair(original_postgres_dsn: str, pytestconfig: pytest.Config) -> DsnPair:
    """Return the run's two databases, decided here and nowhere else.

    A pytest-xdist worker has a test database of its own; the workers of one run are one run.
    """
    worker = getattr(pytestconfig, "workerinput", {})
    return DsnPair(
        original=SecretDsn(original_postgres_dsn),
        test=SecretDsn(make_test_dsn(original_postgres_dsn, worker.get("workerid", ""))),
        run=worker.get("testrunuid") or secrets.token_hex(16),
    )


@pytest.fixture(scope="session")
def os_environ_patch(dsn_pair: DsnPair, pytestconfig: pytest.Config) -> Iterator[None]:
    """For the session, POSTGRES_DSN names the test database and POSTGRES_DSN_ORIGINAL yours.

    That is for the application's sake: the fixtures never read either of them back. As long, the
    original is out of bounds for all else than the fixtures.
    """
    with pytest.MonkeyPatch.context() as patch, keep_out(dsn_pair) as refused:
        pytestconfig.stash[REFUSED] = refused
        patch.setenv("POSTGRES_DSN_ORIGINAL", dsn_pair.original)
        patch.setenv("POSTGRES_DSN", dsn_pair.test)
        yield


@pytest.fixture(scope="session", autouse=True)
def os_environ_patch_for_all(request: pytest.FixtureRequest) -> None:
    """Patch the environment before the first test, whether or not that one uses a database.

    Where no test asks for a database and none is named, no server is looked for.
    """
    asked = any("dsn_pair" in getattr(item, "fixturenames", ()) for item in request.session.items)
    if asked or os.environ.get("POSTGRES_DSN"):
        request.getfixturevalue("os_environ_patch")
