"""Compare this project's isolation strategies with published ones.

python -m benchmarks.peers --rounds 5 --tests 20 --json benchmarks/kept.json
"""

import argparse
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import make_url
from tqdm import tqdm

from benchmarks.results import PEERS, costs, isolation, label, package_of
from project.isolation import answers, questions
from project.postgres.temporary import set_up, temporary_server
from project.testing import STRATEGIES
from project.timing.compare import compare, save
from project.timing.workload import Workload

PUBLISHED = (
    "pytest_postgresql",
    "pytest_sqla",
    "pytest_sqlalchemy_alembic",
    "pytest_alembic",
    "pgmem",
    "py_pglite",
)
LEFT_OUT = {"pytest-pglite": "its releases want Python 3.14 or newer"}
NEED_NODE = ("py_pglite",)

# Classes of the isolation suite.
ASKED = (
    "TestRows",
    "TestOtherRows",
    "TestSequence",
    "TestInsertedAndChanged",
    "TestColumn",
    "TestTable",
    "TestSetting",
    "TestLeftOpen",
    "TestSecondConnection",
    "TestTime",
)
SECONDS_TO_ANSWER = 60


def main() -> None:
    """Compare, and print what was found."""
    given = make_parser().parse_args()
    left_out = dict(LEFT_OUT)
    if not (shutil.which("node") and shutil.which("npm")):
        left_out |= {package_of(name): "it needs Node and npm" for name in NEED_NODE}
    peers = [PEERS + name for name in PUBLISHED if package_of(name) not in left_out]
    # Each session loads its own plugin, and none of the other peers'.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with temporary_server() as dsn:
        if given.fsync_off:
            set_up(dsn, {"fsync": "off"})
        dsn = without_host(dsn)
        isolates = ask([*STRATEGIES, *peers], dsn)
        for peer in peers:
            if not any(isolates[peer].values()):  # they would all say no
                del isolates[peer]
                left_out[package_of(peer)] = "its tests don't run here"
        found = compare(list(isolates), [Workload(given.tests)], rounds=given.rounds, dsn=dsn)
    packages = [package_of(name) for name in isolates if name.startswith(PEERS)]
    found.attrs["environment"] |= {package: version(package) for package in packages}
    found.attrs["command"] = " ".join(["python -m benchmarks.peers", *sys.argv[1:]])
    found.attrs["isolates"] = isolates
    print(", ".join(f"{name} {value}" for name, value in found.attrs["environment"].items()))
    print(f"\n{costs(found).to_string()}\n\n{isolation(found).to_string()}\n")
    for strategy, error in found[found["round"] == 0].groupby("strategy").error.max().items():
        if error:
            print(f"{label(found, strategy)}: {error}")
    for package, reason in left_out.items():
        print(f"{package} is left out: {reason}.")
    if given.json:
        save(found, given.json)


def ask(strategies: list[str], dsn: str) -> dict[str, dict[str, bool]]:
    """Return what each strategy isolates. Where its tests don't run, all its answers are no."""
    isolates: dict[str, dict[str, bool]] = {}
    for strategy in tqdm(strategies, desc="what it isolates", leave=False):
        try:
            isolates[strategy] = answers(strategy, dsn, classes=ASKED, seconds=SECONDS_TO_ANSWER)
        except RuntimeError as error:
            tqdm.write(str(error))
            isolates[strategy] = dict.fromkeys((questions()[name] for name in ASKED), False)
    return isolates


def without_host(dsn: str) -> str:
    """Return a DSN without host and port: they go to where asyncpg and psycopg look for them.

    Some of the peers take a database's name alone, or choke on the % in a socket's URL.
    """
    url = make_url(dsn)
    os.environ["PGHOST"], os.environ["PGPORT"] = str(url.query["host"]), str(url.query["port"])
    return url.set(query={}).render_as_string(hide_password=False)


def make_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Compare this project's isolation strategies with published ones, on the same"
        " tests, on a server of their own, round by round.",
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="by default 5")
    parser.add_argument(
        "--tests", type=int, default=20, metavar="N", help="the two tests, over and over; 20"
    )
    parser.add_argument("--fsync-off", action="store_true", help="let the server not wait for disk")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the result")
    return parser


if __name__ == "__main__":
    main()
