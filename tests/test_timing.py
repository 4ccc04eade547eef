"""The arithmetic of project.timing, on sessions made up here and on recorded sleeps."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from project.timing import report
from project.timing.plots import draw_costs, draw_growth
from project.timing.recorder import Recorder, Span
from project.timing.results import (
    Comparison,
    Cost,
    FailedSessionError,
    Per,
    Phase,
    Session,
    Spread,
    in_all,
)
from project.timing.session_plugin import costs_of
from project.timing.workload import Workload

SLEEPS = """
import time

import pytest

@pytest.fixture(scope="session")
def create_test_db():
    time.sleep(0.08)
    yield
    time.sleep(0.02)

@pytest.fixture
def migrate_db(create_test_db):
    time.sleep(0.06)
    yield
    time.sleep(0.02)

@pytest.fixture
def inner():
    time.sleep(0.06)

@pytest.fixture
def db(migrate_db, request):
    request.getfixturevalue("inner")
    time.sleep(0.02)

@pytest.mark.parametrize("number", range(3))
def test_sleep(db, number):
    time.sleep(0.04)
"""


def cost(what: str, phase: Phase, per: Per, times: int, each: float) -> Cost:
    return Cost(what, phase, per, times, times * each, each)


def session(
    strategy: str, per_test: float, workload: Workload, number: int = 0, once: float = 1.0
) -> Session:
    """A session whose tests cost their strategy `per_test` and take twice that themselves."""
    tests = workload.tests
    costs = [
        cost("create_test_db", "set-up", "session", 1, once),
        cost("migrate_db", "set-up", "test", tests, per_test / 2),
        cost("(connection)", "test", "test", 2 * tests, per_test / 4),
        cost("product_fixture", "set-up", "test", tests, per_test),
        cost("(test)", "test", "test", tests, per_test),
    ]
    seconds = 10 + once + 3 * per_test * tests
    return Session(strategy, workload, number, seconds, {"passed": tests}, costs)


def comparison(per_test: dict[str, list[float]], workload: Workload | None = None) -> Comparison:
    """A comparison with a session of each strategy for each of its values, a round for each."""
    sessions = [
        session(strategy, value, workload or Workload(10), number)
        for strategy, values in per_test.items()
        for number, value in enumerate(values)
    ]
    return Comparison(sessions, {"PostgreSQL": "18"}, "a command")


def seconds_of(costs: list[Cost], what: str, phase: Phase) -> float:
    return next(cost.each for cost in costs if (cost.what, cost.phase) == (what, phase))


def test_recorded_sleeps_keep_their_ratios(tmp_path: Path) -> None:
    (tmp_path / "test_sleep.py").write_text(SLEEPS)
    (tmp_path / "conftest.py").touch()
    plugin = ["-p", "project.timing.session_plugin", "--costs-to", "costs.json"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugin]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    recorded = json.loads((tmp_path / "costs.json").read_text())
    costs = [Cost(**cost) for cost in recorded["costs"]]

    assert recorded["outcomes"] == {"passed": 3}
    unit = seconds_of(costs, "migrate_db", "tear-down")  # slept 0.02 s; what is held against it:
    assert 3 / 2 < seconds_of(costs, "migrate_db", "set-up") / unit < 3 * 2
    assert 4 / 2 < seconds_of(costs, "create_test_db", "set-up") / unit < 4 * 2
    assert 2 / 2 < seconds_of(costs, "(test)", "test") / unit < 2 * 2
    # A fixture made within another's set-up is counted there, and not in the other.
    assert seconds_of(costs, "inner", "set-up") > seconds_of(costs, "db", "set-up")
    assert {c.what: (c.per, c.times) for c in costs if c.phase != "tear-down"} == {
        "create_test_db": ("session", 1),
        "migrate_db": ("test", 3),
        "inner": ("test", 3),
        "db": ("test", 3),
        "(test)": ("test", 3),
    }


def recorded(tests: int) -> Recorder:
    """Tests of ten seconds: `db` 1, `product_fixture` 4, the body 3, `db` closed 1; one between."""
    recorder = Recorder()
    for start in range(0, 10 * tests, 10):
        recorder.spans += [
            Span("test", "test", "function", start, start + 5, start + 8, start + 9),
            Span("db", "fixture", "function", start, start + 1, start + 8, start + 9),
            Span("product_fixture", "fixture", "function", start + 1, start + 5),
        ]
    return recorder


def test_a_connection_is_taken_out_of_the_fixture_that_opened_it() -> None:
    costs = costs_of(recorded(2), [(1.5, 3.5), (11.5, 13.5)])
    assert cost("(connection)", "set-up", "test", 2, 2.0) in costs
    assert cost("product_fixture", "set-up", "test", 2, 2.0) in costs
    assert cost("(test)", "test", "test", 2, 3.0) in costs


def test_a_connection_that_tests_share_is_paid_once() -> None:
    costs = costs_of(recorded(2), [(1.5, 3.5)])
    assert cost("(connection)", "set-up", "session", 1, 2.0) in costs


def test_a_migration_keeps_its_connections() -> None:
    recorder = Recorder()
    recorder.spans.append(Span("migrate_db", "fixture", "function", 0, 4, 5, 6))
    costs = costs_of(recorder, [(1, 2)])
    assert costs == [
        cost("migrate_db", "set-up", "test", 1, 4),
        cost("migrate_db", "tear-down", "test", 1, 1),
    ]


def test_a_fixture_that_failed_has_no_cost() -> None:
    recorder = Recorder()
    recorder.spans.append(Span("db", "fixture", "function", 0, float("nan")))
    assert costs_of(recorder) == []


def test_each_cost_belongs_to_a_part() -> None:
    parts = {
        ("create_test_db", "tear-down"): "creating",
        ("migrate_db", "tear-down"): "migrating",
        ("db", "set-up"): "connecting",
        ("db", "tear-down"): "cleaning",
        ("(connection)", "test"): "connecting",
        ("product_fixture", "set-up"): "data",
        ("more_rows", "set-up"): "data",
        ("(test)", "test"): "test",
        ("template", "set-up"): "other",
    }
    for (what, phase), part in parts.items():
        assert cost(what, phase, "test", 1, 1.0).part == part  # type: ignore[arg-type]


def test_a_strategy_pays_for_its_fixtures_and_connections_alone() -> None:
    one = session("a", 0.4, Workload(10))
    assert one.each() == pytest.approx(0.4)
    assert one.each("connecting") == pytest.approx(0.2)
    assert one.each("data") == pytest.approx(0.4)
    assert one.once() == pytest.approx(1.0)
    assert one.all_of("set-up") == pytest.approx(0.2 + 0.4)
    assert in_all(one) == pytest.approx(1.0 + 10 * 0.4)


def test_rounds_give_a_median_and_a_range() -> None:
    found = comparison({"a": [0.5, 0.9, 0.4], "b": [0.1, 0.1, 0.2]})
    workload = found.workloads[0]
    assert found.spread("a", workload) == pytest.approx(Spread(0.5, 0.4, 0.9))
    assert found.ratio("a", "b", workload) == pytest.approx(Spread(5, 2, 9))
    assert (found.strategies, found.rounds) == (["a", "b"], 3)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([0.5, 0.55, 0.45], [0.1, 0.1, 0.1], "a costs 5 times as much per test as b"),
        ([0.1, 0.1, 0.1], [0.5, 0.55, 0.45], "b costs 5 times as much per test as a"),
        ([46.2, 47.1, 45.9], [0.1, 0.1, 0.1], "(460 to 470 times in 3 rounds)"),
        ([0.5, 0.9, 0.3], [0.1, 0.1, 0.1], "too far apart for a figure"),
        ([0.1, 0.1, 0.2], [0.1, 0.11, 0.1], "can't be put in order"),
        ([0.5, 0.5], [0.1, 0.1], "Fewer than three rounds show nothing"),
    ],
)
def test_the_verdict_says_no_more_than_the_rounds_do(
    a: list[float], b: list[float], said: str
) -> None:
    (verdict,) = report.verdicts(comparison({"a": a, "b": b}))
    assert said in verdict


def growing() -> Comparison:
    """Strategy `steep` costs 1 s and 0.2 s a test, `flat` 3 s and 0.1 s: even at 20 tests."""
    sessions = [
        session(strategy, each, Workload(tests), number, once)
        for number in range(3)
        for tests in (10, 20, 40)
        for strategy, each, once in (("steep", 0.2, 1.0), ("flat", 0.1, 3.0))
    ]
    return Comparison(sessions, {})


def test_a_line_gives_the_cost_of_a_session_and_of_a_test() -> None:
    line = growing().fit("steep", "tests", in_all)
    assert (line.slope, line.intercept) == pytest.approx((0.2, 1.0))
    assert line.r_squared == pytest.approx(1)
    assert line.at(100) == pytest.approx(21)
    assert not line.slope_may_be_zero
    assert report.break_even(growing(), "steep", "flat") == pytest.approx(20)


def test_a_slope_that_changes_its_sign_may_be_zero() -> None:
    sessions = [
        session("a", each, Workload(10, revisions), number)
        for number, values in enumerate([(0.1, 0.2), (0.2, 0.1)])
        for revisions, each in zip((2, 20), values, strict=True)
    ]
    assert Comparison(sessions, {}).fit("a", "revisions").slope_may_be_zero


def test_growth_is_along_one_size_alone() -> None:
    sizes = [(2, 2), (20, 2), (20, 20), (2, 20), (10, 2)]
    found = Comparison([session("a", 0.1, Workload(10, r, t)) for r, t in sizes], {})
    assert [w.revisions for w in found.along("revisions")] == [2, 10, 20]
    assert [w.tables for w in found.along("tables")] == [2, 20]
    with pytest.raises(ValueError, match="two values of rows"):
        found.fit("a", "rows")


def test_a_failed_session_has_a_reason_and_no_figure() -> None:
    workload = Workload(10)
    fast = Session("fast", workload, 0, 0.1, {"failed": 10}, [], "0 of 10 tests passed: E  no")
    sessions = [fast, *(session("slow", 0.5, workload, number) for number in range(3))]
    found = Comparison(sessions, {})
    with pytest.raises(FailedSessionError, match=r"fast, 10 tests.*0 of 10 tests passed"):
        found.spread("fast", workload)
    with pytest.raises(FailedSessionError):
        found.ratio("slow", "fast", workload)
    table = report.summary(found)
    assert [row[:2] for row in table.rows] == [
        ["fast", "failed: 0 of 10 tests passed: E  no"],
        ["slow", "500 ms"],
    ]
    assert report.verdicts(found) == ["fast failed: 0 of 10 tests passed: E  no"]
    slower = [session("slower", 0.9, workload, number) for number in range(3)]
    three = Comparison([*sessions, *slower], {})
    assert draw_costs(three).get_suptitle() == "slow costs least per test"


def test_recording_costs_what_it_adds_to_a_bare_run() -> None:
    bare = [Session("a", Workload(10), 0, seconds, bare_seconds=10.0) for seconds in (10.1, 10.3)]
    added = report.overhead(Comparison(bare, {}))
    assert (added.median, added.low, added.high) == pytest.approx((0.02, 0.01, 0.03))
    with pytest.raises(ValueError, match="bare=True"):
        report.overhead(growing())


def test_a_comparison_survives_its_file(tmp_path: Path) -> None:
    found = comparison({"a": [0.5, 0.25], "b": [0.125, 0.5]}, Workload(10, 3, 4, 5))
    found.save(tmp_path / "times.json")
    assert Comparison.load(tmp_path / "times.json") == found


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sessions": [{"a": 1}]}', '{"sessions": 1}'])
def test_another_file_is_no_comparison(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"other\.json doesn't hold a comparison"):
        Comparison.load(file)


def test_reports_and_pictures_hold_every_strategy() -> None:
    found = growing()
    text = report.report(found)
    for workload in found.workloads:
        assert str(workload) in text
    assert "for each test" in text
    assert [row[0] for row in report.suites(found).rows] == ["steep", "flat"]
    assert len(draw_costs(found).axes) == len(found.workloads)
    assert len(draw_growth({"yours": found, "kept": found}, "tests", "A finding").axes) == 2


def test_a_report_leaves_out_the_strategy_that_failed() -> None:
    failed = [
        Session("failed", workload, number, 0.1, {"failed": 1}, [], "one test failed")
        for number in range(3)
        for workload in growing().workloads
    ]
    found = Comparison([*growing().sessions, *failed], {})
    assert "failed: one test failed" in report.report(found)
    assert [row[0] for row in report.lines(found).rows] == ["steep", "flat"]
    assert [row[0] for row in report.suites(found).rows] == ["steep", "flat"]


def test_every_size_has_a_unit() -> None:
    assert list(report.UNITS) == [field.name for field in fields(Workload)]


def test_a_picture_claims_only_what_every_round_says() -> None:
    last = {"dear": 0.9, "a": 0.2, "b": 0.1}
    found = comparison({name: [value, value] for name, value in last.items()}, Workload(10))
    assert draw_costs(found).get_suptitle() == "b costs least per test"
    found = comparison({"dear": [0.9, 0.9], "a": [0.2, 0.1], "b": [0.1, 0.2]}, Workload(10))
    assert draw_costs(found).get_suptitle() == "dear costs most per test"
    found = comparison({"a": [0.2, 0.1], "b": [0.1, 0.2]}, Workload(10))
    assert draw_costs(found).get_suptitle() == "What a test costs"
