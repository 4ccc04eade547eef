# not yet: the second test finds the first one's table: it commits, so the table stays
@pytest_asyncio.fixture(loop_scope="session")
async def my_db(_clean_db_engine: AsyncEngine) -> AsyncIterator[OneTransaction]:
    """Yield a session manager in a transaction; after the test, check constraints, roll back."""
    async with _clean_db_engine.connect() as connection, connection.begin() as transaction:
        yield OneTransaction(connection)
        await transaction.commit()
