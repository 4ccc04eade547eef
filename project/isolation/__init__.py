"""What a strategy isolates and what it doesn't: one suite of questions, asked of each strategy.

python -m project.isolation
python -m project.isolation deletion your_own.plugin
"""

import inspect
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from tqdm.auto import tqdm

from project import postgres
from project.isolation import suite
from project.runs import LEFT_OUT, module_of
from project.testing import STRATEGIES
from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates

SUITE = Path(__file__).parent / "suite.py"
# What each session imports before its first test: here once, in the process that forks them.
IMPORTED = [
    "alembic.command",
    "asyncpg",
    "pytest",
    "pytest_asyncio.plugin",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
]


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
    """Ask a strategy each question in a session of pytest of its own; return the answers.

    Yes is exit status 0 of that session. No is a test or a fixture that fails, or a session that
    takes too long.

    Args:
        strategy: a module in `project.testing`; with a dot in it, any module.
        dsn: the original database. By default the one that `project.postgres` names.
        classes: which of the suite's classes ask. By default all.
        seconds: how long a session may take.
        progress: show a bar.

    Raises:
        ModuleNotFoundError: there is no such strategy.
        RuntimeError: a session neither passed nor failed, but ended before.
    """
    module, dsn = module_of(strategy), dsn or postgres.dsn()
    asked = {name: it for name, it in questions().items() if not classes or name in classes}
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(IMPORTED)
    answered: dict[str, bool] = {}
    try:
        for name, question in tqdm(asked.items(), desc=strategy, disable=not progress):
            with tempfile.NamedTemporaryFile() as said:
                session = processes.Process(target=ask, args=(module, name, dsn, said.name))
                session.start()
                session.join(seconds)
                if session.is_alive():
                    session.kill()
                    session.join()
                    answered[question] = False
                    continue
                if session.exitcode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
                    output = Path(said.name).read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{name} didn't run under {strategy}:\n{output}")
                answered[question] = session.exitcode == pytest.ExitCode.OK
    finally:
        run_async(drop_templates(dsn))
    return answered


def ask(module: str, name: str, dsn: str, said: str) -> None:
    """Ask one question under a strategy, in this process; exit with pytest's status.

    Args:
        module: the strategy.
        name: the class that asks.
        dsn: the original database.
        said: a file for what pytest prints.
    """
    for variable in LEFT_OUT:
        os.environ.pop(variable, None)
    os.environ["POSTGRES_DSN"] = dsn
    os.chdir(SUITE.parent)
    with Path(said).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    if "PYTEST_DISABLE_PLUGIN_AUTOLOAD" in os.environ:
        options += ["-p", "asyncio"]
    options += ["-p", "project.defaults", "-p", module, f"{SUITE.name}::{name}"]
    sys.exit(pytest.main(options))


def table(strategies: Sequence[str] = STRATEGIES, dsn: str | None = None) -> dict[str, list[str]]:
    """Ask each strategy every question; return the answers, yes or no, by question."""
    columns = [answers(strategy, dsn, progress=True) for strategy in strategies]
    return {
        question: ["yes" if column[question] else "no" for column in columns]
        for question in questions().values()
    }
