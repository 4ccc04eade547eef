"""The project's own tests run as a reader's do: under an isolation strategy, as a plugin.

What repeats another test, under another strategy or with another input of its kind, or takes long
and protects what seldom changes, runs with `--thorough`: that is `make thorough`.
"""

import atexit
import os
import shutil
import signal
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import pytest

from project.testing import STRATEGIES
from tests.servers import Server, database, running_server

NOTEBOOK = "test_it_runs_and_leaves_nothing_behind"
LONGEST = (NOTEBOOK, "test_what_a_strategy_isolates")
# What tests put into notebooks and projects, whatever a file of it is called.
collect_ignore = ["answers", "suites"]
SECONDS = 300  # for one test, also on a busy machine
SECONDS_OF_NOTEBOOK = 1200  # with all attempts at its exercises
# What `make quick` leaves out, beside the notebooks: servers of their own that are killed or
# attacked, environments and images that are made, and many databases.
SLOW = {
    "test_assignment",
    "test_binder",
    "test_dsn",
    "test_embedded_server",
    "test_examples",
    "test_exercises",
    "test_isolation",
    "test_likeness",
    "test_make",
    "test_mending",
    "test_nothing_of_yours",
    "test_notebook",
    "test_peers",
    "test_recorder",
    "test_restore",
    "test_safety",
    "test_schema_differences",
    "test_tables",
    "test_take_home",
    "test_timing_runs",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough",
        action="store_true",
        help="run all tests, also those that repeat another one or take long",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Session level, unless the command line has named a strategy: one named here would override it.
    manager = config.pluginmanager
    manager.import_plugin("project.defaults")
    if not any(manager.hasplugin(f"project.testing.{strategy}") for strategy in STRATEGIES):
        manager.import_plugin("project.testing.session_level")
    config.addinivalue_line("filterwarnings", "error")
    config.addinivalue_line("markers", "slow: no part of `make quick`")
    config.addinivalue_line("markers", "thorough: part of `make thorough` only")
    config.addinivalue_line("markers", "each_strategy: not in turn, see in_turn")
    # A shell has its background jobs ignore an interrupt, and nohup a closed terminal: so would
    # all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if config.getoption("numprocesses", None) and os.environ.get("POSTGRES_DSN"):
        raise pytest.UsageError(
            "The tests compare a server's databases before and after. On the server that"
            " POSTGRES_DSN names they can't run in several processes: leave out -n."
        )
    # Taken out of the environment, for the pytest runs that tests start are no workers.
    if os.environ.pop("PYTEST_XDIST_WORKER", None):
        serve_this_worker()


def in_turn(items: list[pytest.Item]) -> set[pytest.Item]:
    """Those that ask of another strategy what one asks that stays.

    A test's name says which one stays, so that it's the same in each run. All stay where they are
    marked `each_strategy`, for they are to differ there or protect what matters most, and where one
    or two strategies are asked.
    """
    properties = defaultdict(list)
    for item in items:
        strategy = item.callspec.params.get("strategy") if hasattr(item, "callspec") else None
        if strategy in STRATEGIES and not item.get_closest_marker("each_strategy"):
            properties[item.nodeid.replace(strategy, "…")].append(item)
    repeated: set[pytest.Item] = set()
    for name, alike in properties.items():
        if len(alike) > 2:
            repeated |= {*alike} - {alike[crc32(name.encode()) % len(alike)]}
    return repeated


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Tests that are named on the command line run, in whole or in part: who asks for a strategy
    # with -k means all that is asked of it.
    named = config.getoption("keyword") or any("::" in name for name in config.args)
    if not config.getoption("--thorough") and not named:
        left = in_turn(items) | {it for it in items if it.get_closest_marker("thorough")}
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
        # Not in pyproject.toml: readers run this project's tests without the plugin, too.
        if config.pluginmanager.hasplugin("timeout") and not item.get_closest_marker("timeout"):
            seconds = SECONDS_OF_NOTEBOOK if item.name.startswith(NOTEBOOK) else SECONDS
            item.add_marker(pytest.mark.timeout(seconds))
    # The longest first: a worker begins with its part of the list, and takes from others' then.
    longest = [item for item in items if item.name.startswith(LONGEST)]
    others = [item for item in items if item not in longest]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    share = -(-len(others) // workers)
    items[:] = [
        item
        for worker in range(workers)
        for part in (longest[worker::workers], others[worker * share : (worker + 1) * share])
        for item in part
    ]


def in_memory() -> str | None:
    """A folder that needs no disk, for servers that make and drop databases by the hundred."""
    with suppress(OSError):
        if shutil.disk_usage("/dev/shm").free > 2**31 and os.access("/dev/shm", os.W_OK):
            return "/dev/shm"
    return None


def serve_this_worker() -> None:
    """Give a pytest-xdist worker a server of its own, so that it meets no other's databases.

    And a folder for all temporary ones beside it: no server of a test's or a notebook's needs the
    disk.
    """
    folder = Path(tempfile.mkdtemp(dir=in_memory()))
    temporary = folder / "tmp"
    temporary.mkdir()
    for place, mode in ((folder, 0o755), (temporary, 0o1777)):
        place.chmod(mode)  # where root runs the tests, the server is another user's
    os.environ |= {"PROJECT_POSTGRES_DIR": str(folder), "TMPDIR": str(temporary)}
    tempfile.tempdir = None  # or it would be the one that was asked for before
    # Exit functions run last in, first out: the server's own, which stops it, comes before.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


@pytest.fixture
def original_dsn(os_environ_patch: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new database to be some run's original, on the server of this run."""
    # The process id: another run on the same server has its own.
    name = f"original_of_{request.node.originalname}"[:42] + f"_{os.getpid()}"
    with database(os.environ["POSTGRES_DSN_ORIGINAL"], name) as dsn:
        yield dsn


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter: where root runs the tests, the server's user must."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def password_server() -> Iterator[Server]:
    """A server over TCP and a socket, with a password."""
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        Path(folder).chmod(0o755)
        with running_server(Path(folder)) as server:
            yield server


@pytest.fixture(scope="session")
def password_dsn(password_server: Server) -> str:
    """The DSN of a superuser on a server over TCP with a password."""
    return password_server.url.render_as_string(hide_password=False)
