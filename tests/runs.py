"""Runs of pytest in processes of their own, judged by their exit status."""

import os
import subprocess
from pathlib import Path

import pytest

from project.timing.recorder import Recorder
from tests import forked

Process = forked.Run | subprocess.Popen[str]

PYTEST_INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"


def plugins(strategy: str) -> list[str]:
    """The options that run a test file under a strategy, with this project's defaults."""
    return ["-p", "project.defaults", "-p", f"project.testing.{strategy}"]


def start(
    folder: Path, strategy: str, dsn: str, source: str, *arguments: str, **environment: str
) -> Process:
    """Start pytest on a test file in a folder outside the repo, under a strategy."""
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text(PYTEST_INI)
    environment = os.environ | {"POSTGRES_DSN": dsn} | environment
    return forked.start(folder, [*plugins(strategy), *arguments], environment)


def run(
    folder: Path,
    strategy: str,
    dsn: str,
    source: str,
    *arguments: str,
    status: int = pytest.ExitCode.OK,
    **environment: str,
) -> str:
    """Run a test file to its end, and see that it ends with a status; return what it said."""
    process = start(folder, strategy, dsn, source, *arguments, **environment)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == status, said
    return said


def record(folder: Path, source: str, *options: str) -> Recorder:
    """Run a test file without a database, in this process; return what was recorded."""
    file = folder / f"{folder.name}.py"  # named for the test: importlib keeps modules by name
    file.write_text(source)
    recorder = Recorder()
    here = ["--rootdir", str(folder), "--import-mode=importlib", "--noconftest"]
    plain = ["-p", "no:cacheprovider", "-p", "no:asyncio"]
    pytest.main([*here, *plain, *options, str(file)], [recorder])
    return recorder
