# not yet: fixtures of session scope ask for them
my_overrides = """
@pytest.fixture
def alembic_config():
    return Config(Path(__file__).parent / "alembic.ini")


@pytest.fixture
def target_metadata():
    return Base.metadata
"""
