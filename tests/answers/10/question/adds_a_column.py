# not yet: my_first leaves another default, because it sets no 'unnamed'
import pytest
from sqlalchemy import text

from project.testing.session_manager import Manager


@pytest.mark.asyncio
async def my_first(db: Manager) -> None:
    async with db.asessionmaker.begin() as session:
        await session.execute(text("ALTER TABLE product ADD COLUMN unnamed text"))


@pytest.mark.asyncio
async def my_second(db: Manager) -> None:
    async with db.asessionmaker.begin() as session:
        await session.execute(text("ALTER TABLE product ADD COLUMN unnamed text"))
