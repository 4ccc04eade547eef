"""`--keep-test-db`: a failed test's database stays for a look, and the run says how to open it."""

from collections.abc import Callable

import pytest

from .names import DsnPair, psql_command

KEPT = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--keep-test-db`."""
    parser.getgroup("test database").addoption(
        "--keep-test-db",
        action="store_true",
        help="stop at the first failure, keep the test database as the failed test left it,"
        " and show how to open it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have a run that keeps its database stop at the first failure: the next test would use it."""
    if config.getoption("keep_test_db", False):
        config.option.maxfail = 1


@pytest.fixture(scope="session")
def keep_test_db(request: pytest.FixtureRequest, dsn_pair: DsnPair) -> Callable[[], bool]:
    """Return a function that tells whether the test database stays as it is."""

    def keep() -> bool:
        config = request.config
        kept = bool(config.getoption("keep_test_db", False)) and request.session.testsfailed > 0
        if kept:
            command = psql_command(dsn_pair.test)
            config.stash[KEPT] = [command]
            if hasattr(config, "workeroutput"):
                config.workeroutput["kept"] = command
        return kept

    return keep


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over from a pytest-xdist worker which database it has kept."""
    kept = getattr(node, "workeroutput", {}).get("kept")
    if kept:
        node.config.stash.setdefault(KEPT, []).append(kept)  # type: ignore[attr-defined]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show how to open the database that was kept."""
    for command in config.stash.get(KEPT, []):
        terminalreporter.write_line(f"The test database stays until the next run: {command}")
