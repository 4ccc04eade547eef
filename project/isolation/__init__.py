"""What a strategy isolates and what it doesn't: one suite of tests, run under each strategy.

python -m project.isolation
python -m project.isolation deletion your_own.plugin
"""

import inspect
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from xml.etree import ElementTree

from project import postgres
from project.isolation import suite
from project.runs import module_of, run_pytest
from project.testing import STRATEGIES
from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates

SUITE = Path(__file__).parent / "suite.py"
WENT_WRONG = ("failure", "error")


def questions() -> dict[str, str]:
    """Return what the suite asks, by the class that asks it."""
    return {
        name: inspect.getdoc(value) or name
        for name, value in vars(suite).items()
        if name.startswith("Test")
    }


def answers(
    strategy: str,
    dsn: str | None = None,
    *,
    classes: Collection[str] = (),
    seconds: float | None = None,
) -> dict[str, bool]:
    """Run the suite under a strategy, in a process of its own; return the answer by question.

    Args:
        strategy: a module in `project.testing`; with a dot in it, any module.
        dsn: the original database. By default the one that `project.postgres` names.
        classes: which of the suite's classes ask. By default all.
        seconds: how long it may take. By default as long as it takes.

    Raises:
        RuntimeError: the suite didn't run to its end.
        subprocess.TimeoutExpired: it took too long.
    """
    wanted = {name: text for name, text in questions().items() if not classes or name in classes}
    dsn = dsn or postgres.dsn()
    asked_for = [f"{SUITE.name}::{name}" for name in wanted]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = [f"--junitxml={report}", *asked_for]
        _, said = run_pytest(SUITE.parent, module_of(strategy), dsn, *options, seconds=seconds)
        run_async(drop_templates(dsn))
        tests = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    answered = dict.fromkeys(wanted.values(), True)
    asked = set()
    for test in tests:
        question = wanted[test.attrib["classname"].rpartition(".")[2]]
        asked.add(question)
        if any(child.tag in WENT_WRONG for child in test):
            answered[question] = False
    if asked != set(answered):
        raise RuntimeError(f"the suite didn't run under {strategy}:\n{said[-2000:]}")
    return answered


def table(strategies: Sequence[str] = STRATEGIES, dsn: str | None = None) -> dict[str, list[str]]:
    """Run the suite under each strategy; return its answers, yes or no, by question."""
    columns = [answers(strategy, dsn) for strategy in strategies]
    return {
        question: ["yes" if column[question] else "no" for column in columns]
        for question in questions().values()
    }
