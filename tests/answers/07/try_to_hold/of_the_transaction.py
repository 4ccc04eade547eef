# not yet: both runs hold it, because this lock has ended already
async def try_to_hold(connection: AsyncConnection, name: str) -> bool:
    found = await connection.exec_driver_sql(
        "SELECT pg_try_advisory_xact_lock($1)", (lock_number(name),)
    )
    return bool(found.scalar())
