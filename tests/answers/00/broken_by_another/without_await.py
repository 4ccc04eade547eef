# not yet: await it
@pytest.mark.asyncio
async def test_mine(my_db):
    async with my_db.asessionmaker() as session:
        session.add(Product(name="mine"))
        await session.commit()
        assert session.scalar(COUNT) == 1
