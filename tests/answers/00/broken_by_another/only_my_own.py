# not yet: it passes after a test that left a row
@pytest.mark.asyncio
async def test_mine(my_db):
    async with my_db.asessionmaker() as session:
        session.add(Product(name="mine"))
        await session.commit()
        found = await session.scalar(select(Product).where(Product.name == "mine"))
        assert found.name == "mine"
