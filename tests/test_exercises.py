"""What the check of an exercise says: one line, whatever the reader has written."""

from pathlib import Path

import nbformat
import pytest

from tests.exercises import expected_of, printed
from tests.notebooks import FOLDER, execute
from tests.test_notebooks import SET_UP

SETTING = """
from project.exercises import check, first_failure
import pytest

@pytest.fixture
def breaks():
    yield
    raise LookupError("afterwards")
"""
# What a reader may have written, and what is said of it.
SAID = {
    "check(lambda: None)": "right",
    "check(lambda: '')": "right",
    "check(lambda: 'it is late, because you wait')": "not yet: it is late, because you wait",
    "def problem(): raise ValueError('two\\nlines')\ncheck(problem)": "not yet: ValueError: two",
    "def problem(): raise ValueError\ncheck(problem)": "not yet: ValueError",
    "def problem(): raise SystemExit(3)\ncheck(problem)": "not yet: SystemExit: 3",
    "async def problem(): return 'awaited'\ncheck(problem)": "not yet: awaited",
    "def test_it(): pass\ncheck(lambda: first_failure(test_it))": "right",
    "def test_it(): assert 2 == 1\ncheck(lambda: first_failure(test_it))": (
        "not yet: test_it: assert 2 == 1"
    ),
    "def test_it(brakes): pass\ncheck(lambda: first_failure(test_it))": (
        "not yet: test_it (before the test): fixture 'brakes' not found"
    ),
    "def test_it(breaks): pass\ncheck(lambda: first_failure(test_it))": (
        "not yet: test_it (after the test): LookupError: afterwards"
    ),
    "@pytest.mark.parametrize('it', ['NULL::uuid'])\n"
    "def test_it(it): assert it is None\ncheck(lambda: first_failure(test_it))": (
        "not yet: test_it[NULL::uuid]: AssertionError: assert 'NULL::uuid' is None"
    ),
    "def test_other(): assert 0\ndef test_it(): pass\ncheck(lambda: first_failure(test_it))": (
        "right"
    ),
}


def test_it_says_one_line_and_never_raises() -> None:
    set_up = SET_UP.replace("postgres.dsn()", "''")
    sources = [set_up, SETTING, *SAID]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(it) for it in sources])
    executed = execute(notebook, FOLDER)
    said = [printed(cell).removesuffix("\n") for cell in executed.cells[2:]]
    assert dict(zip(SAID, said, strict=True)) == SAID


def test_a_wrong_answer_says_what_the_check_has_to_say(tmp_path: Path) -> None:
    file = tmp_path / "answer.py"
    file.write_text("# not yet: because of this\npass\n")
    assert expected_of(file) == "because of this"
    file.write_text("pass\n")
    with pytest.raises(ValueError, match="first line"):
        expected_of(file)
