"""Runs isolation strategies on workloads, in turn, each pytest session in a fresh interpreter.

A session is a process of its own because that is what you wait for when you type `pytest`: no
module, cache or event loop of an earlier session helps or hinders it.

A comparison is a DataFrame with a row per session and cost, its environment in `attrs`.
"""

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import psutil
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from tqdm import tqdm

from project import postgres
from project.runs import module_of, run_pytest
from project.testing.database.lifecycle import run_async
from project.timing.workload import FILE, TESTS, Workload

PACKAGES = ("sqlalchemy", "alembic", "asyncpg", "pytest", "pytest-asyncio")
SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
SIZES = ["tests", "revisions", "tables"]
# What a row is of, and what it says. `(run)` is the whole pytest process.
KEYS = ["strategy", *SIZES, "round"]
COLUMNS = [*KEYS, "passed", "error", "what", "phase", "per", "times", "seconds", "each"]
RUN = "(run)"
# What each cost is paid for. Connections count as the strategy's, wherever they are opened.
PARTS = {
    "create_test_db": "creating the database",
    "migrate_db": "migrating",
    "(connection)": "connecting",
    "db": "cleaning and closing",
    "product_fixture": "the test's data",
    "(test)": "the test itself",
    RUN: RUN,
}
OTHER = "other fixtures"


def compare(
    strategies: Sequence[str],
    workloads: Sequence[Workload],
    *,
    rounds: int = 5,
    only: Sequence[str] = TESTS,
    dsn: str | None = None,
    bar: TextIO | None = None,
) -> pd.DataFrame:
    """Run every strategy on every workload, round by round, so that all meet the same weather.

    Before the first of several rounds one test runs untimed, to warm the server up. In each round
    another strategy begins. An interrupt ends it with the rounds that are complete, if there are.

    Args:
        strategies: names of modules in `project.testing`; with a dot in it, of any module.
        workloads: what to run. The first is the one that the others are held against.
        rounds: how often.
        only: which of the two tests.
        dsn: the original database. By default the one that `project.postgres` names.
        bar: where the progress bar goes. By default standard error, in a notebook the output.

    Raises:
        ModuleNotFoundError: there is no such strategy.
        PostgresError: the server doesn't answer.
    """
    modules = {name: module_of(name) for name in strategies}
    dsn = dsn or postgres.dsn()
    environment = describe_environment(dsn)
    # In a notebook, standard error would be red.
    bar = bar or (sys.stdout if "ipykernel" in sys.modules else sys.stderr)
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(prefix="workloads-") as parent,
        tqdm(file=bar, leave=False, unit="session", dynamic_ncols=True) as step,
    ):
        folders = {w: Path(parent, f"{i}") for i, w in enumerate(dict.fromkeys(workloads))}
        for workload, folder in folders.items():
            workload.write(folder, only)
        turns = list(modules) * 2
        step.reset(len(folders) * rounds * len(modules))
        if rounds > 1:
            step.set_description("warming up")
            run_pytest(Path(parent, "0"), modules[turns[0]], dsn, f"{FILE}::{only[0]}[0]")
        try:
            for number in range(rounds):
                begin = number % len(modules)
                for workload, folder in folders.items():
                    for name in turns[begin : begin + len(modules)]:
                        step.set_description(f"round {number + 1}: {name}, {workload}")
                        key = {"strategy": name, **asdict(workload), "round": number}
                        found = run(modules[name], workload, folder, dsn, only)
                        rows += [{**key, **row} for row in found]
                        step.update()
        except KeyboardInterrupt:
            rows = [row for row in rows if row["round"] < number]
            if not rows:
                raise
    return comparison(pd.DataFrame(rows, columns=COLUMNS), environment=environment)


def comparison(rows: pd.DataFrame, **beside: Any) -> pd.DataFrame:
    """Return rows as a comparison: with each cost's `part`, and `beside` them its `attrs`."""
    making = (rows.what == "db") & (rows.phase == "set-up")
    rows = rows.assign(part=rows.what.map(PARTS).fillna(OTHER).mask(making, "connecting"))
    rows.attrs = beside
    return rows


def save(found: pd.DataFrame, file: Path) -> None:
    """Write a comparison as JSON, a line for each row, with times to a microsecond."""
    lines = json.loads(found[COLUMNS].round(6).to_json(orient="values", double_precision=6))
    head = json.dumps({**found.attrs, "columns": COLUMNS}, indent=1).removesuffix("\n}")
    rows = ",\n".join(json.dumps(line) for line in lines)
    file.write_text(f'{head},\n "rows": [\n{rows}\n]}}\n')


def load(file: Path) -> pd.DataFrame:
    """Read what `save` has written.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        content = json.loads(file.read_text())
        rows = pd.DataFrame(content.pop("rows"), columns=content.pop("columns"))
        return comparison(rows[COLUMNS], **content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} doesn't hold a comparison: {error!r}") from None


def run(
    module: str, workload: Workload, folder: Path, dsn: str, only: Sequence[str]
) -> list[dict[str, Any]]:
    """Run one session; return its rows: the whole run, and what its parts cost."""
    file = folder / "costs.json"
    file.unlink(missing_ok=True)
    options = ["--tb=line", "--show-capture=no", "-p", "project.timing.recorder"]
    options += ["--costs-to", str(file), *(f"{FILE}::{name}" for name in only)]
    start = time.perf_counter()
    status, output = run_pytest(folder, module, dsn, *options)
    seconds = time.perf_counter() - start
    recorded: dict[str, Any] = {"passed": 0, "costs": []}
    if file.exists():
        recorded = json.loads(file.read_text())
    passed, error = recorded["passed"], ""
    if status != 0 or passed != workload.tests:
        error = f"{passed} of {workload.tests} tests passed: {reason(output)}"
    whole: dict[str, Any] = {"what": RUN, "phase": "run", "per": "run", "times": 1}
    costs = [whole | {"seconds": seconds, "each": seconds}, *recorded["costs"]]
    return [{"passed": passed, "error": error, **cost} for cost in costs]


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
            # Those who mayn't know the folder get none.
            folder = "SELECT setting FROM pg_settings WHERE name = 'data_directory'"
            found["data"] = str(await connection.scalar(text(folder)) or "")

    run_async(ask())
    here = make_url(dsn).host in (None, "localhost", "127.0.0.1", "::1")
    data = found.pop("data")
    return {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "PostgreSQL": found.pop("server_version"),
        "file system": file_system(Path(data)) if data and here else "unknown",
        **found,
    }


def file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on, such as `ext4 without a journal`."""
    mounts = [m for m in psutil.disk_partitions(all=True) if folder.is_relative_to(m.mountpoint)]
    if not mounts:
        return "unknown"
    mount = max(mounts, key=lambda mount: len(mount.mountpoint))
    device = Path(mount.device).name
    known = Path("/proc/fs/ext4", device).exists()
    if known and not list(Path("/proc/fs/jbd2").glob(f"{device}-*")):
        return f"{mount.fstype} without a journal"
    return mount.fstype
