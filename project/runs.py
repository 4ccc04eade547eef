"""Runs pytest under an isolation strategy, in a process of its own, as a shell does."""

import importlib.util
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

STRATEGIES = "project.testing"
# Another project's options and plugins, and the name of the worker that starts this.
LEFT_OUT = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER")
SECONDS_TO_CLEAN_UP = 10


def module_of(strategy: str) -> str:
    """Return the module that a strategy's name stands for: with a dot in it, any module.

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


def options_for(module: str) -> list[str]:
    """Return pytest's options for a session under a strategy, with this project's defaults."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]  # slow to load
    if "PYTEST_DISABLE_PLUGIN_AUTOLOAD" in os.environ:
        options += ["-p", "asyncio"]
    return [*options, "-p", "project.defaults", "-p", module]


def run_pytest(
    folder: Path, module: str, dsn: str, *arguments: str, seconds: float | None = None
) -> tuple[int, str]:
    """Run pytest in a folder, with this project's defaults; return its exit status and output.

    An interrupt is handed on, so that the session can drop its database.

    Args:
        folder: where it runs.
        module: the strategy's plugin.
        dsn: the original database.
        arguments: more options, and the tests.
        seconds: how long it may take. By default as long as it takes.

    Raises:
        subprocess.TimeoutExpired: it took too long.
    """
    environment = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options_for(module), *arguments],
        cwd=folder,
        env=environment | {"POSTGRES_DSN": dsn},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except BaseException:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_CLEAN_UP)
        process.kill()
        raise
    return process.returncode, output


def reason(output: str) -> str:
    """Return the line of pytest's output that says best why a session failed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for start in ("E ", "Exit:", "!", "ERROR", "FAILED", "ImportError"):
        for line in lines:
            if line.lstrip("_ ").startswith(start):
                return line
    return lines[-1] if lines else "no output"
