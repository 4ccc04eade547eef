# not yet: an async def needs the mark
my_db = make_db("session", "session")


@pytest.mark.asyncio(loop_scope="session")
async def test_first(my_db):
    async with my_db.asessionmaker() as session:
        assert await session.scalar(select(1)) == 1


async def test_second(my_db):
    async with my_db.asessionmaker() as session:
        assert await session.scalar(select(1)) == 1
