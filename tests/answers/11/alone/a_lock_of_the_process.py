# not yet: the server knows of no lock
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

turns = asyncio.Lock()


@asynccontextmanager
async def alone(original: str, own: str) -> AsyncIterator[None]:
    async with turns:
        yield
