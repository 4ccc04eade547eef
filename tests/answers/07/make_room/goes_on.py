# not yet: with a colleague's database, the run goes on, and the database is there
async def make_room(connection: AsyncConnection, name: str) -> None:
    if await is_ours(connection, name):
        await connection.exec_driver_sql(f'DROP DATABASE "{name}"')
