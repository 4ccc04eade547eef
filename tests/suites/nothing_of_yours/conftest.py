import pytest
import sqlalchemy as sa
from alembic.config import Config

THINGS = sa.MetaData()
sa.Table("thing", THINGS, sa.Column("n", sa.Integer))


@pytest.fixture(scope="session")
def alembic_config():
    config = Config()
    config.set_main_option("script_location", ".")
    config.set_main_option("path_separator", "os")
    return config


@pytest.fixture(scope="session")
def target_metadata():
    return THINGS
