"""Every notebook runs, alone and on a database of its own, and leaves nothing behind."""

from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from sqlalchemy import make_url

from tests.exercises import exercises_of, expected_of, printed, with_attempts, wrong_answers
from tests.nasty import KERNEL
from tests.notebooks import FOLDER, ROOT, all_notebooks, execute, normalise, stored
from tests.servers import database, databases, query

NOTEBOOKS = all_notebooks()
SET_UP = """\
%xmode Minimal
import os

import ipytest

from project import nest_asyncio, notebook, postgres

notebook.prepare()
os.environ["POSTGRES_DSN"] = postgres.dsn()
nest_asyncio.apply()
ipytest.autoconfig(run_in_thread=True, raise_on_error=True)"""

# Appended to a notebook: which of its engines have a connection, after its last cell?
OPEN_ENGINES = """\
import gc
from sqlalchemy.pool import Pool
gc.collect()
print(sum(p.checkedin() + p.checkedout() > 0 for p in gc.get_objects()
          if isinstance(p, Pool) and hasattr(p, "checkedin")))"""


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    cells = stored(path).cells
    return [cell for cell in cells if cell.cell_type == "code"]


# What comes and goes: a run of ipytest in another process, bytecode, JupyterLab's own copies.
PASSING = ("t_*.py", "__pycache__", ".ipynb_checkpoints", ".virtual_documents")


def files() -> dict[Path, bytes]:
    """Every file in the notebooks' folder, and what is in it."""
    found = [
        path
        for path in FOLDER.rglob("*")
        if not any(part.match(passing) for part in (path, *path.parents) for passing in PASSING)
    ]
    return {path: path.read_bytes() for path in found if path.is_file()}


# Each starts from a shell in which a reader has set much for other projects.
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_leaves_nothing_behind(
    path: Path, original_dsn: str, request: pytest.FixtureRequest
) -> None:
    """And a database of yours with the obvious name stays, whatever its fixtures drop.

    Its exercises are tried on the way: the solution, wrong answers if all tests run, and the stub
    at last.
    """
    wrong = request.config.getoption("--thorough")
    with database(original_dsn, f"{make_url(original_dsn).database}_test") as yours:
        query(yours, "CREATE TABLE love (letter text)", "INSERT INTO love VALUES ('Dear …')")
        databases_before, files_before = databases(original_dsn), files()
        tables = "SELECT schemaname, tablename FROM pg_tables ORDER BY 1, 2"
        tables_before = query(original_dsn, tables)

        # The notebook with one more cell, in the same folder: a kernel works in its own.
        notebook = with_attempts(stored(path), path, wrong=wrong)
        notebook.cells.append(nbformat.v4.new_code_cell(OPEN_ENGINES))
        executed = execute(notebook, path.parent, KERNEL | {"POSTGRES_DSN": original_dsn})

        for attempt, check in zip(executed.cells, executed.cells[1:], strict=False):
            if (expected := check.metadata.get("expects")) is not None:
                said = printed(check)
                assert said.count("\n") == 1, (attempt.source, said)
                assert said.startswith("right" if expected == "right" else "not yet: "), (
                    attempt.source,
                    said,
                )
                assert expected in said, (attempt.source, said)
        assert executed.cells[-1].outputs[0].text.strip() == "0", "an engine is open"
        assert databases(original_dsn) == databases_before
        assert query(original_dsn, tables) == tables_before
        assert query(yours, "SELECT * FROM love") == [("Dear …",)]
        assert files() == files_before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_outputs_are_stored_and_normalised(path: Path) -> None:
    notebook = stored(path)
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    assert normalise(nbformat.read(path, as_version=4)) == notebook, "run `make notebooks`"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_outputs_are_short(path: Path) -> None:
    for cell in code_cells(path):
        text = "".join(o.get("text", "") + "\n".join(o.get("traceback", "")) for o in cell.outputs)
        assert text.count("\n") < 45, cell.source
        assert len(text) < 4000, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_opens_with_the_set_up_cell(path: Path) -> None:
    expected = SET_UP
    if path.stem == "03_write_the_migrations":  # shows what fails without this line
        line = "nest_asyncio.apply()"
        expected = SET_UP.replace(line, f"# {line} comes later in this notebook")
    assert code_cells(path)[0].source == expected


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_fails_only_where_it_says_so(path: Path) -> None:
    for cell in code_cells(path):
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in cell.metadata.get("tags", [])), cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_exercises_are_whole(path: Path) -> None:
    """Two to four, each with a plausible wrong answer, and "not yet" to the stub as stored."""
    notebook = stored(path)
    exercises = exercises_of(notebook)
    assert 2 <= len(exercises) <= 4
    for exercise in exercises:
        assert printed(notebook.cells[exercise.task + 2]).startswith("not yet: "), exercise.name
        answers = wrong_answers(path, exercise.name)
        assert answers, exercise.name
        assert all(map(expected_of, answers))


def test_a_cell_that_fails_is_an_error(original_dsn: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(notebook, ROOT, {"POSTGRES_DSN": original_dsn})


def test_outputs_lose_what_differs_from_run_to_run() -> None:
    text = (
        f"{ROOT}/project took 0x7f12ab34cd56\n\x1b[32m2 passed\x1b[0m in 0.35s\n"
        f"{Path.home()}/x 6f2f8a3e-8a0b-4d70-9d53-1f1f0b0c8f5e"
    )
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text=text)])
    clean = normalise(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs[0].text
    assert clean == "./project took 0x…\n2 passed\n~/x 00000000-0000-4000-8000-000000000001"
