# not yet: the second run waits
async def try_to_hold(connection: AsyncConnection, name: str) -> bool:
    await connection.exec_driver_sql("SELECT pg_advisory_lock($1)", (lock_number(name),))
    return True
