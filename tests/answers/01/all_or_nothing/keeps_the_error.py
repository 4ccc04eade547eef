# not yet: the caller gets no error
async def save_all(manager: DBSessionManager, names: list[str]) -> None:
    async with manager.asessionmaker() as session:
        try:
            session.add_all([Product(name=name) for name in names])
            await session.commit()
        except Exception:
            await session.rollback()
