# not yet: type object 'Base' has no attribute 'tables'
my_overrides = """
@pytest.fixture(scope="session")
def alembic_config():
    return Config(Path(__file__).parent / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata():
    return Base
"""
