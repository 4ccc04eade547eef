"""`--report-leaks`: which tests have left more than rows behind, and what it was."""

from collections.abc import Callable

import pytest

LEAKS = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--report-leaks`."""
    parser.getgroup("test database").addoption(
        "--report-leaks",
        action="store_true",
        help="list the tests that have left more than rows in the test database, and what",
    )


@pytest.fixture(scope="session")
def _clean_db_note_leak(pytestconfig: pytest.Config) -> Callable[[str, list[str]], None] | None:
    """Return what notes the changes that a test has left. None, unless they are asked for."""
    if not pytestconfig.getoption("report_leaks"):
        return None

    def note(test: str, changes: list[str]) -> None:
        line = f"{test} {', '.join(changes)}"
        if hasattr(pytestconfig, "workeroutput"):
            pytestconfig.workeroutput.setdefault("leaks", []).append(line)
        else:
            pytestconfig.stash.setdefault(LEAKS, []).append(line)

    return note


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over from a pytest-xdist worker what its tests have left."""
    leaks = getattr(node, "workeroutput", {}).get("leaks", [])
    node.config.stash.setdefault(LEAKS, []).extend(leaks)  # type: ignore[attr-defined]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """List what was noted."""
    if config.getoption("report_leaks"):
        leaks: list[str] = config.stash.get(LEAKS, [])
        terminalreporter.section("what tests left behind, besides rows")
        for line in sorted(leaks) or ["nothing"]:
            terminalreporter.write_line(line)
