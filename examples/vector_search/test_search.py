"""A migration makes an extension. Runs under every strategy."""

import pytest
from sqlalchemy import select, text

from project.testing.session_manager import Manager
from vector_search.models import Document


@pytest.mark.asyncio
@pytest.mark.parametrize("time", ["first", "second"])
async def test_the_nearest_comes_first(db: Manager, time: str) -> None:
    async with db.asessionmaker() as session:
        session.add_all(
            [Document(title="far", place="[9,9,9]"), Document(title="near", place="[1,1,2]")]
        )
        await session.commit()
    async with db.asessionmaker() as session:
        nearest = select(Document.title).order_by(text("place <-> '[1,1,1]'"))
        assert list(await session.scalars(nearest)) == ["near", "far"]


@pytest.mark.asyncio
async def test_which_extensions_there_are(db: Manager) -> None:
    async with db.asessionmaker() as session:
        names = await session.scalars(text("SELECT name FROM pg_available_extensions"))
        assert set(names) == {"plpgsql", "vector"}
