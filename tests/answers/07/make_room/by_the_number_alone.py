# not yet: with a leftover that has lost its limit, the run ends
async def make_room(connection: AsyncConnection, name: str) -> None:
    found = await connection.exec_driver_sql(
        "SELECT datconnlimit FROM pg_database WHERE datname = $1", (name,)
    )
    if found.scalar() not in (None, MARK):
        pytest.exit(f"There is a database {name!r} that no test run has made. Rename it.")
    await connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}"')
