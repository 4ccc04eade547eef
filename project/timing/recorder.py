"""Records, from pytest's own hooks, when each fixture and each test begins and ends.

recorder = Recorder()
pytest.main(["-p", "project.testing.session_level"], plugins=[recorder])
recorder.spans
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

ALEMBIC = "alembic.runtime.migration"


@dataclass
class Span:
    """One life of a fixture, or one run of a test. Times are in seconds since the session began.

    Attributes:
        name: the fixture's or the test's.
        kind: `fixture` or `test`.
        scope: a fixture's scope; `function` for a test.
        start: when its set-up begins.
        ready: when its set-up ends; for a test, when its body begins.
        ending: when its tear-down begins; for a test, when its body ends.
        end: when its tear-down ends.
    """

    name: str
    kind: Literal["fixture", "test"]
    scope: str
    start: float
    ready: float
    ending: float = float("nan")
    end: float = float("nan")

    @property
    def set_up(self) -> float:
        """Seconds of set-up. A test's are those of the fixtures made for it."""
        return self.ready - self.start

    @property
    def tear_down(self) -> float:
        """Seconds of tear-down. A test's are those of the fixtures ended after it."""
        return self.end - self.ending

    @property
    def body(self) -> float:
        """Seconds between set-up and tear-down."""
        return self.ending - self.ready


@dataclass
class Migration:
    """One run of Alembic's upgrade or downgrade, over however many revisions.

    Attributes:
        at: when it began, in seconds since the session began.
        direction: `upgrade` or `downgrade`; empty if there was nothing to do.
        revisions: how many it went through.
    """

    at: float
    direction: str = ""
    revisions: int = 0


@dataclass(eq=False)  # pytest puts its plugins into sets
class Recorder:
    """A pytest plugin that records a session. Use a new one for each session.

    Attributes:
        spans: one per test and per life of a fixture, in the order in which they began.
            The fixtures of pytest itself and of pytest-asyncio are left out.
        migrations: one per run of Alembic.
        outcomes: `passed`, `failed` or `skipped` by test, `failed` also where a fixture failed.
        failures: for each test that failed, in which phase (`setup`, `call` or `teardown`) and
            the first line of the error.
        seconds: how long the whole session took.
    """

    spans: list[Span] = field(default_factory=list)
    migrations: list[Migration] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = float("nan")
    _began: float = field(default_factory=time.perf_counter)
    _open: dict[int, Span] = field(default_factory=dict)
    _test: Span | None = None

    @property
    def tests(self) -> list[Span]:
        """The tests that ran."""
        return [span for span in self.spans if span.kind == "test"]

    @property
    def fixtures(self) -> list[Span]:
        """The fixtures that were made, one span for each time."""
        return [span for span in self.spans if span.kind == "fixture"]

    @property
    def per_session(self) -> float:
        """Seconds spent on fixtures once, however many tests there are."""
        return sum(f.set_up + f.tear_down for f in self.fixtures if f.scope == "session")

    @property
    def per_test(self) -> float:
        """Seconds spent on fixtures for each test: the mean over the tests."""
        again = sum(f.set_up + f.tear_down for f in self.fixtures if f.scope == "function")
        return again / len(self.tests)

    def _now(self) -> float:
        return time.perf_counter() - self._began

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self) -> Iterator[None]:
        """Begin to count, and listen to Alembic."""
        self._began = time.perf_counter()
        self._listener = AlembicListener(self._now, self.migrations)
        self._listener.begin()
        yield

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Iterator[None]:
        """Stop counting."""
        yield
        self._listener.end()
        self.seconds = self._now()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        """Record a fixture's set-up. Its tear-down begins with the finalizer added last."""
        if not is_ours(fixturedef):
            return (yield)
        name, scope = fixturedef.argname, fixturedef.scope
        span = Span(name, "fixture", scope, start=self._now(), ready=float("nan"))
        self.spans.append(span)
        result = yield
        span.ready = self._now()
        self._open[id(fixturedef)] = span

        def tear_down_begins() -> None:
            span.ending = self._now()

        fixturedef.addfinalizer(tear_down_begins)
        return result

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Record the end of a fixture. pytest may call this again for one that has ended."""
        span = self._open.pop(id(fixturedef), None)
        if span is not None:
            span.end = self._now()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        """Record a test from the set-up of its first fixture to the end of its last."""
        start = self._now()
        self._test = Span(item.name, "test", "function", start=start, ready=float("nan"))
        self.spans.append(self._test)
        result = yield
        self._test.end = self._now()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Record a test's body."""
        assert self._test is not None
        self._test.ready = self._now()
        try:
            return (yield)
        finally:
            self._test.ending = self._now()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test's outcome, the worst of its phases, and why it failed."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = (crash.message if crash else report.longreprtext).partition("\n")[0]
            name = report.nodeid.rpartition("::")[2]
            self.failures.setdefault(name, f"{report.when}: {message}")  # the first is the cause


def is_ours(fixturedef: pytest.FixtureDef[Any]) -> bool:
    """Tell a fixture that does something for the tests from those that only run them."""
    module = getattr(fixturedef.func, "__module__", "")
    return not module.startswith(("_pytest", "pytest_asyncio", "anyio"))


class AlembicListener(logging.Filter):
    """Notes each run of Alembic from what Alembic logs, and lets through what was let through.

    Alembic logs `Context impl …` when a run begins, and `Running upgrade …` or
    `Running downgrade …` for each revision.
    """

    def __init__(self, now: Callable[[], float], migrations: list[Migration]) -> None:
        super().__init__()
        self._now = now
        self._migrations = migrations
        self._logger = logging.getLogger(ALEMBIC)

    def begin(self) -> None:
        """Listen."""
        self._level = self._logger.level
        self._threshold = self._logger.getEffectiveLevel()
        self._logger.setLevel(logging.INFO)
        self._logger.addFilter(self)

    def end(self) -> None:
        """Leave the logger as it was."""
        self._logger.removeFilter(self)
        self._logger.setLevel(self._level)

    def filter(self, record: logging.LogRecord) -> bool:
        """Note a run, or one more revision of the run in progress."""
        message = record.getMessage()
        if message.startswith("Context impl"):
            self._migrations.append(Migration(self._now()))
        elif message.startswith("Running "):
            self._migrations[-1].direction = message.split()[1]
            self._migrations[-1].revisions += 1
        return record.levelno >= self._threshold
