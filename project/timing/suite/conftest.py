"""What a workload overrides of an isolation strategy, and how often its tests run."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config

FOLDER = Path(__file__).parent
TIMES = json.loads((FOLDER / "times.json").read_text())


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    return Config(FOLDER / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata() -> Any:
    return pickle.loads((FOLDER / "metadata.pickle").read_bytes())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.fixturenames.append("repetition")
    metafunc.parametrize("repetition", range(TIMES.get(metafunc.function.__name__, 0)))
