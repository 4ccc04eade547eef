"""Tests with anyio's mark. Runs under every strategy."""

import anyio
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from anyio_names.load import load
from anyio_names.models import Person
from project.testing.session_manager import Manager

pytestmark = pytest.mark.anyio


@pytest.fixture
async def file(tmp_path_factory: pytest.TempPathFactory) -> anyio.Path:
    file = anyio.Path(tmp_path_factory.mktemp("names") / "names.txt")
    await file.write_text("Ada\nGrace\n")
    return file


@pytest.mark.parametrize("time", ["first", "second"])
async def test_every_line_is_stored(db: Manager, file: anyio.Path, time: str) -> None:
    await load(db.asessionmaker, file)
    async with db.asessionmaker() as session:
        assert set(await session.scalars(select(Person.name))) == {"Ada", "Grace"}


async def test_nothing_is_stored_twice(db: Manager, file: anyio.Path) -> None:
    await load(db.asessionmaker, file)
    with pytest.raises(IntegrityError):
        await load(db.asessionmaker, file)
