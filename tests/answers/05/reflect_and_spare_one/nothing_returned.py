# not yet: a test gets None: does it return
@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def my_metadata(create_test_db: str, migrate_db: None) -> MetaData:
    metadata = MetaData()
    engine = create_async_engine(create_test_db, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(metadata.reflect)
    metadata.remove(metadata.tables["alembic_version"])
