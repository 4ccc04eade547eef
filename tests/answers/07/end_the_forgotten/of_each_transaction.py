# not yet: another limit is meant, because
async def end_the_forgotten(dsn: str) -> None:
    await sql(dsn, f"ALTER DATABASE {quoted(dsn)} SET transaction_timeout = '1s'")
