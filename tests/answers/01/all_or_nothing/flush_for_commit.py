# not yet: two good names aren't saved
async def save_all(manager: DBSessionManager, names: list[str]) -> None:
    async with manager.asessionmaker() as session:
        for name in names:
            session.add(Product(name=name))
            await session.flush()
