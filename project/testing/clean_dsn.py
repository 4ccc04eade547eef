"""For an application that makes its own engine: the DSN of the test's clean database."""

import pytest


@pytest.fixture
def test_dsn(db: object, create_test_db: str) -> str:
    """Return the DSN of this test's clean, migrated database, for an engine of your own.

    What the test leaves there is cleaned as with `db`, whether or not the test uses that as well.
    """
    return create_test_db
