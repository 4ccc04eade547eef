"""Records from pytest's own hooks what fixtures, connections and tests cost in a session.

pytest.main(["-p", "project.testing.session_level"], plugins=[recorder := Recorder()])
pytest -p project.testing.session_level -p project.timing.recorder --costs-to costs.json

Sessions that are timed load this module: it imports what they import anyhow.
"""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import Engine, Pool, event

ALEMBIC = logging.getLogger("alembic.runtime.migration")
OTHERS = ("_pytest", "pytest_asyncio", "anyio")  # their fixtures only run the tests
CONNECTION, TEST = "(connection)", "(test)"  # names of costs that aren't fixtures
# These connect for themselves; what that costs is part of what they do.
KEEP_THEIR_CONNECTIONS = ("create_test_db", "migrate_db")


@dataclass
class Span:
    """One life of a fixture (`kind`: `fixture`), or one run of a test (`test`, scope `function`).

    It begins at `start`, in seconds since the session began. A set-up ends, or fails, at `ready`: a
    test's body begins. A tear-down begins at `ending`, where the body ends, and is over at `end`.
    """

    name: str
    kind: str
    scope: str
    start: float
    ready: float
    ending: float = nan
    end: float = nan

    @property
    def set_up(self) -> float:
        """Seconds of set-up. A test's are those of the fixtures made for it."""
        return self.ready - self.start

    @property
    def tear_down(self) -> float:
        """Seconds of tear-down. A test's are those of the fixtures ended after it."""
        return self.end - self.ending


@dataclass
class Migration:
    """One run of Alembic: `upgrade` or `downgrade`, or empty if there was nothing to do."""

    at: float
    direction: str = ""
    revisions: int = 0


@dataclass(eq=False)  # pytest puts its plugins into sets
class Recorder:
    """A pytest plugin that records a session. Use a new one for each session.

    Attributes:
        file: where to write how many tests passed, and the costs; by default nowhere.
        spans: one per test and per life of a fixture, in the order in which they began; without
            the fixtures of pytest and its plugins. A test whose set-up fails has no body, but NaN.
        connections: when each connection was asked for, and when it could be used.
        outcomes: `passed`, `failed` or `skipped` by test, `failed` also where a fixture failed.
        failures: by test, in which phase it failed and the first line of the error.
        seconds: how long the whole session took.
    """

    file: Path | None = None
    spans: list[Span] = field(default_factory=list)
    connections: list[tuple[float, float]] = field(default_factory=list)
    migrations: list[Migration] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = nan
    _began: float = field(default_factory=time.perf_counter)
    _open: dict[int, Span] = field(default_factory=dict)

    @property
    def tests(self) -> list[Span]:
        """The tests that ran."""
        return [span for span in self.spans if span.kind == "test"]

    @property
    def fixtures(self) -> list[Span]:
        """The fixtures that were made, one span for each time."""
        return [span for span in self.spans if span.kind == "fixture"]

    def _now(self) -> float:
        return time.perf_counter() - self._began

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self) -> Iterator[None]:
        """Begin to count, and listen to Alembic and to SQLAlchemy."""
        self._began = time.perf_counter()
        self._level, self._threshold = ALEMBIC.level, ALEMBIC.getEffectiveLevel()
        ALEMBIC.setLevel(logging.INFO)
        ALEMBIC.addFilter(self._migrates)
        event.listen(Engine, "do_connect", self._connects)
        event.listen(Pool, "checkout", self._can_be_used)
        yield

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Iterator[None]:
        """Stop counting, and write the file."""
        try:
            yield
        finally:
            event.remove(Engine, "do_connect", self._connects)
            event.remove(Pool, "checkout", self._can_be_used)
            ALEMBIC.removeFilter(self._migrates)
            ALEMBIC.setLevel(self._level)
            self.seconds = self._now()
            if self.file:
                passed = list(self.outcomes.values()).count("passed")
                self.file.write_text(json.dumps([passed, costs_of(self)]))

    def _migrates(self, record: logging.LogRecord) -> bool:
        # Alembic logs when a run begins, and each revision. What was let through still is.
        message = record.getMessage()
        if message.startswith("Context impl"):
            self.migrations.append(Migration(self._now()))
        elif message.startswith("Running "):
            self.migrations[-1].direction = message.split()[1]
            self.migrations[-1].revisions += 1
        return record.levelno >= self._threshold

    def _connects(self, dialect: Any, record: Any, *_: Any) -> None:
        record.info["asked for"] = self._now()

    def _can_be_used(self, connection: Any, record: Any, _: Any) -> None:
        # At its first checkout an engine has asked the server for its version and settings, too.
        if "asked for" in record.info:
            self.connections.append((record.info.pop("asked for"), self._now()))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        """Record a fixture's set-up. Its tear-down begins with the finalizer added last."""
        if fixturedef.func.__module__.startswith(OTHERS):
            return (yield)
        span = Span(fixturedef.argname, "fixture", fixturedef.scope, self._now(), nan)
        self.spans.append(span)
        try:
            result = yield
        except BaseException:
            span.ready = span.ending = span.end = self._now()  # nothing is left to tear down
            raise
        span.ready = self._now()
        self._open[id(fixturedef)] = span
        fixturedef.addfinalizer(lambda: setattr(span, "ending", self._now()))
        return result

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Record the end of a fixture. pytest may call this again for one that has ended."""
        span = self._open.pop(id(fixturedef), None)
        if span is not None:
            span.end = self._now()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        """Record a test from the set-up of its first fixture to the end of its last."""
        self._test = Span(item.name, "test", "function", self._now(), nan)
        self.spans.append(self._test)
        result = yield
        self._test.end = self._now()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Record a test's body."""
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption("--costs-to", type=Path, help="the JSON file to write costs to")


def pytest_configure(config: pytest.Config) -> None:
    """Record this session if a file is named."""
    if file := config.getoption("--costs-to"):
        config.pluginmanager.register(Recorder(file))


@dataclass
class Interval:
    """A stretch of time, and how many seconds of it intervals within it take."""

    what: str
    phase: str
    per: str
    start: float
    end: float
    within: float = 0.0


def costs_of(recorder: Recorder) -> list[dict[str, Any]]:
    """Add up what a session's fixtures, tests and connections cost.

    An engine connects when it is first used, often not in the fixture that makes it. So a
    connection opened for a test is taken out of where it was opened, and stands for itself.

    Each cost says `what` and in which `phase` (`set-up`, `test` or `tear-down`); `per` is `test` if
    it is paid anew for each test and else `session`, also for fixtures of module and class scope;
    how many `times`, the `seconds` in all without other costs within, and the median `each`.
    """
    intervals = [Interval(CONNECTION, "test", "test", *each) for each in recorder.connections]
    for span in recorder.spans:
        if span.kind == "test":
            intervals.append(Interval(TEST, "test", "test", span.ready, span.ending))
            continue
        per = "test" if span.scope == "function" else "session"
        intervals.append(Interval(span.name, "set-up", per, span.start, span.ready))
        intervals.append(Interval(span.name, "tear-down", per, span.ending, span.end))
    counted: list[Interval] = []
    around: list[Interval] = []
    ended = (interval for interval in intervals if not isnan(interval.end))  # no interrupted one
    for interval in sorted(ended, key=lambda each: (each.start, -each.end)):
        while around and around[-1].end <= interval.start:
            around.pop()
        outer = around[-1] if around else None
        if interval.what == CONNECTION:
            if outer is None or outer.per == "session" or outer.what in KEEP_THEIR_CONNECTIONS:
                continue
            interval.phase = outer.phase
        if outer is not None:
            outer.within += interval.end - interval.start
        around.append(interval)
        counted.append(interval)
    opened = [interval for interval in counted if interval.what == CONNECTION]
    for interval in opened if len(opened) < len(recorder.tests) else ():  # tests share them
        interval.per = "session"
    costs: dict[tuple[str, str, str], list[float]] = {}
    for i in counted:
        costs.setdefault((i.what, i.phase, i.per), []).append(i.end - i.start - i.within)
    names = ("what", "phase", "per", "times", "seconds", "each")
    cells = ((*key, len(own), sum(own), median(own)) for key, own in costs.items())
    return [dict(zip(names, row, strict=True)) for row in cells]
