# not yet: a note beside makes another template
import pytest


@pytest.fixture(scope="session")
def my_template_files() -> list[Path]:
    """Return further files that the schema depends on."""
    return list(shop.iterdir())
