import asyncio
from pathlib import Path

import pytest


@pytest.mark.parametrize("n", range(2))
@pytest.mark.asyncio
async def test_waits(db, product_fixture, n):
    Path("begun").touch()
    while not Path("go").exists():
        await asyncio.sleep(0.05)
