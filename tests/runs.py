"""Runs of pytest in processes of their own, judged by their exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PYTEST_INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"


def plugins(strategy: str) -> list[str]:
    """The options that run a test file under a strategy, with this project's defaults."""
    return ["-p", "project.defaults", "-p", f"project.testing.{strategy}"]


def start(
    folder: Path, strategy: str, dsn: str, source: str, *arguments: str, **environment: str
) -> subprocess.Popen[str]:
    """Start pytest on a test file in a folder outside the repo, under a strategy."""
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text(PYTEST_INI)
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *plugins(strategy), *arguments],
        cwd=folder,
        env=os.environ | {"POSTGRES_DSN": dsn} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


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
