"""The tables are those of the models. Runs under every strategy."""

import pytest
from sqlalchemy import select

from create_all.models import Note
from project.testing.session_manager import Manager


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["one", "two"])
async def test_it_is_stored(db: Manager, name: str) -> None:
    async with db.asessionmaker() as session:
        session.add(Note(name=name))
        await session.commit()
    async with db.asessionmaker() as session:
        assert list(await session.scalars(select(Note.name))) == [name]
