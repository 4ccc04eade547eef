"""The comparison with published plugins: what is kept of it, and the tables made from it."""

from pathlib import Path

from project.isolation import answers, questions
from project.timing.peers import PeerComparison, costs, isolation
from project.timing.results import Cost, Session
from project.timing.workload import Workload


def test_a_result_comes_back_from_its_file(tmp_path: Path) -> None:
    cost = Cost("anything", "set-up", "test", times=4, seconds=0.4, each=0.1)
    once = Cost("anything else", "set-up", "session", times=1, seconds=0.5, each=0.5)
    session = Session(
        "benchmarks.a_peer", Workload(4), 0, 2.0, {"passed": 3, "failed": 1}, [cost, once], "why"
    )
    made = PeerComparison(
        [session], {"a-peer": "1.2"}, isolates={session.strategy: {"This": True, "That": False}}
    )
    made.save(tmp_path / "kept.json")
    found = PeerComparison.load(tmp_path / "kept.json")
    assert found == made
    assert costs(found).rows == [
        ["a-peer 1.2", "3 of 4", "100 ms", "100 ms to 100 ms", "500 ms"],
    ]
    assert isolation(found).headers == ["", "This", "That"]
    assert isolation(found).rows == [["a-peer 1.2", "yes", "no"]]


def test_a_part_of_the_isolation_suite_answers_alone(original_dsn: str) -> None:
    found = answers("rollback", original_dsn, classes=["TestRows", "TestTime"])
    assert found == {questions()["TestRows"]: True, questions()["TestTime"]: False}
