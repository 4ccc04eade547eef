# not yet: gw0 and gw1 write into one file
import pytest


@pytest.fixture(scope="session")
def export_file() -> Path:
    return folder / f"{database_of(os.environ['POSTGRES_DSN'])}.csv"
