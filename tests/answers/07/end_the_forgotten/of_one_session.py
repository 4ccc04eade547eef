# not yet: TRUNCATE still waits, because the session that has forgotten has no limit
async def end_the_forgotten(dsn: str) -> None:
    await sql(dsn, "SET idle_in_transaction_session_timeout = '1s'")
