"""What the comparison with published plugins has found, as tables.

A comparison as `project.timing` has it: in its `attrs`, `environment` has each peer's version, and
`isolates` for each strategy the isolation suite's answer by question.
"""

from pathlib import Path

import pandas as pd

from project.timing.figures import sessions, spread, titled, written

KEPT = Path(__file__).parent / "kept.json"
PEERS = "benchmarks."  # what a peer's name begins with


def package_of(peer: str) -> str:
    """Return the name of a peer's package."""
    return peer.removeprefix(PEERS).replace("_", "-")


def label(found: pd.DataFrame, strategy: str) -> str:
    """Return a strategy's name for a reader; a peer's with its version."""
    if not strategy.startswith(PEERS):
        return strategy.replace("_", " ")
    package = package_of(strategy)
    return f"{package} {found.attrs['environment'][package]}"


def costs(found: pd.DataFrame) -> pd.DataFrame:
    """Tabulate how many tests pass under each strategy, and what they cost.

    The costs are shown also where tests fail: they are those of the fixtures, which run for every
    test. A whole test that fails is shorter than it would be.
    """
    figures = sessions(found, failed=True)
    groups = found.groupby("strategy", sort=False)
    passed = groups.passed.min().astype(str) + " of " + groups.tests.max().astype(str)
    table = pd.DataFrame({"tests pass": passed})
    for measure, name in (
        ("own", "own cost per test"),
        ("whole", "whole test"),
        ("once", "own cost per session"),
    ):
        table[name] = written(spread(figures[measure].droplevel(["tests", "revisions", "tables"])))
    return titled(table.rename(index=lambda strategy: label(found, strategy)), found)


def isolation(found: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what each strategy isolates, as its runs of the isolation suite have answered."""
    answers = pd.DataFrame(found.attrs["isolates"]).T
    return answers.replace({True: "yes", False: "no"}).rename(index=lambda s: label(found, s))
