# not yet: yes is wrong, because a rule kept the row, and it isn't the one
async def my_mend(connection: AsyncConnection, table: str, horizon: int, older: int) -> bool:
    """Delete what is newer than the horizon; tell whether that was all."""
    await connection.exec_driver_sql(f"DELETE FROM {table} WHERE {NEWER}", (horizon,))
    left = await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")
    return left.scalar() == older
