# not yet: the forgotten transaction goes on, because the limit is TRUNCATE's
async def end_the_forgotten(dsn: str) -> None:
    await sql(dsn, f"ALTER DATABASE {quoted(dsn)} SET lock_timeout = '1s'")
