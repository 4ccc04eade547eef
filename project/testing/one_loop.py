"""One event loop for the whole session, so that connections can outlive a test.

A connection of asyncpg belongs to the event loop on which it was opened, and pytest-asyncio gives
each test a loop of its own unless told otherwise. A strategy that keeps connections from test to
test brings this plugin: it has every async test and every async fixture run on the session's loop,
whatever loop they ask for. So the tests and the fixtures around them stay as they are.

A loop of a test's own would cancel, at its end, what the test has started and not awaited. Here
`no_task_left` does, around each test.
"""

from collections.abc import Generator

import pytest

from .tasks import note_what_is_left


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have each async test run on the session's loop. The mark that comes first counts."""
    for item in items:
        if item.get_closest_marker("asyncio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Have each async fixture set up, and so torn down, on the session's loop.

    pytest-asyncio reads the scope from an attribute of the fixture's function. It is put back: the
    next session in this process, in a notebook, may run under another strategy.
    """
    function = getattr(fixturedef.func, "__func__", fixturedef.func)
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(function, "__dict__"):
            patch.setattr(function, "_loop_scope", "session", raising=False)
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Note which tasks a test has left, before its fixtures are torn down."""
    note_what_is_left()
