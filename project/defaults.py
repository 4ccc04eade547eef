"""This project, plugged into `project.testing`: its server, migrations, models and a product.

A pytest plugin that does what a conftest.py of yours does for your project.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_asyncio
from alembic.config import Config
from sqlalchemy import MetaData

import project
from project.db.models import Base, Product
from project.db.session_manager import DBSessionManager
from project.testing import SHARED_FIXTURES
from project.testing.database.errors import stop


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load first what this overrides: of two plugins, the later one's fixtures count."""
    for module in SHARED_FIXTURES:
        pluginmanager.import_plugin(module)


@pytest.fixture(scope="session")
def original_postgres_dsn() -> str:
    """Return the DSN that POSTGRES_DSN holds, or that of the embedded server."""
    try:
        from project import postgres
    except ModuleNotFoundError as error:
        stop(
            f"The embedded server needs the package {error.name}: install this project with its"
            " extra [server]. On a server of yours, leave out -p project.defaults."
        )
    try:
        return postgres.dsn()
    except postgres.PostgresError as error:
        stop(str(error))


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    """Return this project's migrations."""
    return Config(Path(project.__path__[0]).parent / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata() -> MetaData:
    """Return this project's tables."""
    return Base.metadata


@pytest.fixture(scope="session")
def session_manager_factory() -> Callable[[str], DBSessionManager]:
    """Return what makes the session manager that `db` yields."""
    return DBSessionManager


@pytest_asyncio.fixture(loop_scope="function")
async def product_fixture(db: DBSessionManager) -> Product:
    """Return a product that is in the database, committed."""
    async with db.asessionmaker() as session:
        product = Product(name="Test product")
        session.add(product)
        await session.commit()
        await session.refresh(product)
    return product
