# not yet: a fixture of the session can't ask for it, because it is made for each test
import pytest


@pytest.fixture
def my_template_files() -> list[Path]:
    """Return further files that the schema depends on."""
    return [shop / "currencies.csv"]
