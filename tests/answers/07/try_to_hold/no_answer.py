# not yet: the first run doesn't get True
async def try_to_hold(connection: AsyncConnection, name: str) -> bool:
    return await connection.exec_driver_sql("SELECT pg_try_advisory_lock($1)", (lock_number(name),))
