"""What you read is what you import: cells that build a part of the package hold its very code.

Such a cell carries a tag `project:<path>::<symbol>`, the path relative to `project/`, or to the
repo's root where it begins with a slash. Syntax trees are compared, docstrings aside.
"""

import ast
from pathlib import Path

import pytest

from tests.notebooks import ROOT, all_notebooks, stored

PREFIX = "project:"
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

# Public parts of project/db and project/testing that no notebook builds, and why.
NOT_BUILT: dict[str, str] = {
    "testing/database/errors.py::first_line": "a line around the driver's error",
    "testing/database/errors.py::quote": "a line around SQLAlchemy's quoting",
    "testing/database/errors.py::sqlstate": "a line around the driver's error",
    "testing/database/errors.py::stop": "a line around pytest.exit",
    "db/columns.py::compare_columns": "makes 02's table, and isn't the reader's",
    "testing/database/fixtures.py::original_postgres_dsn": "reads a variable",
    "testing/database/fixtures.py::dsn_pair": "calls pair_for and guard_original",
    "testing/database/fixtures.py::pair_for": "checks a DSN's form; 07 builds the pair itself",
    "testing/database/fixtures.py::guard_original": "puts keep_out up until pytest ends",
    "testing/database/proof.py::Place": "what a connection answers",
    "testing/database/proof.py::place_of": "asks a connection of SQLAlchemy's",
    "testing/database/proof.py::watching": "listens to two events, which 07 names",
    "testing/__init__.py::fixtures": "for two packages in one repository; the series has one",
    "testing/clean_dsn.py::test_dsn": "returns create_test_db's DSN",
    "testing/rollback.py::test_dsn": "only says that there is none",
    "testing/migrations.py::template_files": "returns nothing by default",
    "testing/database/guards.py::loggers_as_they_were": "03 shows what it undoes",
    "testing/database/guards.py::pytest_collection_finish": "only looks where db comes from",
    "testing/database/guards.py::ending": "only wires the guards into pytest",
    "testing/database/guards.py::exit_in": "only wires the guards into pytest",
    "testing/database/guards.py::pytest_fixture_setup": "wires only_on into pytest",
    "testing/database/guards.py::pytest_runtest_makereport": "wires keep_out into pytest",
    "testing/database/guards.py::pytest_runtest_setup": "only wires the guards into pytest",
    "testing/database/guards.py::pytest_runtest_teardown": "only wires the guards into pytest",
    "testing/database/guards.py::pytest_testnodedown": "only wires the guards into pytest-xdist",
    "testing/database/guards.py::pytest_unconfigure": "only wires the guards into pytest",
    "testing/database/guards.py::say": "writes a line on the terminal",
    "testing/database/keeping.py::pytest_addoption": "only wires --keep-test-db into pytest",
    "testing/database/keeping.py::pytest_configure": "only wires --keep-test-db into pytest",
    "testing/database/keeping.py::pytest_terminal_summary": "only wires --keep-test-db into pytest",
    "testing/database/keeping.py::pytest_testnodedown": "only wires --keep-test-db into xdist",
    "testing/database/lifecycle.py::add_extensions": "asks for two lists, and creates what lacks",
    "testing/database/lifecycle.py::create_database": "07 has its statement; the rest is errors",
    "testing/database/lifecycle.py::drop_leftovers": "asks what 07 tells, and shows on five",
    "testing/database/lifecycle.py::drop_own_database": "drop_database, after two questions",
    "testing/database/lifecycle.py::end_sessions": "one query; 07 shows what it says",
    "testing/database/lifecycle.py::comment_on": "one query, like is_ours",
    "testing/database/lifecycle.py::drop_now": "DROP DATABASE, and what a role may not force",
    "testing/database/lifecycle.py::drop_unused_database": "drop_database, tried twice",
    "testing/database/lifecycle.py::hold_on": "asks for the lock of hold, and holds anew",
    "testing/database/lifecycle.py::run_async": "runs a coroutine in a thread",
    "testing/database/likeness.py::copy_settings": "repeats what ALTER DATABASE has set",
    "testing/database/likeness.py::literal": "a line of quoting",
    "testing/database/likeness.py::locale_of_original": "puts a row into options, which 07 names",
    "testing/database/likeness.py::settings_of": "one query",
    "testing/database/names.py::SecretDsn": "only hides a password in pytest's reports",
    "testing/database/names.py::database_of": "a line around SQLAlchemy's URL",
    "testing/database/names.py::make_test_dsn": "04 builds its first form; the rest is spelling",
    "testing/database/names.py::psql_command": "puts a DSN's parts into another form",
    "testing/database/proof.py::WrongDatabaseError": "an exception's name",
    "testing/database/proof.py::address": "puts a driver's arguments into another form",
    "testing/database/proof.py::address_of": "puts a DSN's parts into another form",
    "testing/database/proof.py::ask": "sends one query below SQLAlchemy's events",
    "testing/database/proof.py::confine": "only_on for one engine, as 07 says",
    "testing/database/proof.py::identity_of": "one query, on a connection of its own",
    "testing/database/proof.py::keep_out": "07 shows what it does; like only_on, on two events",
    "testing/database/proof.py::only_on": "07 has is_on, and shows what this refuses",
    "testing/database/proof.py::prove": "is_on, which 07 builds, with an error",
    "testing/database/keeping.py::keep_test_db": "07 shows what it keeps",
    "testing/session_level.py::db": "05 builds its first form; 07 the guards, at function level",
    "testing/session_level.py::truncate_tables": "05 builds its first form; 07 the proof before it",
    "testing/objects.py::Seen": "what the catalogue says of an object",
    "testing/objects.py::differences": "compares two dictionaries; 09 shows what it finds",
    "testing/objects.py::objects_in": "one query over PostgreSQL's catalogue",
    "testing/leaks.py::pytest_addoption": "only wires --report-leaks into pytest",
    "testing/leaks.py::pytest_terminal_summary": "only wires --report-leaks into pytest",
    "testing/leaks.py::pytest_testnodedown": "only wires --report-leaks into pytest-xdist",
    "testing/look.py::Clean": "two numbers, which 09 explains",
    "testing/look.py::Schema": "two texts of SQL",
    "testing/look.py::begin": "09 calls it, and shows what the look answers",
    "testing/look.py::look_at": "makes SQL for one table; 09 shows what it finds",
    "testing/look.py::rows_of_catalogue": "makes SQL for one table of the catalogue",
    "testing/look.py::schema_of": "09 calls it, and shows what the look answers",
    "testing/migrations.py::alembic_config": "defaults has this project's, which 04 builds",
    "testing/migrations.py::downgrade_schema": "a call of Alembic, as 04 has it",
    "testing/migrations.py::revision_in": "looks a revision up in a traceback",
    "testing/migrations.py::target_metadata": "defaults has this project's, which 05 builds",
    "testing/migrations.py::upgrade_schema": "a call of Alembic that 04 builds",
    "testing/schema_differences.py::beside": "puts a side's name into a DSN",
    "testing/schema_differences.py::create_models": "create_all, in a database of its own",
    "testing/schema_differences.py::drop_compared": "drop_leftovers, for the sides' names",
    "testing/schema_differences.py::made_for_this": "temporary_database, for a part of a session",
    "testing/schema_differences.py::make_models": "create_models, and what to do if it fails",
    "testing/schema_differences.py::migrate": "upgrade_schema, under two guards",
    "testing/schema_differences.py::models_metadata": "returns target_metadata by default",
    "testing/schema_differences.py::schema_differences": "two databases, compared as in 12",
    "testing/schema_differences.py::schemas_of": "lists the schemas that a MetaData names",
    "testing/schema.py::Part": "what the catalogue says a part of a schema is",
    "testing/schema.py::compare": "compares two dictionaries; 12 shows what it finds",
    "testing/schema.py::driver_of": "a line around a connection of SQLAlchemy's",
    "testing/schema.py::facts_apart": "compares two dictionaries; 12 shows what it finds",
    "testing/schema.py::in_order": "where a line stands",
    "testing/schema.py::is_one_value": "one query, on two spellings of a default",
    "testing/schema.py::is_fixed": "one statement, on a default",
    "testing/schema.py::own": "a condition of SQL",
    "testing/schema.py::pairs": "finds what has two names; 12 shows what it finds",
    "testing/schema.py::read_schema": "one query; 12 calls it",
    "testing/schema.py::schema_differences": "12 calls it, and shows what it finds",
    "testing/schema.py::schema_of": "one query over PostgreSQL's catalogue",
    "testing/schema.py::short": "cuts a line",
    "testing/schema.py::split": "takes a constraint's definition apart",
    "testing/schema.py::tables_of": "lists names",
    "testing/tasks.py::no_task_left": "cancels tasks; 08 says which",
    "testing/tasks.py::note_what_is_left": "only notes tasks for no_task_left",
    "testing/one_loop.py::pytest_runtest_teardown": "only notes tasks for no_task_left",
    "testing/restore.py::Clone": "template's clone and the look, which 09 has shown",
    "testing/restore.py::create_test_db": "returns the DSN of the clone",
    "testing/scratch.py::create_scratch_database": "serves the notebooks, not the reader's tests",
    "testing/scratch.py::drop_made_by_tests": "serves the notebooks, not the reader's tests",
    "testing/scratch.py::drop_scratch_database": "serves the notebooks, not the reader's tests",
    "testing/scratch.py::is_taken": "serves the notebooks, not the reader's tests",
    "testing/scratch.py::take": "serves the notebooks, not the reader's tests",
    "testing/session_level.py::create_test_db": "function level's, which 07 builds, with force",
    "testing/session_level.py::migrate_db": "function level's, which 07 builds, in another scope",
    "testing/session_manager.py::Manager": "a protocol: what db's session manager has",
    "testing/session_manager.py::SessionManager": "like DBSessionManager, which 01 builds",
    "testing/session_manager.py::session_manager_factory": "returns a class",
    "testing/shared_manager.py::SharedManager": "holds a session manager; 08 says what it resets",
    "testing/database/proof.py::engine_of": "a line around a sessionmaker's attribute",
    "testing/shared_manager.py::is_applications": "looks at a function's module",
    "testing/shared_manager.py::kept_by_asyncpg": "looks at an engine's pool",
    "testing/tables.py::Found": "three lists of names",
    "testing/tables.py::Tables": "looks names up, as 07 says",
    "testing/deletion.py::migrate_db": "session level's without the way down",
    "testing/deletion.py::truncate_filled": "one query and a TRUNCATE, as 08 says",
    "testing/template.py::hold_template": "one query, which 09 explains",
    "testing/template.py::is_complete": "what_is_missing, asked of a clone",
    "testing/template.py::likeness_of_original": "two queries, whose answers it joins",
    "testing/template.py::what_is_missing": "09 says what it compares",
}


def tagged_cells() -> list[tuple[str, str, str]]:
    """Every tag, with the notebook and the source of the cell that carries it."""
    found = []
    for path in all_notebooks():
        for cell in stored(path).cells:
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
        for path in sorted((ROOT / "project" / folder).rglob("*.py")):
            for name, node in definitions(path.read_text()).items():
                if isinstance(node, Definition) and not name.startswith("_"):
                    parts.add(f"{path.relative_to(ROOT / 'project').as_posix()}::{name}")
    return parts


def test_every_public_part_is_built_in_a_notebook() -> None:
    built = {tag for _, tag, _ in tagged_cells()}
    missing = public_parts() - built - set(NOT_BUILT)
    assert not missing, "tag the cells that build these, or list them with the reason"
    assert not set(NOT_BUILT) - public_parts(), "listed, but not in the package"
    assert not set(NOT_BUILT) & built, "listed as not built, but a notebook builds them"
