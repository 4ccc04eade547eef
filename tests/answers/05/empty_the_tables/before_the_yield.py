# not yet: because nothing has emptied its table after the test
@pytest_asyncio.fixture(loop_scope="function")
async def my_db(create_test_db: str, migrate_db: None) -> AsyncIterator[DBSessionManager]:
    manager = DBSessionManager(create_test_db)
    async with manager.asessionmaker() as session:
        await session.execute(text("TRUNCATE TABLE product, review"))
        await session.commit()
    yield manager
    await manager.close()
