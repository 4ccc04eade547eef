# not yet: a book without an author goes unnoticed
@pytest_asyncio.fixture(loop_scope="session")
async def my_db(_clean_db_engine: AsyncEngine) -> AsyncIterator[OneTransaction]:
    """Yield a session manager in a transaction; after the test, check constraints, roll back."""
    async with _clean_db_engine.connect() as connection:
        transaction = await connection.begin()
        yield OneTransaction(connection)
        await transaction.rollback()
        await connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
