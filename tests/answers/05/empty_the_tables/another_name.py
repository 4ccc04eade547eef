# not yet: relation "products" does not exist
@pytest_asyncio.fixture(loop_scope="function")
async def my_db(create_test_db: str, migrate_db: None) -> AsyncIterator[DBSessionManager]:
    manager = DBSessionManager(create_test_db)
    yield manager
    try:
        async with manager.asessionmaker() as session:
            await session.execute(text("TRUNCATE TABLE products, reviews"))
            await session.commit()
    finally:
        await manager.close()
