"""The session manager: one engine, and the sessions that use it."""

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine


class DBSessionManager:
    """One engine for one database, and a maker of sessions on it.

    Args:
        postgres_dsn: a SQLAlchemy URL, `postgresql+asyncpg://user:password@host:port/database`.

    Raises:
        sqlalchemy.exc.ArgumentError: `postgres_dsn` is no URL. Nothing connects
            until a session runs its first statement.
    """

    def __init__(self, postgres_dsn: str) -> None:
        self._engine = create_async_engine(postgres_dsn)
        self._asessionmaker = async_sessionmaker(self._engine, expire_on_commit=False)

    @property
    def asessionmaker(self) -> async_sessionmaker[AsyncSession]:
        """The maker of sessions: `async with manager.asessionmaker() as session: ...`."""
        return self._asessionmaker

    async def close(self) -> None:
        """Close every connection in the engine's pool."""
        await self._engine.dispose()
