"""What a strategy isolates and what it doesn't: one suite of questions, asked of each strategy.

python -m project.isolation
python -m project.isolation deletion your_own.plugin
"""

import importlib
import inspect
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from tqdm.auto import tqdm

from project import postgres
from project.isolation import suite
from project.testing import STRATEGIES
from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates
from project.timing.tables import Table

SUITE = Path(__file__).parent / "suite.py"
LEFT_OUT = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER")
# What each session imports before its first test. Imported once, in a process that forks the rest.
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
    module = strategy if "." in strategy else f"project.testing.{strategy}"
    importlib.import_module(module)
    dsn = dsn or postgres.dsn()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(IMPORTED)
    answered: dict[str, bool] = {}
    try:
        for name, question in tqdm(questions().items(), desc=strategy, disable=not progress):
            if classes and name not in classes:
                continue
            with tempfile.NamedTemporaryFile() as said:
                session = processes.Process(target=ask, args=(module, name, dsn, said.name))
                session.start()
                session.join(seconds)
                if session.is_alive():
                    session.terminate()
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
    options = ["-q", "-p", "no:cacheprovider", "-p", "project.defaults", "-p", module]
    if "PYTEST_DISABLE_PLUGIN_AUTOLOAD" in os.environ:
        options += ["-p", "asyncio"]
    sys.exit(pytest.main([*options, f"{SUITE.name}::{name}"]))


def table(strategies: Sequence[str] = STRATEGIES, dsn: str | None = None) -> Table:
    """Ask each strategy every question; return a table of the answers."""
    columns = [answers(strategy, dsn, progress=True) for strategy in strategies]
    rows = [
        (question, *("yes" if column[question] else "no" for column in columns))
        for question in questions().values()
    ]
    return Table(["", *(strategy.replace("_", " ") for strategy in strategies)], rows)
