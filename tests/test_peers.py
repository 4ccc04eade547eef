"""The comparison with published plugins: what is kept of it, and the tables made from it."""

from pathlib import Path

import pandas as pd

from benchmarks.results import KEPT, costs, isolation
from project.isolation import answers, questions
from project.testing import STRATEGIES
from project.timing.compare import load, save
from tests.test_timing import joined, session


def test_a_result_comes_back_from_its_file(tmp_path: Path) -> None:
    failed = [session("benchmarks.a_peer", 0.1, n, once=0.5, error="why") for n in range(3)]
    made = joined(*(rows.assign(passed=3) for rows in failed))
    made.attrs = {
        "environment": {"a-peer": "1.2"},
        "isolates": {"benchmarks.a_peer": {"This": True, "That": False}},
    }
    save(made, tmp_path / "kept.json")
    found = load(tmp_path / "kept.json")
    pd.testing.assert_frame_equal(found, made)
    table = costs(found)
    assert table.loc["a-peer 1.2", ["tests pass", "own cost per test"]].to_list() == [
        "3 of 10",
        "100 ms",
    ]
    assert isolation(found).loc["a-peer 1.2"].to_dict() == {"This": "yes", "That": "no"}


def test_what_is_kept_has_this_projects_strategies_beside_others() -> None:
    kept = load(KEPT)
    assert set(kept.strategy) & set(STRATEGIES)
    assert any(strategy.startswith("benchmarks.") for strategy in kept.strategy)
    assert len(costs(kept)) == len(isolation(kept)) == kept.strategy.nunique()


def test_a_part_of_the_isolation_suite_answers_alone(original_dsn: str) -> None:
    found = answers("rollback", original_dsn, classes=["TestRows", "TestTime"])
    assert found == {questions()["TestRows"]: True, questions()["TestTime"]: False}
