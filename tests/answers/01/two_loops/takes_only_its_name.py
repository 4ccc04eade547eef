# not yet: it doesn't ask for my_db
my_db = make_db("session", "session")


@pytest.mark.asyncio(loop_scope="session")
async def test_first(my_db):
    async with my_db.asessionmaker() as session:
        assert await session.scalar(select(1)) == 1


@pytest.mark.asyncio
async def test_second():
    my_db = DBSessionManager(scratch_dsn)
    async with my_db.asessionmaker() as session:
        assert await session.scalar(select(1)) == 1
    await my_db.close()
