# not yet: there is no file currencies.csv
import pytest


@pytest.fixture(scope="session")
def my_template_files() -> list[Path]:
    """Return further files that the schema depends on."""
    return [Path("currencies.csv")]
