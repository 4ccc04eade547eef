"""The recorder, on real pytest sessions: what it says of a failure, and of a test's time."""

import re
from pathlib import Path

import pytest

from project.timing.recorder import Recorder
from project.timing.tables import shares

TESTS = """
import time

import pytest


@pytest.fixture
def slow():
    time.sleep(0.04)
    yield
    time.sleep(0.02)


@pytest.fixture
def faulty(request):
    yield
    assert "faulty" not in request.node.name, "left something behind"


def test_passes(slow, faulty):
    time.sleep(0.01)


def test_fails(faulty):
    assert 2 == 1


def test_faulty(faulty):
    pass
"""


UNDERSCORE = """
import pytest


@pytest.fixture
def _does_the_work():
    pass


def test_uses_it(_does_the_work):
    pass
"""


def record(folder: Path, *options: str, tests: str = TESTS) -> Recorder:
    file = folder / f"{folder.name}.py"  # named for the test: importlib keeps modules by name
    file.write_text(tests)
    recorder = Recorder()
    here = ["--rootdir", str(folder), "--import-mode=importlib"]
    plain = ["-p", "no:cacheprovider", "-p", "no:asyncio"]
    pytest.main([*here, *plain, *options, str(file)], [recorder])
    return recorder


def test_a_failure_is_recorded_with_its_phase_and_its_reason(tmp_path: Path) -> None:
    assert record(tmp_path).failures == {
        "test_fails": "call: assert 2 == 1",
        "test_faulty": "teardown: AssertionError: left something behind",
    }


def test_a_tests_time_is_shared_out_and_the_dearest_part_comes_first(tmp_path: Path) -> None:
    rows = shares(record(tmp_path, "-k", "test_passes")).rows
    assert [row[0] for row in rows] == ["slow", "the test itself", "faulty"]
    percents = [int(re.sub("%", "", row[-1])) for row in rows]
    assert 99 <= sum(percents) <= 101


def test_a_fixture_is_recorded_whatever_its_name(tmp_path: Path) -> None:
    recorded = [span.name for span in record(tmp_path, tests=UNDERSCORE).fixtures]
    assert recorded == ["_does_the_work"]


def test_of_several_failures_the_first_is_kept(tmp_path: Path) -> None:
    tests = """
import pytest


@pytest.fixture
def breaks():
    yield
    raise RuntimeError("in the tear-down")


def test_it(breaks):
    raise ValueError("in the test")
"""
    recorder = record(tmp_path, tests=tests)
    assert recorder.failures == {"test_it": "call: ValueError: in the test"}
