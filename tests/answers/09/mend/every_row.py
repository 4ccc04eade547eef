# not yet: the products are []
async def my_mend(connection: AsyncConnection, table: str, horizon: int, older: int) -> bool:
    """Delete what is newer than the horizon; tell whether that was all."""
    await connection.exec_driver_sql(f"DELETE FROM {table}")
    counts = await connection.exec_driver_sql(f"{COUNT} {table}", (horizon,))
    return counts.one()[0] == 0
