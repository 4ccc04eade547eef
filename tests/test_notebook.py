"""Where a notebook can't run, its first cell says so in one line; and where the project lies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from project import notebook
from tests.nasty import KERNEL
from tests.notebooks import ROOT, execute
from tests.runs import plugins
from tests.test_notebooks import SET_UP


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A folder that nobody can write into, root included."""
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        return tmp_path
    if not Path("/proc/self").exists():
        pytest.skip("root can write into every folder here")
    return Path("/proc/self")


def first_error(folder: Path, environment: dict[str, str]) -> tuple[str, str]:
    """Run the set-up cell; return the error's last line and all that the cell shows of it."""
    cell = nbformat.v4.new_code_cell(SET_UP)
    with pytest.raises(CellExecutionError):
        execute(nbformat.v4.new_notebook(cells=[cell]), folder, environment)
    [error] = [output for output in cell.outputs if output.output_type == "error"]
    return f"{error.ename}: {error.evalue}", "\n".join(error.traceback)


def test_a_folder_that_can_not_be_written(unwritable: Path, original_dsn: str) -> None:
    said, shown = first_error(unwritable, {"POSTGRES_DSN": original_dsn})
    assert said.startswith("NotebookError: The folder /")
    assert "can't be written" in said
    assert "Copy the whole course to a folder of yours" in said
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("name", notebook.TOO_LATE)
def test_what_python_has_acted_upon_already(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = "error" if name == "PYTHONWARNINGS" else "1"
    monkeypatch.setattr(os, "environ", {name: value})
    with pytest.raises(notebook.NotebookError, match=f"^{name} is set.*`unset {name}`") as caught:
        notebook.prepare()
    assert "\n" not in str(caught.value)


def test_another_package_of_our_name(tmp_path: Path, original_dsn: str) -> None:
    """README says what to do where this is what the first cell says."""
    theirs = tmp_path / "project" / "__init__.py"
    theirs.parent.mkdir()
    theirs.touch()
    environment = {"POSTGRES_DSN": original_dsn, "PYTHONPATH": str(tmp_path)}
    said, shown = first_error(tmp_path, environment)
    assert "from 'project'" in said
    assert str(theirs) in said
    assert len(shown.splitlines()) == 1
    assert "cannot import name … from 'project'" in (ROOT / "README.md").read_text()


def test_what_was_set_for_others_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", KERNEL | {"HOME": "/home/me"})
    notebook.prepare()
    assert os.environ["MPLBACKEND"] == notebook.INLINE
    assert os.environ.pop("PYTEST_ADDOPTS") == notebook.UNUSED
    left = os.environ.keys() & notebook.FOR_OTHERS
    assert not left
    assert os.environ["HOME"] == "/home/me"


@pytest.mark.thorough
def test_the_project_may_lie_in_a_path_with_a_percent_sign(
    tmp_path: Path, original_dsn: str
) -> None:
    folder = tmp_path / "50% off, %(here)s"
    for name in ("project", "migrations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("alembic.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "test_records.py", folder / "tests")
    environment = os.environ | {"POSTGRES_DSN": original_dsn, "PYTHONPATH": str(folder)}
    pytest_run = ["-m", "pytest", "-q", "--noconftest", *plugins("session_level")]
    for command in (
        [*pytest_run, "tests/test_records.py"],
        ["-m", "alembic", "upgrade", "head"],
        ["-m", "alembic", "revision", "--message", "more"],
    ):
        result = subprocess.run(
            [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
    assert len(list((folder / "migrations" / "versions").glob("*_more.py"))) == 1
