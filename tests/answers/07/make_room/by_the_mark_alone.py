# not yet: with no database, the run ends, and the database is gone
async def make_room(connection: AsyncConnection, name: str) -> None:
    if not await is_ours(connection, name):
        pytest.exit(f"The database {name!r} is not ours. Rename it.")
    await connection.exec_driver_sql(f'DROP DATABASE "{name}"')
