"""What each strategy isolates: the answers of the isolation suite, pinned."""

from pathlib import Path

import pytest

from project.isolation import answers, questions
from project.testing import STRATEGIES
from tests.servers import databases

# The questions that a strategy answers with no. All others it answers with yes.
NO = {
    "function_level": {"TestTable", "TestLeftOpen"},
    "session_level": {
        "TestSequence",
        "TestInserted",
        "TestColumn",
        "TestTable",
        "TestEnum",
        "TestLeftOpen",
    },
    "deletion": {
        "TestSequence",
        "TestInserted",
        "TestColumn",
        "TestTable",
        "TestEnum",
        "TestSetting",
    },
    "rollback": {
        "TestTwoSessions",
        "TestSecondConnection",
        "TestTime",
        "TestDeferred",
        "TestSequence",
        "TestOtherRows",
    },
    "template": set(),
}
CLEANS_NOTHING = """
import pytest_asyncio
from project.db.session_manager import DBSessionManager
from project.testing import SHARED_FIXTURES
from project.testing.session_level import create_test_db, migrate_db

pytest_plugins = SHARED_FIXTURES

@pytest_asyncio.fixture(loop_scope="function")
async def db(create_test_db, migrate_db):
    manager = DBSessionManager(create_test_db)
    yield manager
    await manager.close()
"""


def answered_no(answered: dict[str, bool]) -> set[str]:
    return {name for name, question in questions().items() if not answered[question]}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_strategy_isolates(strategy: str, original_dsn: str) -> None:
    before = databases(original_dsn)
    assert answered_no(answers(strategy, original_dsn)) == NO[strategy]
    assert databases(original_dsn) == before


def test_the_suite_sees_what_is_left(
    original_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cleans_nothing").mkdir()
    (tmp_path / "cleans_nothing" / "plugin.py").write_text(CLEANS_NOTHING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    found = answered_no(answers("cleans_nothing.plugin", original_dsn))
    assert found >= {"TestRows", "TestException", "TestFixture", "TestClosed", "TestOtherRows"}
