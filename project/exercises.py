"""What the check of an exercise calls: it says "right", or what isn't yet and why. It never raises.

A check is a function that returns what is wrong, or nothing. Where it can, it tries the reader's
code with a test of pytest's, as the reader will:

    def problem():
        def test_it(my_db): ...
        return first_failure(test_it)

    check(problem)
"""

import asyncio
import contextlib
import inspect
import io
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import ipytest
import pytest


def check(problem: Callable[[], str | None] | Callable[[], Awaitable[str | None]]) -> None:
    """Print "right" if `problem` returns nothing, or else "not yet:" and what it returns.

    Args:
        problem: Looks at the reader's work. Returns what is wrong with it, and why, or an empty
            text or None. An `async def` runs on a loop of its own, in a thread. What it raises
            is what is wrong: the type and the message are printed.
    """
    try:
        wrong = _on_a_loop(problem) if inspect.iscoroutinefunction(problem) else problem()
    except (Exception, SystemExit, pytest.exit.Exception, pytest.fail.Exception) as error:
        lines = str(error).strip().splitlines()
        wrong = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    print(f"not yet: {wrong}" if wrong else "right")


def _on_a_loop(problem: Callable[[], Any]) -> Any:
    """Run a coroutine function in a thread: the notebook's own loop is running."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(asyncio.run(problem()))
        except BaseException as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0]


class _FirstFailure:
    """A plugin of pytest's: what the first failed report says, and how many tests have run."""

    def __init__(self) -> None:
        self.message = ""
        self.tests = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.tests += report.when == "call"
        if report.failed and not self.message:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = crash.message if crash else str(report.longrepr)
            # A fixture that isn't there is said below the file and the line that ask for it.
            text = text[text.find("fixture '") :] if "fixture '" in text and not crash else text
            name = report.nodeid.partition("::")[2]
            where = {"setup": " (before the test)", "teardown": " (after the test)"}
            lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
            self.message = f"{name}{where.get(report.when or '', '')}: {lines[0] if lines else ''}"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.message:
            self.message = str(report.longrepr).strip().splitlines()[-1]


def first_failure(*tests: Callable[..., object], options: tuple[str, ...] = ()) -> str:
    """Run tests with pytest in the notebook, silently, with the fixtures that its cells define.

    Args:
        tests: Functions whose names begin with `test_`. They run in this order, and no others do.
        options: Further options for pytest.

    Returns:
        Nothing if all have passed; or the first failure: the test's name, in which phase it
        failed if not in the test itself, and the first line of the error.
    """
    notebook = vars(__import__("__main__"))
    ipytest.clean()  # what a cell above calls a test isn't asked
    for test in tests:
        notebook[test.__name__] = test
    seen = _FirstFailure()
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = ipytest.run(
                "-q", "-p", "no:cacheprovider", *options, plugins=[seen], raise_on_error=False
            )
    finally:
        ipytest.clean()
    if seen.message:
        return seen.message
    if status != 0 or seen.tests < len(tests):
        last = output.getvalue().strip().splitlines()
        return f"pytest ended with {status}: {last[-1] if last else 'no output'}"
    return ""
