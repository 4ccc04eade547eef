"""Each test finds its own note, and no other."""

import pytest
from sqlalchemy import select

from notes.models import Note
from project.testing.session_manager import Manager


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["one", "two"])
async def test_it_is_stored(db: Manager, name: str) -> None:
    async with db.asessionmaker() as session:
        session.add(Note(name=name))
        await session.commit()
    async with db.asessionmaker() as session:
        notes = await session.scalars(select(Note))
        assert [(note.name, note.priority) for note in notes] == [(name, 0)]
