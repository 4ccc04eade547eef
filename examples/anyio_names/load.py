"""Reads names from a file into the database."""

import anyio
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from anyio_names.models import Person


async def load(sessions: async_sessionmaker[AsyncSession], file: anyio.Path) -> None:
    """Store a person for each line of a file, or give up after ten seconds."""
    with anyio.fail_after(10):
        names = (await file.read_text()).splitlines()
        async with sessions() as session:
            session.add_all(Person(name=name) for name in names)
            await session.commit()
