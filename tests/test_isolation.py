"""What each strategy isolates: the answers of the isolation suite, pinned."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from project.isolation import answers, questions
from project.testing import STRATEGIES
from tests.runs import suite
from tests.servers import databases, query

LEFT_OPEN = {"TestLeftOpen", "TestLeftOpenUpdate"}
INSERTED = {"TestInserted", "TestInsertedAndMore", "TestInsertedAndChanged"}
INSERTED |= {"TestInsertedAndDeleted"}
SEQUENCES = {"TestIdentity", "TestSequence"}
OBJECTS = {"TestColumn", "TestColumnDropped", "TestTable", "TestTableDropped", "TestIndexDropped"}
OBJECTS |= {"TestView", "TestEnum", "TestTrigger"}
# The questions that a strategy answers with no. All others it answers with yes.
NO = {
    "function_level": LEFT_OPEN | {"TestTable", "TestView", "TestDatabaseSettingOfATest"},
    "session_level": LEFT_OPEN
    | INSERTED
    | SEQUENCES
    | OBJECTS
    | {"TestWithoutModel", "TestMaterializedView", "TestDatabaseSettingOfATest"},
    "deletion": LEFT_OPEN
    | INSERTED
    | SEQUENCES
    | OBJECTS
    | {"TestWithoutModel", "TestWithoutModelReferring", "TestDatabaseSettingOfATest"},
    "rollback": SEQUENCES
    | {
        "TestOtherRows",
        "TestPrepared",
        "TestAdvisoryLock",
        "TestTwoSessions",
        "TestInterleaved",
        "TestGather",
        "TestSecondConnection",
        "TestTime",
        "TestDeferred",
        "TestSerializable",
        "TestAutocommit",
        "TestNotify",
    },
    "template": set(),
    "restore": set(),
}
# A control: it shares one connection in AUTOCOMMIT among all tests, and cleans nothing.
CLEANS_NOTHING = suite("isolation/cleans_nothing.py")
# Another one: one transaction for all sessions of a test, without savepoints.
ONE_TRANSACTION = suite("isolation/one_transaction.py")


def answered_no(answered: dict[str, bool]) -> set[str]:
    asked = questions()
    return {name for name in asked if not answered.get(asked[name], True)}


@pytest.fixture
def plain_dsn(original_dsn: str) -> Iterator[str]:
    """A database of a role that may create databases, and nothing else."""
    url = make_url(original_dsn)
    query(original_dsn, "DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN CREATEDB")
    query(original_dsn, f'ALTER DATABASE "{url.database}" OWNER TO plain')
    yield url.set(username="plain").render_as_string(hide_password=False)
    query(original_dsn, f'ALTER DATABASE "{url.database}" OWNER TO CURRENT_USER', "DROP ROLE plain")


# Each "no" takes a session of its own, and template answers as restore does.
ASKED = [pytest.param(it, marks=pytest.mark.thorough) for it in STRATEGIES[:-1]]


@pytest.mark.each_strategy
@pytest.mark.parametrize("strategy", [*ASKED, "restore"])
def test_what_a_strategy_isolates(strategy: str, plain_dsn: str) -> None:
    before = databases(plain_dsn)
    assert answered_no(answers(strategy, plain_dsn)) == NO[strategy]
    assert databases(plain_dsn) == before


@pytest.mark.thorough
def test_every_question_can_be_answered_with_no(
    original_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "careless").mkdir()
    (tmp_path / "careless" / "cleans_nothing.py").write_text(CLEANS_NOTHING)
    (tmp_path / "careless" / "one_transaction.py").write_text(ONE_TRANSACTION)
    monkeypatch.syspath_prepend(tmp_path)
    asked = set(questions()) - set().union(*NO.values())
    found = answered_no(answers("careless.cleans_nothing", original_dsn, classes=asked))
    found |= answered_no(answers("careless.one_transaction", original_dsn, classes=["TestError"]))
    assert found == asked


def test_a_strategy_that_there_is_not(original_dsn: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "project.isolation", "nonesuch"],
        env=os.environ | {"POSTGRES_DSN": original_dsn},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr.splitlines() == [run.stderr.strip()]
    assert "'nonesuch'" in run.stderr
