# not yet: the first one stays
async def save_all(manager: DBSessionManager, names: list[str]) -> None:
    async with manager.asessionmaker() as session:
        for name in names:
            session.add(Product(name=name))
            await session.commit()
