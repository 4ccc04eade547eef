"""This project's isolation strategies beside published ones: what benchmarks/ has found."""

from dataclasses import dataclass, field

from project.timing.report import from_to
from project.timing.results import Comparison, Spread
from project.timing.tables import Table, milliseconds

PEERS = "benchmarks."  # what a peer's name begins with


@dataclass
class PeerComparison(Comparison):
    """A comparison that also knows what each strategy isolates.

    Attributes:
        isolates: for each strategy, the isolation suite's answer by question.
    """

    isolates: dict[str, dict[str, bool]] = field(default_factory=dict)

    def label(self, strategy: str) -> str:
        """Return a strategy's name for a reader; a peer's with its version."""
        if not strategy.startswith(PEERS):
            return strategy.replace("_", " ")
        package = package_of(strategy)
        return f"{package} {self.environment[package]}"


def package_of(peer: str) -> str:
    """Return the name of a peer's package."""
    return peer.removeprefix(PEERS).replace("_", "-")


def costs(comparison: PeerComparison) -> Table:
    """Tabulate how many tests pass under each strategy, and what its fixtures cost.

    The costs are medians over the rounds. They are shown also where tests fail: they are those of
    the fixtures, which run for every test.
    """
    workload = comparison.workloads[0]
    rows = []
    for strategy in comparison.strategies:
        sessions = comparison.of(strategy, workload)
        passed = min(session.outcomes.get("passed", 0) for session in sessions)
        each = Spread.of(session.each() for session in sessions)
        once = Spread.of(session.once() for session in sessions)
        rows.append(
            [
                comparison.label(strategy),
                f"{passed} of {workload.tests}",
                milliseconds(each.median),
                from_to(each),
                milliseconds(once.median),
            ]
        )
    headers = ["", "tests pass", "per test", f"in {comparison.rounds} rounds", "once per session"]
    return Table(headers, rows)


def isolation(comparison: PeerComparison) -> Table:
    """Tabulate what each strategy isolates, as its runs of the isolation suite have answered."""
    questions = next(iter(comparison.isolates.values()))
    rows = [
        [comparison.label(strategy), *("yes" if answers[q] else "no" for q in questions)]
        for strategy, answers in comparison.isolates.items()
    ]
    return Table(["", *questions], rows)
