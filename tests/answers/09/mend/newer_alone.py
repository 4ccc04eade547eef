# not yet: yes is wrong, because a row of the migrations has changed
async def my_mend(connection: AsyncConnection, table: str, horizon: int, older: int) -> bool:
    """Delete what is newer than the horizon; tell whether that was all."""
    await connection.exec_driver_sql(f"DELETE FROM {table} WHERE {NEWER}", (horizon,))
    counts = await connection.exec_driver_sql(f"{COUNT} {table}", (horizon,))
    return counts.one()[0] == 0
