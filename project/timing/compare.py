"""Runs isolation strategies on workloads, in turn, each pytest session in a fresh interpreter.

A session is a process of its own because that is what you wait for when you type `pytest`: no
module, cache or event loop of an earlier session helps or hinders it.
"""

import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Never, TextIO

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from tqdm import tqdm

from project import postgres
from project.testing.database.lifecycle import run_async
from project.timing.results import Comparison, Cost, Session
from project.timing.workload import CHECK, TESTS, InvalidWorkloadError, Workload

STRATEGIES = "project.testing"
CHECKED_UNDER = "session_level"
PACKAGES = ("sqlalchemy", "alembic", "asyncpg", "pytest", "pytest-asyncio")
SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
SECONDS_TO_CLEAN_UP = 10


def compare(
    strategies: Sequence[str],
    workloads: Sequence[Workload],
    *,
    rounds: int = 5,
    dsn: str | None = None,
    bare: bool = False,
    bar: TextIO | None = None,
) -> Comparison:
    """Run every strategy on every workload, round by round, so that all meet the same weather.

    Before the first round each workload is checked, which also warms the server up. In each round
    another strategy begins. An interrupt ends it with the rounds that are complete, if there are.

    Args:
        strategies: names of modules in `project.testing`; with a dot in it, of any module.
        workloads: what to run. The first is the one that the others are held against.
        rounds: how often.
        dsn: the original database. By default the one that `project.postgres` names.
        bare: run every session once more without recording, to see what the recording costs.
        bar: where the progress bar goes. By default standard error, in a notebook the output.

    Raises:
        ModuleNotFoundError: there is no such strategy.
        PostgresError: the server doesn't answer.
        InvalidWorkloadError: a workload's migrations don't make its tables, or leave something.
    """
    plugins = {name: plugin(name) for name in strategies}
    dsn = dsn or postgres.dsn()
    environment = describe_environment(dsn)
    sessions: list[Session] = []
    with workload_folders(workloads) as folders, progress(bar) as step:
        turns = list(plugins) * 2
        step.reset(len(folders) * (1 + rounds * len(plugins) * (2 if bare else 1)))
        for workload, folder in folders.items():
            step.set_description(f"checking: {workload}")
            check(workload, folder, dsn)
            step.update()
        try:
            for number in range(rounds):
                first = number % len(plugins)
                for workload, folder in folders.items():
                    for name in turns[first : first + len(plugins)]:
                        step.set_description(f"round {number + 1}: {name}, {workload}")
                        session = run(name, plugins[name], workload, folder, dsn, number, bare)
                        sessions.append(session)
                        step.update(2 if bare else 1)
        except KeyboardInterrupt:
            sessions = [session for session in sessions if session.round < number]
            if not sessions:
                raise
    return Comparison(sessions, environment)


def plugin(strategy: str) -> str:
    """Return the module that a strategy's name stands for.

    Raises:
        ModuleNotFoundError: there is none.
    """
    module = strategy if "." in strategy else f"{STRATEGIES}.{strategy}"
    found = None
    with suppress(ImportError, ValueError):
        found = importlib.util.find_spec(module)
    if found is None:
        raise ModuleNotFoundError(f"there is no strategy {strategy!r}: no module {module}")
    return module


@contextmanager
def workload_folders(workloads: Sequence[Workload]) -> Iterator[dict[Workload, Path]]:
    """Write each workload into a temporary folder; remove them all at the end."""
    with tempfile.TemporaryDirectory(prefix="workloads-") as parent:
        folders = {w: Path(parent, f"{i}") for i, w in enumerate(dict.fromkeys(workloads))}
        for workload, folder in folders.items():
            workload.write(folder)
        yield folders


@contextmanager
def progress(file: TextIO | None) -> Iterator["tqdm[Never]"]:
    """Show a progress bar, which goes when all is done."""
    if file is None:
        file = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    with tqdm(file=file, leave=False, unit="session", dynamic_ncols=True) as bar:
        yield bar


def check(workload: Workload, folder: Path, dsn: str) -> None:
    """Migrate a database up and down with a workload's migrations; raise unless all is well."""
    exit_code, output, _ = pytest_session(folder, dsn, plugin(CHECKED_UNDER), CHECK)
    if exit_code != 0:
        raise InvalidWorkloadError(f"{workload}: {reason(output)}")


def run(
    strategy: str,
    module: str,
    workload: Workload,
    folder: Path,
    dsn: str,
    number: int,
    bare: bool = False,
) -> Session:
    """Run one session, and if asked the same without recording; the order changes by the round."""
    file = folder / "costs.json"
    file.unlink(missing_ok=True)
    recording = ["-p", "project.timing.session_plugin", "--costs-to", str(file)]
    bare_seconds = None
    if bare and number % 2 == 0:
        bare_seconds = pytest_session(folder, dsn, module, TESTS)[2]
    exit_code, output, seconds = pytest_session(folder, dsn, module, TESTS, *recording)
    if bare and number % 2 == 1:
        bare_seconds = pytest_session(folder, dsn, module, TESTS)[2]
    recorded = json.loads(file.read_text()) if file.exists() else {"costs": [], "outcomes": {}}
    outcomes: dict[str, int] = recorded["outcomes"]
    error = ""
    if exit_code != 0 or outcomes != {"passed": workload.tests}:
        error = f"{outcomes.get('passed', 0)} of {workload.tests} tests passed: {reason(output)}"
    costs = [Cost(**cost) for cost in recorded["costs"]]
    return Session(strategy, workload, number, seconds, outcomes, costs, error, bare_seconds)


def pytest_session(
    folder: Path, dsn: str, module: str, tests: str, *arguments: str
) -> tuple[int, str, float]:
    """Run pytest in a process of its own; return its exit status, its output and its seconds.

    An interrupt is handed on, so that the session can drop its database.
    """
    left_out = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    options = ["-q", "-p", "no:cacheprovider", "--tb=line", "--show-capture=no"]
    options += ["-p", "project.defaults", "-p", module]
    if "PYTEST_DISABLE_PLUGIN_AUTOLOAD" in environment:
        options += ["-p", "asyncio"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *arguments, tests],
        cwd=folder,
        env=environment | {"POSTGRES_DSN": dsn},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_CLEAN_UP)
        process.kill()
        raise
    return process.returncode, output, time.perf_counter() - start


def reason(output: str) -> str:
    """Return the line of pytest's output that says best why a session failed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for start in ("E ", "Exit:", "!", "ERROR", "FAILED", "ImportError"):
        for line in lines:
            if line.lstrip("_ ").startswith(start):
                return line
    return lines[-1] if lines else "no output"


def describe_environment(dsn: str) -> dict[str, str]:
    """Return the machine, the versions, and the server's settings: no name, address or path."""
    found: dict[str, str] = {}

    async def ask() -> None:
        engine = create_async_engine(dsn, poolclass=NullPool)
        async with engine.connect() as connection:
            for name in ("server_version", *SETTINGS):
                found[name] = str(await connection.scalar(text(f"SHOW {name}")))

    run_async(ask())
    return {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "PostgreSQL": found.pop("server_version"),
        **found,
    }
