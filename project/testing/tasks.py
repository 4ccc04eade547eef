"""What a test has started and not awaited."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

# By loop: the tasks that there were before a test, and those that it has left.
BEFORE: WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[object]]]
LEFT: WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[object]]]
BEFORE, LEFT = WeakKeyDictionary(), WeakKeyDictionary()


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    """Cancel the tasks that a test has left at its end, and wait for their end.

    For the body of a fixture. Tasks that the tear-down itself brings are let alone.
    """
    loop = asyncio.get_running_loop()
    BEFORE[loop] = asyncio.all_tasks()
    yield
    left = LEFT.pop(loop, set())
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def note_what_is_left() -> None:
    """Note the tasks that are there now and weren't before the test."""
    for loop, before in BEFORE.items():
        LEFT[loop] = asyncio.all_tasks(loop) - before
    BEFORE.clear()
