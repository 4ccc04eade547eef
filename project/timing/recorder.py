"""Records from pytest's own hooks what fixtures, connections and tests cost in a session.

recorder = Recorder()
pytest.main(["-p", "project.testing.session_level"], plugins=[recorder])
recorder.spans, costs_of(recorder)

Sessions that are timed load this module: it imports what they import anyhow.
pytest -p project.testing.session_level -p project.timing.recorder --costs-to costs.json
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import Engine, Pool, event

ALEMBIC = "alembic.runtime.migration"
# Names of costs that aren't fixtures.
CONNECTION = "(connection)"
TEST = "(test)"
# These connect for themselves; what that costs is part of what they do.
KEEP_THEIR_CONNECTIONS = ("create_test_db", "migrate_db")


@dataclass
class Span:
    """One life of a fixture, or one run of a test. Times are in seconds since the session began.

    Attributes:
        name: the fixture's or the test's.
        kind: `fixture` or `test`.
        scope: a fixture's scope; `function` for a test.
        start: when its set-up begins.
        ready: when its set-up ends, also by failing; for a test, when its body begins.
        ending: when its tear-down begins; for a test, when its body ends.
        end: when its tear-down ends.
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
        file: where to write the costs and the number of tests that passed; by default nowhere.
        spans: one per test and per life of a fixture, in the order in which they began.
            The fixtures of pytest itself and of pytest-asyncio are left out.
        connections: when each connection was asked for, and when it could be used.
        migrations: one per run of Alembic.
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
        self._listener = AlembicListener(self._now, self.migrations)
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
            self._listener.end()
            self.seconds = self._now()
            if self.file:
                passed = Counter(self.outcomes.values())["passed"]
                self.file.write_text(json.dumps({"passed": passed, "costs": costs_of(self)}))

    def _connects(self, dialect: Any, record: Any, *_: Any) -> None:
        record.info["asked for"] = self._now()

    def _can_be_used(self, connection: Any, record: Any, _: Any) -> None:
        # At the first checkout from the pool SQLAlchemy has also asked the server for its version
        # and its settings, which it does once for each engine.
        if "asked for" in record.info:
            self.connections.append((record.info.pop("asked for"), self._now()))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        """Record a fixture's set-up. Its tear-down begins with the finalizer added last."""
        if not is_ours(fixturedef):
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
        self._test = Span(item.name, "test", "function", self._now(), nan)
        self.spans.append(self._test)
        result = yield
        self._test.end = self._now()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        """Record where a test's body begins, and ends if its set-up fails."""
        try:
            return (yield)
        finally:
            self._test.ready = self._test.ending = self._now()

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
        self._now, self._migrations = now, migrations
        self._logger = logging.getLogger(ALEMBIC)
        self._level, self._threshold = self._logger.level, self._logger.getEffectiveLevel()
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


@dataclass
class Interval:
    """A stretch of time, and the seconds in it that no interval within it takes."""

    what: str
    phase: str
    per: str
    start: float
    end: float
    own: float = field(init=False)

    def __post_init__(self) -> None:
        self.own = self.end - self.start


def costs_of(recorder: Recorder) -> list[dict[str, Any]]:
    """Add up what a session's fixtures, tests and connections cost.

    An engine connects when it is first used, and that is often not in the fixture that makes it
    but in the one that first runs a statement, or in the test. So a connection opened for a test
    is taken out of where it was opened and stands for itself.

    Returns:
        Of each cost `what` and in which `phase` (`set-up`, `test` or `tear-down`); `per` is `test`
        if it is paid anew for each test and else `session`, which holds the fixtures of module and
        class scope too; how many `times`, the `seconds` in all, without other costs within, and
        the median of one time, `each`.
    """
    intervals = []
    for span in recorder.spans:
        if span.kind == "test":
            intervals.append(Interval(TEST, "test", "test", span.ready, span.ending))
            continue
        per = "test" if span.scope == "function" else "session"
        intervals.append(Interval(span.name, "set-up", per, span.start, span.ready))
        intervals.append(Interval(span.name, "tear-down", per, span.ending, span.end))
    for start, end in recorder.connections:
        intervals.append(Interval(CONNECTION, "test", "test", start, end))
    # What an interrupt cut short has no end.
    intervals = [interval for interval in intervals if not isnan(interval.own)]
    intervals.sort(key=lambda interval: (interval.start, -interval.end))

    counted: list[Interval] = []
    around: list[Interval] = []
    for interval in intervals:
        while around and around[-1].end <= interval.start:
            around.pop()
        outer = around[-1] if around else None
        if interval.what == CONNECTION:
            if outer is None or outer.per == "session" or outer.what in KEEP_THEIR_CONNECTIONS:
                continue
            interval.phase = outer.phase
        if outer is not None:
            outer.own -= interval.own
        around.append(interval)
        counted.append(interval)

    opened = [interval for interval in counted if interval.what == CONNECTION]
    if len(opened) < len(recorder.tests):  # they are shared by tests
        for interval in opened:
            interval.per = "session"

    times: dict[tuple[str, str, str], list[float]] = {}
    for i in counted:
        times.setdefault((i.what, i.phase, i.per), []).append(i.own)
    return [
        {"what": what, "phase": phase, "per": per, "times": len(own)}
        | {"seconds": sum(own), "each": median(own)}
        for (what, phase, per), own in times.items()
    ]
