"""The recorder, on real pytest sessions: what it says of a failure, and of a test's time."""

from math import isnan
from pathlib import Path

from project.timing.figures import shares
from tests.runs import record, suite

TESTS = suite("recorder/tests.py")


UNDERSCORE = suite("recorder/underscore.py")


def test_a_failure_is_recorded_with_its_phase_and_its_reason(tmp_path: Path) -> None:
    assert record(tmp_path, TESTS).failures == {
        "test_fails": "call: assert 2 == 1",
        "test_faulty": "teardown: AssertionError: left something behind",
    }


def test_a_tests_time_is_shared_out_and_the_dearest_part_comes_first(tmp_path: Path) -> None:
    table = shares(record(tmp_path, TESTS, "-k", "test_passes"))
    assert list(table.index) == ["slow", "the test itself", "faulty"]
    assert 99 <= table.share.str.removesuffix("%").astype(int).sum() <= 101


def test_a_fixture_is_recorded_whatever_its_name(tmp_path: Path) -> None:
    recorded = [span.name for span in record(tmp_path, UNDERSCORE).fixtures]
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
    recorder = record(tmp_path, tests)
    assert recorder.failures == {"test_it": "call: ValueError: in the test"}


def test_a_fixture_that_fails_in_its_set_up_costs_what_it_took(tmp_path: Path) -> None:
    tests = """
import time

import pytest


@pytest.fixture(scope="module")
def breaks():
    time.sleep(0.04)
    raise RuntimeError("in the set-up")


def test_it(breaks):
    pass
"""
    recorder = record(tmp_path, tests)
    (fixture,), (test,) = recorder.fixtures, recorder.tests
    assert 0.04 <= fixture.set_up < 0.4
    assert fixture.tear_down == 0
    assert isnan(test.ready)
    assert "nan" not in shares(recorder).to_string().lower()
