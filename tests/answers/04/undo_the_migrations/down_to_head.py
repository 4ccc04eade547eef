# not yet: because the downgrade goes to nowhere
from alembic import command


@pytest.fixture
def my_migrate_db(create_test_db: str, alembic_config: Config) -> Iterator[None]:
    config = point_at(alembic_config, create_test_db)
    command.upgrade(config, "head")
    yield
    command.downgrade(config, "head")
