# not yet: another name isn't free either
async def try_to_hold(connection: AsyncConnection, name: str) -> bool:
    found = await connection.exec_driver_sql("SELECT pg_try_advisory_lock(1)")
    return bool(found.scalar())
