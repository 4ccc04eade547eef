"""How the fixtures find this project's tables."""

import pytest
from sqlalchemy import MetaData

from anyio_names.models import Base

pytest_plugins = ["project.testing.restore"]


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    return Base.metadata


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
