# not yet: the first run is gone and still holds it
HELD_NAMES = set()


async def try_to_hold(connection: AsyncConnection, name: str) -> bool:
    if name in HELD_NAMES:
        return False
    HELD_NAMES.add(name)
    return True
