"""What `make test` leaves out of `make thorough`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from project.testing import STRATEGIES

ROOT = Path(__file__).parents[1]
FILES = ("tests/test_strategies.py", "tests/test_nothing_of_yours.py", "tests/test_isolation.py")
SOURCE = "\n".join((ROOT / file).read_text() for file in FILES)
MARKED = set(re.findall(r"^@pytest\.mark\.thorough\n(?:[@ )\]].*\n)*def (\w+)", SOURCE, re.M))


def collected(*options: str) -> set[str]:
    """The tests of these files that pytest would run."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return {line for line in done.stdout.splitlines() if "::" in line}


def functions(tests: set[str]) -> set[str]:
    return {test.partition("::")[2].partition("[")[0] for test in tests}


@pytest.mark.slow
def test_each_test_has_its_turn() -> None:
    """All but those that are marked, under one strategy, and some under each."""
    usual, thorough = collected(*FILES), collected(*FILES, "--thorough")
    assert usual < thorough
    assert MARKED
    assert functions(thorough) - functions(usual) == MARKED
    assert all(any(strategy in test for test in usual) for strategy in STRATEGIES)
    one = min(thorough - usual)
    assert collected(one) == {one}, "a test that is named runs"
    assert collected(*FILES, "-k", "rollback") == {it for it in thorough if "rollback" in it}
