# not yet: with no database at all, the run ends and it is gone
async def make_room(connection: AsyncConnection, name: str) -> None:
    if not await is_ours(connection, name):
        pytest.exit(f"The database {name!r} is not ours. Rename it.")
    await connection.exec_driver_sql(f'DROP DATABASE "{name}"')
