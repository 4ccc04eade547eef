# not yet: yes is wrong, because a rule kept the row
async def my_mend(connection: AsyncConnection, table: str, horizon: int, older: int) -> bool:
    """Delete what is newer than the horizon; tell whether that was all."""
    counts = await connection.exec_driver_sql(f"{COUNT} {table}", (horizon,))
    await connection.exec_driver_sql(f"DELETE FROM {table} WHERE {NEWER}", (horizon,))
    return counts.one()[1] == older
