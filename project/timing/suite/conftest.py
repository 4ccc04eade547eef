"""What a workload overrides of an isolation strategy, and how often its tests run."""

import json
import pickle
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import MetaData

FOLDER = Path(__file__).parent
SIZES = json.loads((FOLDER / "sizes.json").read_text())


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    """Return the workload's migrations."""
    return Config(FOLDER / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    """Return its tables. They come ready made: what is imported here counts in the time."""
    tables: MetaData = pickle.loads((FOLDER / "metadata.pickle").read_bytes())
    return tables


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test as often as it takes."""
    metafunc.fixturenames.append("repetition")
    metafunc.parametrize("repetition", range(SIZES["repetitions"]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is too many."""
    del items[SIZES["tests"] :]
