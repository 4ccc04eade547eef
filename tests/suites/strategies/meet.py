import asyncio
import os
from pathlib import Path

import pytest
from sqlalchemy import text


@pytest.mark.parametrize(("me", "other"), [("a", "b"), ("b", "a")])
@pytest.mark.asyncio
async def test_meets_the_other(db, me, other):
    async with db.asessionmaker() as session:
        name = await session.scalar(text("SELECT current_database()"))
        assert os.environ["POSTGRES_DSN"].rpartition("/")[2].startswith(name)
    Path(os.environ["PYTEST_XDIST_WORKER"] + ".txt").write_text(name)
    Path(me).touch()
    for _ in range(400):
        if Path(other).exists():
            return
        await asyncio.sleep(0.05)
    pytest.fail("the other worker's test hasn't begun")
