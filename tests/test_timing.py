"""The arithmetic of project.timing, on sessions made up here and on the kept run."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from project.timing import figures
from project.timing import recorder as recorder_module
from project.timing.compare import COLUMNS, RUN, comparison, load, save
from project.timing.plots import STYLES, draw_costs, draw_growth, draw_overview
from project.timing.recorder import Recorder, Span, costs_of
from tests.runs import record, suite

KEPT = Path(figures.__file__).with_name("kept.json")

SLEEPS = suite("timing/sleeps.py")


def cost(what: str, phase: str, per: str, times: int, each: float) -> dict[str, Any]:
    costs = {"what": what, "phase": phase, "per": per, "times": times}
    return {**costs, "seconds": times * each, "each": each}


def session(
    strategy: str,
    per_test: float,
    number: int = 0,
    *,
    tests: int = 10,
    revisions: int = 2,
    once: float = 1.0,
    error: str = "",
) -> pd.DataFrame:
    """A session whose tests cost their strategy `per_test` and take twice that themselves."""
    costs = [
        cost(RUN, "run", "run", 1, 10 + once + 3 * per_test * tests),
        cost("create_test_db", "set-up", "session", 1, once),
        cost("migrate_db", "set-up", "test", tests, per_test / 2),
        cost("(connection)", "test", "test", 2 * tests, per_test / 4),
        cost("product_fixture", "set-up", "test", tests, per_test),
        cost("(test)", "test", "test", tests, per_test),
    ]
    key = {"strategy": strategy, "tests": tests, "revisions": revisions, "tables": 2}
    rest = {"round": number, "passed": 0 if error else tests, "error": error}
    return pd.DataFrame([{**key, **rest, **cost} for cost in costs], columns=COLUMNS)


def joined(*sessions: pd.DataFrame) -> pd.DataFrame:
    return comparison(pd.concat(sessions, ignore_index=True), environment={"PostgreSQL": "18"})


def rounds(**per_test: list[float]) -> pd.DataFrame:
    """A comparison with a session of each strategy for each of its values, a round for each."""
    return joined(
        *(session(name, v, n) for name, values in per_test.items() for n, v in enumerate(values))
    )


def growing() -> pd.DataFrame:
    """Strategy `steep` costs 1 s and 0.2 s a test, `flat` 3 s and 0.1 s: even at 20 tests."""
    return joined(
        *(
            session(strategy, each, number, tests=tests, once=once)
            for number in range(3)
            for tests in (10, 20, 40)
            for strategy, each, once in (("steep", 0.2, 1.0), ("flat", 0.1, 3.0))
        )
    )


def seconds_of(costs: list[dict[str, Any]], what: str, phase: str) -> float:
    return float(next(c["each"] for c in costs if (c["what"], c["phase"]) == (what, phase)))


def test_each_sleep_is_charged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only a sleep moves on, however busy the machine is."""
    slept = [0.0]
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(recorder_module, "time", SimpleNamespace(perf_counter=lambda: sum(slept)))
    recorder = record(tmp_path, SLEEPS)
    costs = costs_of(recorder)

    assert set(recorder.outcomes.values()) == {"passed"}
    assert seconds_of(costs, "create_test_db", "set-up") == pytest.approx(0.08)
    assert seconds_of(costs, "migrate_db", "set-up") == pytest.approx(0.06)
    assert seconds_of(costs, "migrate_db", "tear-down") == pytest.approx(0.02)
    assert seconds_of(costs, "(test)", "test") == pytest.approx(0.04)
    # A fixture made within another's set-up is counted there, and not in the other.
    assert seconds_of(costs, "inner", "set-up") == pytest.approx(0.06)
    assert seconds_of(costs, "db", "set-up") == pytest.approx(0.02)
    assert {c["what"]: (c["per"], c["times"]) for c in costs if c["phase"] != "tear-down"} == {
        "create_test_db": ("session", 1),
        "of_the_module": ("session", 1),
        "of_the_class": ("session", 3),
        "migrate_db": ("test", 3),
        "inner": ("test", 3),
        "db": ("test", 3),
        "(test)": ("test", 3),
    }
    # What isn't paid for each test is paid per session, whatever the scope is called.
    (once,) = figures.sessions(figures.recorded({"this": [recorder]})).once
    assert once == pytest.approx(0.08 + 0.02 + 0.06 + 3 * 0.04)


def recorded(tests: int, *connections: tuple[float, float]) -> Recorder:
    """Tests of ten seconds: `db` 1, `product_fixture` 4, the body 3, `db` closed 1; one between."""
    recorder = Recorder(connections=list(connections))
    for start in range(0, 10 * tests, 10):
        recorder.spans += [
            Span("test", "test", "function", start, start + 5, start + 8, start + 9),
            Span("db", "fixture", "function", start, start + 1, start + 8, start + 9),
            Span("product_fixture", "fixture", "function", start + 1, start + 5),
        ]
    return recorder


def test_a_connection_is_taken_out_of_the_fixture_that_opened_it() -> None:
    costs = costs_of(recorded(2, (1.5, 3.5), (11.5, 13.5)))
    assert cost("(connection)", "set-up", "test", 2, 2.0) in costs
    assert cost("product_fixture", "set-up", "test", 2, 2.0) in costs
    assert cost("(test)", "test", "test", 2, 3.0) in costs


def test_a_connection_that_tests_share_is_paid_once() -> None:
    costs = costs_of(recorded(2, (1.5, 3.5)))
    assert cost("(connection)", "set-up", "session", 1, 2.0) in costs


def test_a_migration_keeps_its_connections() -> None:
    spans = [Span("migrate_db", "fixture", "function", 0, 4, 5, 6)]
    assert costs_of(Recorder(spans=spans, connections=[(1, 2)])) == [
        cost("migrate_db", "set-up", "test", 1, 4),
        cost("migrate_db", "tear-down", "test", 1, 1),
    ]


def test_what_an_interrupt_cut_short_has_no_cost() -> None:
    spans = [Span("db", "fixture", "function", 0, float("nan"))]
    assert costs_of(Recorder(spans=spans)) == []


def test_each_cost_belongs_to_a_part() -> None:
    parts = {
        ("create_test_db", "tear-down"): "creating the database",
        ("migrate_db", "tear-down"): "migrating",
        ("db", "set-up"): "connecting",
        ("db", "tear-down"): "cleaning and closing",
        ("(connection)", "test"): "connecting",
        ("product_fixture", "set-up"): "the test's data",
        ("(test)", "test"): "the test itself",
        ("template", "set-up"): "other fixtures",
    }
    found = comparison(
        pd.DataFrame([dict.fromkeys(COLUMNS, "") | {"what": w, "phase": p} for w, p in parts])
    )
    assert list(found.part) == list(parts.values())


def test_a_strategy_pays_for_its_fixtures_and_connections_alone() -> None:
    found = rounds(a=[0.4])
    (one,) = figures.sessions(found).to_dict("records")
    assert one == pytest.approx(
        {"own": 0.4, "whole": 1.2, "once": 1.0, "run": 10 + 1 + 12, "in_all": 1.0 + 10 * 0.4}
    )
    part = figures.by_part(found)["test"].iloc[0]
    assert (part["connecting"], part["the test's data"]) == pytest.approx((0.2, 0.4))


def test_rounds_give_a_median_and_a_range() -> None:
    found = rounds(a=[0.5, 0.9, 0.4], b=[0.1, 0.1, 0.2])
    (own,) = figures.spread(figures.sessions(found).own.loc[["a"]]).values
    assert list(own) == pytest.approx([0.5, 0.4, 0.9])
    (ratio,) = figures.ratios(found, "a", "b").values
    assert list(ratio) == pytest.approx([5, 2, 9])


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([0.5, 0.55, 0.45], [0.1, 0.1, 0.1], "a costs 5.0 times as much per test as b"),
        ([0.1, 0.1, 0.1], [0.5, 0.55, 0.45], "b costs 5.0 times as much per test as a"),
        ([0.5, 0.55, 0.45], [0.1, 0.1, 0.1], "a whole test takes 5.0 times as long"),
        ([46.2, 47.1, 45.9], [0.1, 0.1, 0.1], "(460 to 470 times in 3 rounds)"),
        ([0.5, 0.9, 0.3], [0.1, 0.1, 0.1], "too far apart for a figure"),
        ([0.1, 0.1, 0.2], [0.1, 0.11, 0.1], "can't be put in order"),
        ([0.5, 0.5], [0.1, 0.1], "Fewer than three rounds show nothing"),
    ],
)
def test_the_verdict_says_no_more_than_the_rounds_do(
    a: list[float], b: list[float], said: str
) -> None:
    (verdict,) = figures.verdicts(rounds(a=a, b=b))
    assert said in verdict


def test_both_measures_are_shown() -> None:
    found = rounds(a=[0.5, 0.5, 0.6], b=[0.1, 0.1, 0.1])
    table = figures.summary(found)
    assert table.loc["a", "own cost per test"] == "500 ms (500 to 600)"
    assert table.loc["a", "whole test"] == "1.5 s (1.5 to 1.8)"
    texts = [text.get_text() for text in draw_costs(found).axes[0].texts]
    assert texts[0] == "  1.5 s, own: 500 ms"
    titles = [axis.get_title("left") for axis in draw_overview(found).axes]
    assert titles == ["own cost per test", "whole test"]


def test_two_rounds_make_no_comparison() -> None:
    found = rounds(a=[0.5, 0.6], b=[0.1, 0.1])
    assert figures.summary(found).columns.name == "2 rounds: too few to compare"
    assert draw_costs(found).get_suptitle() == "What a test costs"
    assert figures.break_even(found, "a", "b") == "Fewer than three rounds show nothing."


def test_growth_has_a_slope_for_each_step() -> None:
    found = joined(
        *(
            session("bends", each + 0.01 * number, number, revisions=revisions)
            for number in range(3)
            for revisions, each in ((2, 0.1), (4, 0.2), (8, 0.8))
        )
    )
    table = figures.growth(found, "revisions")
    assert table.loc["bends", "per further revision, 2 to 4"] == "50 ms"
    assert table.loc["bends", "per further revision, 4 to 8"] == "150 ms"
    table = figures.growth(growing(), "tests", "in_all")
    assert table.loc["steep", "per further test, 20 to 40"] == "200 ms"


def test_a_slope_that_changes_its_sign_may_be_none() -> None:
    found = joined(
        *(
            session("a", each, number, revisions=revisions)
            for number, values in enumerate([(0.1, 0.2), (0.2, 0.1), (0.1, 0.1)])
            for revisions, each in zip((2, 20), values, strict=True)
        )
    )
    assert "may be none" in figures.growth(found, "revisions").iloc[0, -1]


def test_growth_is_along_one_size_alone() -> None:
    sizes = [(10, 2), (10, 20), (5, 20), (20, 2), (10, 10)]
    found = joined(*(session("a", 0.1, tests=tests, revisions=r) for tests, r in sizes))
    assert set(figures.along(found, "revisions").revisions) == {2, 10, 20}
    assert set(figures.along(found, "tests").tests) == {10, 20}


@pytest.mark.parametrize(
    ("a", "b", "once", "said"),
    [
        ([0.2] * 3, [0.1] * 3, (1.0, 3.0), "b costs less from about 20 tests on (20 to 20"),
        ([0.1] * 3, [0.2] * 3, (3.0, 1.0), "a costs less from about 20 tests on"),
        ([0.2] * 3, [0.1] * 3, (1.0, 1.25), "b costs less from about 3 tests on"),
        ([0.2] * 3, [0.1] * 3, (3.0, 1.0), "b costs less from the first test on"),
        ([0.1] * 3, [0.1] * 3, (1.0, 3.0), "can't be put in order"),
        ([0.1, 0.2, 0.1], [0.2, 0.1, 0.2], (1.0, 3.0), "can't be put in order"),
    ],
)
def test_break_even_is_no_number_where_there_is_none(
    a: list[float], b: list[float], once: tuple[float, float], said: str
) -> None:
    found = joined(
        *(
            session(name, each, number, once=price)
            for name, values, price in (("a", a, once[0]), ("b", b, once[1]))
            for number, each in enumerate(values)
        )
    )
    assert said in figures.break_even(found, "a", "b")


def test_suites_are_extrapolated_as_a_rounded_range() -> None:
    found = joined(
        *(
            session("a", each, number, tests=tests)
            for number, each in enumerate((0.1, 0.11, 0.104))
            for tests in (10, 20)
        )
    )
    table = figures.suites(found, [50, 5000])
    assert list(table.loc["a"]) == ["26 to 28 s", "25 to 28 min"]


def test_a_failed_session_has_a_reason_and_no_figure() -> None:
    why = "0 of 10 tests passed: E  no"
    slow = [session("slow", 0.5, n) for n in range(3)] + [session("slower", 1, n) for n in range(3)]
    found = joined(session("fast", 0.01, error=why), session("fast", 0.01, 1), *slow)
    assert figures.sessions(found).loc["fast"].isna().all(axis=None)
    assert figures.sessions(found, failed=True).loc["fast"].notna().all(axis=None)
    assert list(figures.summary(found).loc["fast"]) == ["failed", "", "", ""]
    assert figures.verdicts(found)[0] == f"fast failed: {why}"
    assert len(figures.verdicts(found)) == 2
    picture = draw_costs(found)
    assert picture.get_suptitle() == "slow costs least per test"
    assert " failed" in [text.get_text() for text in picture.axes[0].texts]
    assert "fast" not in picture.alt
    more = joined(found, session("slow", 1, tests=20), session("fast", 1, tests=20, error=why))
    assert list(figures.growth(more, "tests").index) == ["slow"]
    assert "fast failed" in figures.report(found)


def test_a_comparison_survives_its_file(tmp_path: Path) -> None:
    found = rounds(a=[0.5, 0.25], b=[0.125, 0.5])
    found.attrs["command"] = "a command"
    save(found, tmp_path / "times.json")
    again = load(tmp_path / "times.json")
    pd.testing.assert_frame_equal(again, found)
    assert again.attrs == found.attrs


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"rows": [[1]], "columns": ["a"]}', '{"rows": 1}']
)
def test_another_file_is_no_comparison(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"other\.json doesn't hold a comparison"):
        load(file)


# A session of the first kept run, and what was said of it before a comparison was a DataFrame.
OLD_COSTS = [
    ("os_environ_patch", "set-up", "session", 1, 0.022783),
    ("admin", "set-up", "session", 1, 0.014043),
    ("alembic_config", "set-up", "session", 1, 6.6e-05),
    ("migrate_db", "set-up", "session", 1, 0.052124),
    ("keep_test_db", "set-up", "session", 1, 7.2e-05),
    ("create_test_db", "set-up", "test", 100, 0.014913),
    ("db", "set-up", "test", 100, 0.000405),
    ("product_fixture", "set-up", "test", 100, 0.004165),
    ("(connection)", "set-up", "test", 100, 0.004916),
    ("(test)", "test", "test", 100, 0.002466),
    ("product_fixture", "tear-down", "test", 100, 8e-06),
    ("db", "tear-down", "test", 100, 0.000893),
    ("create_test_db", "tear-down", "test", 100, 0.009096),
    ("keep_test_db", "tear-down", "session", 1, 2.3e-05),
    ("migrate_db", "tear-down", "session", 1, 9e-06),
    ("alembic_config", "tear-down", "session", 1, 6e-06),
    ("admin", "tear-down", "session", 1, 0.002028),
    ("os_environ_patch", "tear-down", "session", 1, 2.6e-05),
]
OLD_FIGURES = {"own": 0.030223, "whole": 0.036862, "once": 0.09118}


def test_a_session_costs_what_it_was_said_to_cost() -> None:
    key = dict.fromkeys(COLUMNS, 0) | {"strategy": "template", "tests": 100, "error": ""}
    found = comparison(pd.DataFrame([key | cost(*each) for each in OLD_COSTS], columns=COLUMNS))
    (figures_now,) = figures.sessions(found).to_dict("records")
    assert {name: figures_now[name] for name in OLD_FIGURES} == pytest.approx(OLD_FIGURES)


def test_reports_and_pictures_hold_every_strategy() -> None:
    found = growing()
    text = figures.report(found)
    for name, _ in figures.workloads(found):
        assert name in text
    assert "per further test, 10 to 20" in text
    assert list(figures.suites(found).index) == ["steep", "flat"]
    assert len(draw_costs(found).axes) == 3
    two = draw_growth({"yours": found, "kept": found}, "tests", "A finding", ["in_all"])
    assert [axis.get_title("left").partition(",")[0] for axis in two.axes] == ["yours", "kept"]
    both = draw_growth({"yours": found}, "tests", "A finding")
    assert [axis.get_title("left") for axis in both.axes] == [
        "yours, 3 rounds: own cost per test",
        "yours, 3 rounds: whole test",
    ]
    assert "Whole test: " in both.alt
    for strategy in ("steep", "flat"):
        assert strategy in draw_overview(found).alt


def test_strategies_differ_in_shape_as_in_colour() -> None:
    colours, shapes = zip(*STYLES, strict=True)
    assert len(set(colours)) == len(set(shapes)) == len(STYLES) >= 6


def test_a_picture_has_its_words_with_it_in_a_notebook() -> None:
    picture = draw_costs(rounds(a=[0.5, 0.5, 0.6], b=[0.1, 0.1, 0.1]))
    data, metadata = picture._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == metadata["image/png"]["alt"] == picture.alt
    assert "b costs least per test. " in picture.alt
    assert "a 500 ms" in picture.alt


def test_a_picture_claims_only_what_every_round_says() -> None:
    found = rounds(dear=[0.9] * 3, a=[0.2] * 3, b=[0.1] * 3)
    assert draw_costs(found).get_suptitle() == "b costs least per test"
    found = rounds(dear=[0.9] * 3, a=[0.2, 0.1, 0.2], b=[0.1, 0.2, 0.1])
    assert draw_costs(found).get_suptitle() == "dear costs most per test"
    found = rounds(a=[0.2, 0.1, 0.2], b=[0.1, 0.2, 0.1])
    assert draw_costs(found).get_suptitle() == "What a test costs"


def test_a_database_that_takes_out_of_proportion_long_is_named() -> None:
    found = joined(session("a", 0.04, once=4.0))
    found.attrs["environment"]["file system"] = "ext4 without a journal"
    assert "4.0 s, 400 times as long as opening a connection" in figures.proportion(found)
    assert "(The file system: ext4 without a journal.)" in figures.report(found)
    assert figures.proportion(joined(session("a", 0.04, once=0.1))) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0000123, "12 µs"),
        (-0.0000001, "0 µs"),
        (0.00047, "470 µs"),
        (0.0021, "2.1 ms"),
        (0.0298, "30 ms"),
        (1.26, "1.3 s"),
        (185.0, "3 min 5 s"),
        (float("nan"), ""),
    ],
)
def test_a_duration_has_the_unit_that_fits_it(seconds: float, said: str) -> None:
    assert figures.duration(seconds) == said


def test_what_is_timed_loads_no_pandas() -> None:
    code = "import sys, project.timing.recorder; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    mine = {name for name in loaded if name.startswith("project")}
    assert mine == {"project", "project.timing", "project.timing.recorder"}
    assert not {"pandas", "numpy", "matplotlib", "tqdm"} & loaded


def test_kept_runs_are_a_row_for_each_line() -> None:
    assert len(load(KEPT)) < len(KEPT.read_text().splitlines()) < len(load(KEPT)) + 60
    assert json.loads(KEPT.read_text())["command"].startswith("python -m project.timing ")
