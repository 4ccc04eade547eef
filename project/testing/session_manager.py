"""What `db` yields: sessions on the test database, from your own session manager or from this."""

from collections.abc import Callable
from typing import Protocol

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool


class Manager(Protocol):
    """What a strategy needs of a session manager: a maker of sessions, and an end."""

    @property
    def asessionmaker(self) -> async_sessionmaker[AsyncSession]:
        """The maker of sessions: `async with manager.asessionmaker() as session: ...`."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class SessionManager:
    """One engine for one database, and a maker of sessions on it.

    Unless told otherwise, each session has a new connection: none outlives the event loop on which
    it was opened, so a test may use more loops than one.

    Args:
        dsn: a SQLAlchemy URL, `postgresql+asyncpg://user:password@host:port/database`.
        pooled: keep the connections, for sessions that share one loop.
    """

    def __init__(self, dsn: str, *, pooled: bool = False) -> None:
        self._engine = create_async_engine(dsn, poolclass=None if pooled else NullPool)
        self.asessionmaker: async_sessionmaker[AsyncSession] = async_sessionmaker(
            self._engine, expire_on_commit=False
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


@pytest.fixture(scope="session")
def session_manager_factory() -> Callable[[str], Manager]:
    """Return what makes, of a DSN, the session manager that `db` yields. Override it with yours."""
    return SessionManager
