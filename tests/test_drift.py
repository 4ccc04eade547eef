"""What you read is what you import: cells that build a part of the package hold its very code.

Such a cell carries a tag `project:<path>::<symbol>`, the path relative to `project/`, or to the
repo's root where it begins with a slash. Syntax trees are compared, docstrings aside.
"""

import ast
from pathlib import Path

import nbformat
import pytest

from tests.notebooks import ROOT, all_notebooks

PREFIX = "project:"
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

# Public parts of project/db and project/testing that no notebook builds, and why.
NOT_BUILT: dict[str, str] = {
    "testing/database.py::database_of": "a line around SQLAlchemy's URL",
    "testing/database.py::quote": "a line around SQLAlchemy's quoting",
    "testing/database.py::SecretDsn": "only hides a password in pytest's reports",
    "testing/database.py::sqlstate": "a line around the driver's error",
    "testing/database.py::stop": "a line around pytest.exit",
    "testing/database.py::psql_command": "puts a DSN's parts into another form",
    "testing/database.py::pytest_addoption": "only wires --keep-test-db into pytest",
    "testing/database.py::pytest_configure": "only wires --keep-test-db into pytest",
    "testing/database.py::pytest_terminal_summary": "only wires --keep-test-db into pytest",
    "testing/database.py::pytest_testnodedown": "only wires --keep-test-db into pytest-xdist",
    "testing/database.py::pytest_fixture_setup": "only hands an error on in pytest-xdist",
    "testing/scratch.py::create_scratch_database": "serves the notebooks, not the reader's tests",
    "testing/scratch.py::drop_scratch_database": "serves the notebooks, not the reader's tests",
    "testing/scratch.py::refuse_foreign_test_database": "serves the notebooks, not the tests",
}


def tagged_cells() -> list[tuple[str, str, str]]:
    """Every tag, with the notebook and the source of the cell that carries it."""
    found = []
    for path in all_notebooks():
        for cell in nbformat.read(path, as_version=4).cells:
            found += [
                (path.stem, tag.removeprefix(PREFIX), cell.source)
                for tag in cell.metadata.get("tags", [])
                if tag.startswith(PREFIX)
            ]
    return found


def definitions(source: str) -> dict[str, ast.stmt]:
    """The classes, functions and assigned names at a source's top level."""
    named: dict[str, ast.stmt] = {}
    for node in ast.parse(source).body:
        if isinstance(node, Definition):
            named[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named[node.targets[0].id] = node
    return named


def without_docstrings(node: ast.stmt) -> str:
    """A syntax tree as text, its docstrings taken out."""
    for part in ast.walk(node):
        if isinstance(part, Definition) and ast.get_docstring(part) is not None:
            part.body = part.body[1:] or [ast.Pass()]
    return ast.unparse(node)


def file_of(tag: str) -> tuple[Path, str]:
    path, _, symbol = tag.partition("::")
    return (ROOT / path[1:] if path.startswith("/") else ROOT / "project" / path), symbol


def python_source(cell: str) -> str:
    """A cell's Python, without its magics."""
    return "\n".join(line for line in cell.splitlines() if not line.startswith("%"))


@pytest.mark.parametrize(("notebook", "tag", "source"), tagged_cells())
def test_the_cell_is_the_packages_code(notebook: str, tag: str, source: str) -> None:
    path, symbol = file_of(tag)
    theirs = definitions(path.read_text())
    mine = definitions(python_source(source))
    assert symbol in theirs, f"{notebook}: {tag} is not in the package"
    assert symbol in mine, f"{notebook}: the cell tagged {tag} doesn't define {symbol}"
    assert without_docstrings(mine[symbol]) == without_docstrings(theirs[symbol])


@pytest.mark.parametrize(("notebook", "tag", "source"), tagged_cells())
def test_the_cell_holds_nothing_else(notebook: str, tag: str, source: str) -> None:
    symbols = {file_of(t)[1] for n, t, s in tagged_cells() if (n, s) == (notebook, source)}
    code = python_source(source)
    body = [n for n in ast.parse(code).body if not isinstance(n, ast.Import | ast.ImportFrom)]
    assert set(definitions(code)) == symbols
    assert len(body) == len(symbols)


def public_parts() -> set[str]:
    parts = set()
    for folder in ("db", "testing"):
        for path in sorted((ROOT / "project" / folder).glob("*.py")):
            for name, node in definitions(path.read_text()).items():
                if isinstance(node, Definition) and not name.startswith("_"):
                    parts.add(f"{folder}/{path.name}::{name}")
    return parts


def test_every_public_part_is_built_in_a_notebook() -> None:
    built = {tag for _, tag, _ in tagged_cells()}
    missing = public_parts() - built - set(NOT_BUILT)
    assert not missing, "tag the cells that build these, or list them with the reason"
    assert not set(NOT_BUILT) - public_parts(), "listed, but not in the package"
    assert not set(NOT_BUILT) & built, "listed as not built, but a notebook builds them"
