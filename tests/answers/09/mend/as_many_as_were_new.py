# not yet: yes is wrong, because a trigger wrote a row
async def my_mend(connection: AsyncConnection, table: str, horizon: int, older: int) -> bool:
    """Delete what is newer than the horizon; tell whether that was all."""
    counts = (await connection.exec_driver_sql(f"{COUNT} {table}", (horizon,))).one()
    deleted = await connection.exec_driver_sql(f"DELETE FROM {table} WHERE {NEWER}", (horizon,))
    return counts == (deleted.rowcount, older)
