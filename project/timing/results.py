"""What a comparison found: each session's costs, and what can be said from several rounds."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import linear_regression, median, variance
from typing import Literal

from project.timing.workload import Workload

Phase = Literal["set-up", "test", "tear-down"]
Per = Literal["session", "test"]
Part = Literal["creating", "migrating", "connecting", "cleaning", "other", "data", "test"]

# Names of costs that aren't fixtures.
CONNECTION = "(connection)"
TEST = "(test)"

# What a test does with a clean database, whatever the strategy: no cost of the strategy's.
DATA_FIXTURES = ("product_fixture", "more_rows")
NOT_THE_STRATEGY: tuple[Part, ...] = ("data", "test")

PARTS: dict[Part, str] = {
    "creating": "creating the database",
    "migrating": "migrating",
    "connecting": "connecting",
    "cleaning": "cleaning and closing",
    "other": "other fixtures",
    "data": "the test's data",
    "test": "the test itself",
}


@dataclass
class Cost:
    """What one fixture, the tests or their connections cost in one session.

    Attributes:
        what: the fixture's name, `(test)` or `(connection)`.
        phase: when.
        per: `test` if it is paid for each test, `session` if once.
        times: how often.
        seconds: in all, without what other costs within it take.
        each: seconds of one time: the median.
    """

    what: str
    phase: Phase
    per: Per
    times: int
    seconds: float
    each: float

    @property
    def part(self) -> Part:
        """What it was paid for."""
        match self.what, self.phase:
            case "create_test_db", _:
                return "creating"
            case "migrate_db", _:
                return "migrating"
            case ("db", "tear-down"):
                return "cleaning"
            case ("db", _) | ("(connection)", _):
                return "connecting"
            case ("(test)", _):
                return "test"
            case (name, _) if name in DATA_FIXTURES:
                return "data"
        return "other"


@dataclass(frozen=True)
class Session:
    """One pytest session: a strategy's, on a workload.

    Attributes:
        strategy: the plugin's name.
        workload: what was run.
        round: counted from 0.
        seconds: of the whole pytest process, from start to exit.
        outcomes: how many tests passed, failed and so on.
        costs: what its parts cost.
        error: why it can't be counted; empty if every test ran and passed.
        bare_seconds: of the same process run once more without recording, if it was.
    """

    strategy: str
    workload: Workload
    round: int
    seconds: float
    outcomes: dict[str, int] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    error: str = ""
    bare_seconds: float | None = None

    def chosen(
        self, per: Per | None = None, part: Part | None = None, phase: Phase | None = None
    ) -> list[Cost]:
        """Return some of the costs; where no part is named, those of the strategy's own parts."""
        return [
            cost
            for cost in self.costs
            if (per is None or cost.per == per)
            and (cost.part == part if part else cost.part not in NOT_THE_STRATEGY)
            and (phase is None or cost.phase == phase)
        ]

    def once(self, part: Part | None = None) -> float:
        """Seconds that a part, or the whole strategy, costs once per session."""
        return sum(cost.seconds for cost in self.chosen("session", part))

    def each(self, part: Part | None = None, phase: Phase | None = None) -> float:
        """Seconds that a part, or the whole strategy, costs for a test.

        Each fixture's and each connection's median over the tests, added up: a stall of the
        machine in one of the tests doesn't count.
        """
        costs = self.chosen("test", part, phase)
        return sum(cost.each * cost.times for cost in costs) / self.workload.tests

    def all_of(self, phase: Phase) -> float:
        """Seconds of a phase of a test, whatever they are spent on."""
        costs = [cost for cost in self.costs if (cost.per, cost.phase) == ("test", phase)]
        return sum(cost.each * cost.times for cost in costs) / self.workload.tests

    @property
    def strategy_seconds(self) -> float:
        """Seconds that the strategy costs in all, stalls included."""
        return sum(cost.seconds for cost in self.chosen())


@dataclass(frozen=True)
class Spread:
    """A median over rounds, with the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the spread of some values, at least one."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1])


@dataclass(frozen=True)
class Fit:
    """A straight line through measurements.

    Attributes:
        slope: by least squares over all rounds; seconds for each one more.
        intercept: seconds at zero.
        r_squared: the share of the variance that the line explains, from 0 to 1.
        slopes: the spread of the slopes of each round's own line.
    """

    slope: float
    intercept: float
    r_squared: float
    slopes: Spread

    def at(self, x: float) -> float:
        """Return the line's value."""
        return self.intercept + self.slope * x

    @property
    def slope_may_be_zero(self) -> bool:
        """Whether some rounds' lines rise and others fall."""
        return self.slopes.low <= 0 <= self.slopes.high


Measure = Callable[[Session], float]


def per_test(session: Session) -> float:
    """Measure the strategy's cost for each test."""
    return session.each()


def per_session(session: Session) -> float:
    """Measure the strategy's cost once per session."""
    return session.once()


def once_for(part: Part) -> Measure:
    """Return the measure of a part's cost once per session."""
    return lambda session: session.once(part)


def each_for(part: Part) -> Measure:
    """Return the measure of a part's cost for each test."""
    return lambda session: session.each(part)


def in_all(session: Session) -> float:
    """Measure the strategy's cost over the whole session."""
    return session.strategy_seconds


def whole_run(session: Session) -> float:
    """Measure the whole pytest process."""
    return session.seconds


@dataclass
class Comparison:
    """Every session of a comparison, and where it was made.

    Attributes:
        sessions: in the order in which they ran.
        environment: the machine, the versions, and the server's settings that matter here.
        command: what makes another one like it.
    """

    sessions: list[Session]
    environment: dict[str, str]
    command: str = ""

    @property
    def strategies(self) -> list[str]:
        """The strategies, in the order given."""
        return list(dict.fromkeys(s.strategy for s in self.sessions))

    @property
    def workloads(self) -> list[Workload]:
        """The workloads, in the order given."""
        return list(dict.fromkeys(s.workload for s in self.sessions))

    @property
    def rounds(self) -> int:
        """How many rounds."""
        return len({s.round for s in self.sessions})

    def of(self, strategy: str, workload: Workload) -> list[Session]:
        """Return a strategy's sessions on a workload, one per round, in the rounds' order."""
        return [s for s in self.sessions if (s.strategy, s.workload) == (strategy, workload)]

    def error(self, strategy: str, workload: Workload) -> str:
        """Return why a strategy's sessions on a workload can't be counted; empty if they can."""
        return next((s.error for s in self.of(strategy, workload) if s.error), "")

    def measured(self, strategy: str, workload: Workload) -> list[Session]:
        """Return the same as `of`.

        Raises:
            FailedSessionError: one of the sessions failed. A test that fails may well be fast.
        """
        if error := self.error(strategy, workload):
            raise FailedSessionError(f"{strategy}, {workload}: {error}")
        return self.of(strategy, workload)

    def spread(self, strategy: str, workload: Workload, measure: Measure = per_test) -> Spread:
        """Return a measure's spread over the rounds; raise as `measured` does."""
        return Spread.of(measure(s) for s in self.measured(strategy, workload))

    def ratio(
        self, dear: str, cheap: str, workload: Workload, measure: Measure = per_test
    ) -> Spread:
        """Return the spread of each round's ratio of two strategies; raise as `measured` does.

        Both sessions of a round ran one after the other: what slows the machine down for a while
        slows both.
        """
        pairs = zip(self.measured(dear, workload), self.measured(cheap, workload), strict=True)
        return Spread.of(measure(one) / measure(other) for one, other in pairs)

    def along(self, size: str) -> list[Workload]:
        """Return the workloads that differ from the first in this size alone, smallest first."""
        first = asdict(self.workloads[0])
        same = [w for w in self.workloads if {**asdict(w), size: first[size]} == first]
        return sorted(same, key=lambda workload: int(getattr(workload, size)))

    def fit(self, strategy: str, size: str, measure: Measure = per_test) -> Fit:
        """Fit a line to a measure against `tests`, `revisions`, `tables` or `rows`.

        Raises:
            ValueError: the comparison has fewer than two values of that size.
            FailedSessionError: one of the sessions failed.
        """
        rounds: dict[int, list[tuple[float, float]]] = {}
        for workload in self.along(size):
            for s in self.measured(strategy, workload):
                rounds.setdefault(s.round, []).append((getattr(workload, size), measure(s)))
        if any(len(points) < 2 for points in rounds.values()):
            raise ValueError(f"a line needs two values of {size} or more")
        xs, ys = zip(*(point for points in rounds.values() for point in points), strict=True)
        line = linear_regression(xs, ys)
        residuals = (y - line.slope * x - line.intercept for x, y in zip(xs, ys, strict=True))
        return Fit(
            line.slope,
            line.intercept,
            1 - sum(r**2 for r in residuals) / (variance(ys) * (len(ys) - 1) or 1),
            Spread.of(linear_regression(*zip(*p, strict=True)).slope for p in rounds.values()),
        )

    def save(self, file: Path) -> None:
        """Write it as JSON, with times to a microsecond."""
        content = asdict(self)
        for session in content["sessions"]:
            session["seconds"] = round(session["seconds"], 6)
            for cost in session["costs"]:
                cost["seconds"], cost["each"] = round(cost["seconds"], 6), round(cost["each"], 6)
        # A line for each session: readable, and small in a diff.
        sessions = ",\n".join(json.dumps(session) for session in content.pop("sessions"))
        head = json.dumps(content, indent=1).removesuffix("\n}")
        file.write_text(f'{head},\n "sessions": [\n{sessions}\n]}}\n')

    @classmethod
    def load(cls, file: Path) -> "Comparison":
        """Read what `save` has written.

        Raises:
            ValueError: the file holds something else.
        """
        try:
            content = json.loads(file.read_text())
            for session in content["sessions"]:
                session["workload"] = Workload(**session["workload"])
                session["costs"] = [Cost(**cost) for cost in session["costs"]]
            sessions = [Session(**session) for session in content.pop("sessions")]
            return cls(sessions, **content)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} doesn't hold a comparison: {error!r}") from None


class FailedSessionError(Exception):
    """A strategy's tests failed, so there is nothing to compare."""
