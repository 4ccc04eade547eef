"""What a strategy isolates and what it doesn't: one suite of questions, asked of each strategy.

python -m project.isolation
python -m project.isolation deletion your_own.plugin
"""

import gc
import inspect
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tqdm import tqdm

from project import postgres
from project.isolation import suite
from project.runs import LEFT_OUT, module_of, options_for
from project.testing import STRATEGIES
from project.testing.database import lifecycle
from project.testing.template import drop_templates

SUITE = Path(__file__).parent / "suite.py"
# What the sessions import before their first test: once, in the process that forks them.
IMPORTED = ["pytest_asyncio.plugin", "project.defaults", "project.isolation.suite", "mako.template"]
IMPORTED += ["sqlalchemy.dialects.postgresql.asyncpg"]
IMPORTED += [f"project.testing.{strategy}" for strategy in STRATEGIES]


def questions() -> dict[str, str]:
    """Return what the suite asks, by the class that asks it."""
    return {name: inspect.getdoc(asks) or name for name, asks in classes_of_suite().items()}


def groups() -> dict[str, str]:
    """Return which group a question belongs to, by the question."""
    return {inspect.getdoc(asks) or name: asks.group for name, asks in classes_of_suite().items()}


def classes_of_suite() -> dict[str, Any]:
    """Return the classes that ask."""
    return {name: value for name, value in vars(suite).items() if name.startswith("Test")}


def answers(
    strategy: str,
    dsn: str | None = None,
    *,
    classes: Collection[str] = (),
    seconds: float = 60,
    progress: bool = False,
) -> dict[str, bool]:
    """Ask a strategy the questions; return the answers.

    Yes is exit status 0 of a whole session of pytest, and no that of a session which asks this
    question alone: a test or a fixture fails in it, or it takes too long. Each group has a session.
    Where that fails, those of its questions that didn't are asked together with others like them.
    Where that fails, too, each of them has a session of its own, as those that failed have.

    Args:
        strategy: a module in `project.testing`; with a dot in it, any module.
        dsn: the original database. By default the one that `project.postgres` names.
        classes: which of the suite's classes ask. By default all.
        seconds: how long a session with one question may take.
        progress: show a bar.

    Raises:
        ModuleNotFoundError: there is no such strategy.
        RuntimeError: a session neither passed nor failed, but ended before.
    """
    module, dsn = module_of(strategy), dsn or postgres.dsn()
    asked = {name: it for name, it in questions().items() if not classes or name in classes}
    answered: dict[str, bool] = {}
    with tqdm(total=len(asked), desc=strategy, disable=not progress) as bar:
        try:
            if len(asked) > 1:
                likely: set[str] = set()
                group = groups()
                for _, some in groupby(asked, key=lambda name: group[asked[name]]):
                    together = set(some)
                    status, failed = ask(module, dsn, together, seconds * len(together))
                    if status == pytest.ExitCode.OK:
                        answered |= {asked[name]: True for name in together}
                    else:
                        likely |= together - failed
                    bar.update(len(answered) - bar.n)
                if likely and ask(module, dsn, likely, seconds * len(likely))[0] == 0:
                    answered |= {asked[name]: True for name in likely}
                    bar.update(len(answered) - bar.n)
            for name, question in asked.items():
                if question not in answered:
                    status, _ = ask(module, dsn, [name], seconds)
                    answered[question] = status == pytest.ExitCode.OK
                    bar.update()
        finally:
            lifecycle.run_async(drop_templates(dsn))
    return {question: answered[question] for question in asked.values()}


def ask(module: str, dsn: str, classes: Collection[str], seconds: float) -> tuple[int, set[str]]:
    """Run some of the suite's classes in one session; return its exit status and which failed.

    A session that takes too long has failed as a whole.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(IMPORTED)
    with tempfile.TemporaryDirectory() as folder:
        said, failed = Path(folder, "said"), Path(folder, "failed")
        session = processes.Process(target=run_session, args=(module, dsn, classes, said, failed))
        session.start()
        session.join(seconds)
        if session.is_alive():
            session.kill()
            session.join()
            return pytest.ExitCode.INTERRUPTED, set(classes)
        started = failed.exists()
        if (
            session.exitcode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
            or not started
        ):
            output = said.read_text(errors="replace")[-2000:] if said.exists() else ""
            raise RuntimeError(f"The suite didn't run under {module}. {output}")
        return session.exitcode, set(failed.read_text().split())


class Failures:
    """A pytest plugin that writes down which classes have a test or a fixture that fails."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.touch()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write down the class of a test that has failed."""
        if report.failed:
            with self._file.open("a") as file:
                file.write(report.nodeid.split("::")[1] + "\n")


def run_session(
    module: str, dsn: str, classes: Collection[str], said: Path, failed: Path
) -> NoReturn:
    """Run some of the suite's classes under a strategy, in this process; exit as pytest does.

    Args:
        module: the strategy.
        dsn: the original database.
        classes: which of the suite's classes.
        said: a file for what pytest prints.
        failed: a file for the classes that fail.
    """
    gc.freeze()  # or pytest, which collects garbage in the end, would look through all imports
    for variable in LEFT_OUT:
        os.environ.pop(variable, None)
    os.environ["POSTGRES_DSN"] = dsn
    os.chdir(SUITE.parent)
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    lifecycle.LOCK_SECONDS = 1  # the answer is the same after five, for each test that waits
    # Plain assertions: what is imported already can't be rewritten. No tracebacks: pytest parses
    # each module that one goes through, which takes longer than the test.
    wanted = [f"{SUITE.name}::{name}" for name in questions() if name in classes]
    options = [*options_for(module), "--assert=plain", "--tb=no", *wanted]
    sys.exit(pytest.main(options, plugins=[Failures(failed)]))


def table(strategies: Sequence[str] = STRATEGIES, dsn: str | None = None) -> dict[str, list[str]]:
    """Ask each strategy every question; return the answers, yes or no, by question."""
    columns = [answers(strategy, dsn, progress=True) for strategy in strategies]
    return {
        question: ["yes" if column[question] else "no" for column in columns]
        for question in questions().values()
    }
