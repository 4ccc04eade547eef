"""A pytest plugin that records one session and writes what its parts cost to a JSON file.

pytest -p project.testing.session_level -p project.timing.session_plugin --costs-to costs.json
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from math import isnan
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import Engine, Pool, event

from project.timing.recorder import Recorder
from project.timing.results import CONNECTION, TEST, Cost, Per, Phase

# These connect for themselves; what that costs is part of what they do.
KEEP_THEIR_CONNECTIONS = ("create_test_db", "migrate_db")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption("--costs-to", type=Path, required=True, help="the JSON file to write")


def pytest_configure(config: pytest.Config) -> None:
    """Record this session."""
    config.pluginmanager.register(SessionRecorder(config.getoption("--costs-to")))


class SessionRecorder(Recorder):
    """A Recorder that also notes when connections are opened, and writes the costs to a file.

    Args:
        file: the JSON file.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.connections = ConnectionListener(self._now)

    def pytest_configure(self) -> None:
        """Begin to listen."""
        self.connections.begin()

    def pytest_unconfigure(self) -> None:
        """Write the file."""
        self.connections.end()
        costs = [asdict(cost) for cost in costs_of(self, self.connections.opened)]
        outcomes = Counter(self.outcomes.values())
        self.file.write_text(json.dumps({"costs": costs, "outcomes": outcomes}))


class ConnectionListener:
    """Notes when any engine asks for a connection, and when it can use it.

    That is at the first checkout from the pool: by then SQLAlchemy has also asked the server for
    its version and its settings, which it does once for each engine.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.opened: list[tuple[float, float]] = []
        self._now = now

    def begin(self) -> None:
        """Listen."""
        event.listen(Engine, "do_connect", self._connects)
        event.listen(Pool, "checkout", self._can_be_used)

    def end(self) -> None:
        """Listen no more."""
        event.remove(Engine, "do_connect", self._connects)
        event.remove(Pool, "checkout", self._can_be_used)

    def _connects(self, dialect: Any, record: Any, *_: Any) -> None:
        record.info["asked for"] = self._now()

    def _can_be_used(self, connection: Any, record: Any, _: Any) -> None:
        if "asked for" in record.info:
            self.opened.append((record.info.pop("asked for"), self._now()))


@dataclass
class Interval:
    """A stretch of time, and the seconds in it that no interval within it takes."""

    what: str
    phase: Phase
    per: Per
    start: float
    end: float
    own: float = field(init=False)

    def __post_init__(self) -> None:
        self.own = self.end - self.start


def costs_of(recorder: Recorder, connections: Iterable[tuple[float, float]] = ()) -> list[Cost]:
    """Add up what a session's fixtures, tests and connections cost.

    An engine connects when it is first used, and that is often not in the fixture that makes it
    but in the one that first runs a statement, or in the test. So a connection opened for a test
    is taken out of where it was opened and stands for itself.

    Args:
        recorder: the session.
        connections: when each connection was asked for, and when it could be used; in seconds
            since the session began.
    """
    intervals = []
    for span in recorder.fixtures:
        per: Per = "test" if span.scope == "function" else "session"
        intervals.append(Interval(span.name, "set-up", per, span.start, span.ready))
        intervals.append(Interval(span.name, "tear-down", per, span.ending, span.end))
    for span in recorder.tests:
        intervals.append(Interval(TEST, "test", "test", span.ready, span.ending))
    for start, end in connections:
        intervals.append(Interval(CONNECTION, "test", "test", start, end))
    # A phase that a failure cut short has no end.
    intervals = [i for i in intervals if not isnan(i.own)]
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

    opened = [i for i in counted if i.what == CONNECTION]
    if len(opened) < len(recorder.tests):  # they are shared by tests
        for interval in opened:
            interval.per = "session"

    times: dict[tuple[str, Phase, Per], list[float]] = {}
    for i in counted:
        times.setdefault((i.what, i.phase, i.per), []).append(i.own)
    return [Cost(*key, len(own), sum(own), median(own)) for key, own in times.items()]
