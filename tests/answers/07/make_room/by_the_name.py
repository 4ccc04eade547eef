# not yet: with a colleague's database, the run goes on, and the database is gone
async def make_room(connection: AsyncConnection, name: str) -> None:
    if not name.endswith("_test"):
        pytest.exit(f"The database {name!r} is not a test database.")
    await connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}"')
