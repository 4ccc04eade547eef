"""Runs isolation strategies on workloads, in turn, each pytest session in a fresh interpreter.

That is what you wait for when you type `pytest`: nothing of an earlier session helps or hinders it.
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
from typing import Any

import pandas as pd
from tqdm import tqdm

from project import postgres
from project.postgres.description import description
from project.runs import module_of, reason, run_pytest
from project.timing.workload import FILE, TESTS, Workload

PACKAGES = ("sqlalchemy", "alembic", "asyncpg", "pytest", "pytest-asyncio")
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
) -> pd.DataFrame:
    """Run every strategy on every workload, round by round, so that all meet the same weather.

    Before the first of several rounds one test runs untimed, to warm the server up. In each round
    another strategy begins.

    Args:
        strategies: names of modules in `project.testing`; with a dot in it, of any module.
        workloads: what to run. The first is the one that the others are held against.
        rounds: how often. An interrupt ends it with those that are complete, if there are.
        only: which of the two tests.
        dsn: the original database. By default the one that `project.postgres` names.

    Raises:
        ModuleNotFoundError: there is no such strategy.
        PostgresError: the server doesn't answer.
    """
    modules = {name: module_of(name) for name in strategies}
    dsn = dsn or postgres.dsn()
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    environment = {"system": system, "Python": platform.python_version()}
    environment |= {package: version(package) for package in PACKAGES} | description(dsn)
    bar = sys.stdout if "ipykernel" in sys.modules else sys.stderr  # red in a notebook
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(prefix="workloads-") as parent,
        tqdm(file=bar, leave=False, unit="session", dynamic_ncols=True) as step,
    ):
        folders = {workload: Path(parent, str(workload)) for workload in workloads}
        for workload, folder in folders.items():
            workload.write(folder, only)
        turns = list(modules) * 2
        step.reset(len(folders) * rounds * len(modules))
        if rounds > 1:
            step.set_description("warming up")
            run_pytest(folder, modules[turns[0]], dsn, f"{FILE}::{only[0]}[0]")
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
    """Return rows as a comparison, with `beside` as its `attrs`.

    Each cost has its `part`, and `failed` says whether a round of its strategy and workload did.
    """
    making = (rows.what == "db") & (rows.phase == "set-up")
    part = rows.what.map(PARTS).fillna(OTHER).mask(making, "connecting")
    failed = rows.error.ne("").groupby([rows[key] for key in KEYS[:-1]]).transform("any")
    rows = rows.assign(part=part, failed=failed)
    rows.attrs = beside
    return rows


def save(found: pd.DataFrame, file: Path) -> None:
    """Write a comparison as JSON, a line for each row, with times to a microsecond."""
    lines = json.loads(found[COLUMNS].round(6).to_json(orient="values", double_precision=6))
    head = json.dumps({**found.attrs, "columns": COLUMNS}, indent=1).removesuffix("\n}")
    rows = ",\n".join(json.dumps(line) for line in lines)
    file.write_text(f'{head},\n "rows": [\n{rows}\n]}}\n')


def load(file: Path) -> pd.DataFrame:
    """Read what `save` has written; raise a ValueError if the file holds something else."""
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
    options += ["--costs-to", str(file), *(f"{FILE}::{name}" for name in only[: workload.tests])]
    start = time.perf_counter()
    status, output = run_pytest(folder, module, dsn, *options)
    seconds = time.perf_counter() - start
    passed, costs = json.loads(file.read_text()) if file.exists() else (0, [])
    tests, error = workload.tests, ""
    if status != 0 or passed != tests:
        error = f"{passed} of {tests} tests passed: {reason(output)}"
    whole: dict[str, Any] = {"what": RUN, "phase": "run", "per": "run", "times": 1}
    whole |= {"seconds": seconds, "each": seconds}
    return [{"passed": passed, "error": error, **cost} for cost in [whole, *costs]]
