"""Workloads: the series' two tests, as often as you like, on a schema as large as you like.

A workload is written into a folder of its own: migrations, tests, and a conftest.py that gives an
isolation strategy its two session fixtures, `alembic_config` and `target_metadata`.
"""

import asyncio
import compileall
import shutil
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata, render_python_code
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy import (
    UUID,
    BigInteger,
    Column,
    Connection,
    Enum,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    String,
    Table,
    func,
    text,
)
from sqlalchemy.ext.asyncio import create_async_engine

import project
from project.db.models import NAMING_CONVENTION, Base
from project.testing.migrations import point_at

ROOT = Path(project.__path__[0]).parent
MOST = 9999  # of anything: the tables' names have four digits

PYTEST_INI = """\
[pytest]
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
asyncio_default_test_loop_scope = function
"""

ALEMBIC_INI = """\
[alembic]
script_location = %(here)s/migrations
"""

CONFTEST = '''\
"""What this workload overrides of an isolation strategy."""

from pathlib import Path

import pytest
from alembic.config import Config

from project.timing.workload import Workload


@pytest.fixture(scope="session")
def alembic_config():
    return Config(Path(__file__).parent / "alembic.ini")


@pytest.fixture(scope="session")
def target_metadata():
    return {workload!r}.metadata()
'''

TESTS_CONFTEST = '''\
"""How often the tests run, and the rows that they find."""

import pytest_asyncio
from sqlalchemy import text

from project.timing.workload import Workload

WORKLOAD = {workload!r}


@pytest_asyncio.fixture(autouse=WORKLOAD.rows > 0, loop_scope="function")
async def more_rows(db):
    async with db.asessionmaker() as session:
        for statement in WORKLOAD.inserts():
            await session.execute(text(statement))
        await session.commit()


def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("repetition")
    metafunc.parametrize("repetition", range(WORKLOAD.repetitions))


def pytest_collection_modifyitems(items):
    del items[WORKLOAD.tests :]
'''

# In a workload's folder: what is timed, and what runs once before.
TESTS = "tests"
CHECK = "check_workload.py"
CHECK_CODE = '''\
"""Whether the migrations make what they should. Runs once, before anything is timed."""

from project.timing.workload import check


def test_workload(create_test_db, alembic_config, target_metadata):
    check(create_test_db, alembic_config, target_metadata)
'''

REVISION = '''\
"""revision {number}"""

import sqlalchemy as sa
from alembic import op

revision = "{number:04}"
down_revision = {previous!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''

# What a workload's migrations have made, but for Alembic's own table.
WHAT_IS_THERE = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic_version%'
    UNION SELECT typname FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typname NOT LIKE '%alembic_version'
"""


@dataclass(frozen=True)
class Workload:
    """How many tests, on what schema, made by how many revisions.

    The first two tables are the series' own. Of the others every third refers to the table before
    it, every third has an enum type and every third a sequence. The revisions create the tables,
    in equal shares; where there are more revisions than tables, each of the rest adds a column.

    Attributes:
        tests: how many tests run: the series' two, over and over.
        revisions: how many revisions the migrations have.
        tables: how many tables there are in the end.
        rows: how many more rows each test finds in `review`, and in the third table if there
            is one.
        kinds: how many of the two tests: 1 leaves out the second, which can't pass under rollback.

    Raises:
        ValueError: one of them is too small, or too large for the names that tables get.
    """

    tests: int = 100
    revisions: int = 2
    tables: int = 2
    rows: int = 0
    kinds: int = 2

    def __post_init__(self) -> None:
        for name, least, most in (
            ("tests", 1, MOST),
            ("revisions", 1, MOST),
            ("tables", 2, MOST),
            ("rows", 0, MOST),
            ("kinds", 1, 2),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} must be from {least} to {most}, not {value}")

    def __str__(self) -> str:
        parts = [(getattr(self, f.name), f.name) for f in fields(self) if f.name != "kinds"]
        return ", ".join(
            f"{number} {name[:-1] if number == 1 else name}" for number, name in parts if number
        )

    @property
    def repetitions(self) -> int:
        """How often each kind of test runs; what is too many of the last is left out."""
        return -(-self.tests // self.kinds)

    def metadata(self) -> MetaData:
        """Return the tables as they are after the last revision."""
        metadata = self._first_tables()
        for table_name, column in self._added_columns():
            metadata.tables[table_name].append_column(column)
        return metadata

    def inserts(self) -> list[str]:
        """Return the statements that add each test's rows."""
        into = ["review (rating) SELECT 5", f"{table_name(3)} (note) SELECT ''"]
        return [
            f"INSERT INTO {table} FROM generate_series(1, {self.rows})"
            for table in into[: self.tables - 1]
        ]

    def write(self, folder: Path) -> None:
        """Write the migrations, the tests, conftest.py and pytest.ini into an empty folder."""
        versions = folder / "migrations" / "versions"
        versions.mkdir(parents=True)
        (folder / "alembic.ini").write_text(ALEMBIC_INI)
        shutil.copy(ROOT / "migrations" / "env.py", versions.parent)
        (folder / "pytest.ini").write_text(PYTEST_INI)
        (folder / "conftest.py").write_text(CONFTEST.format(workload=self))
        (folder / CHECK).write_text(CHECK_CODE)
        tests = folder / TESTS
        tests.mkdir()
        (tests / "conftest.py").write_text(TESTS_CONFTEST.format(workload=self))
        shutil.copy(ROOT / "tests" / "test_records.py", tests)
        for number, (upgrade, downgrade) in enumerate(self._revisions(), start=1):
            (versions / f"{number:04}.py").write_text(
                REVISION.format(
                    number=number,
                    previous=f"{number - 1:04}" if number > 1 else None,
                    upgrade=upgrade,
                    downgrade=downgrade,
                )
            )
        compileall.compile_dir(versions, quiet=1)  # else the first session would pay for all

    def _first_tables(self) -> MetaData:
        """Return the tables as they are created, before any column is added."""
        metadata = MetaData(naming_convention=NAMING_CONVENTION)
        previous = ""
        for table in Base.metadata.sorted_tables:
            previous = table.to_metadata(metadata).name
        for number in range(3, self.tables + 1):
            special: Column[Any] = (
                Column("parent_id", ForeignKey(f"{previous}.id")),
                Column("kind", Enum("new", "used", name=f"kind_{number:04}"), server_default="new"),
                Column("number", BigInteger, Identity()),
            )[number % 3]
            previous = Table(
                table_name(number),
                metadata,
                Column("id", UUID, primary_key=True, server_default=func.gen_random_uuid()),
                Column("note", String(100), server_default=""),
                special,
            ).name
        return metadata

    def _added_columns(self) -> list[tuple[str, Column[Any]]]:
        names = list(self._first_tables().tables)
        return [
            (names[number % len(names)], Column(f"added_{number:04}", Integer))
            for number in range(self.revisions - self.tables)
        ]

    def _revisions(self) -> list[tuple[str, str]]:
        """Return the code of each revision's upgrade and downgrade."""
        metadata = self._first_tables()
        steps: list[tuple[str, str]] = []
        for table in metadata.tables.values():
            create = ops.CreateTableOp.from_table(table)
            down = render(create.reverse())
            for column in table.columns:
                if isinstance(column.type, Enum):  # dropping a table leaves its types
                    down += f'\n    op.execute("DROP TYPE {column.type.name}")'
            steps.append((render(create), down))
        for name, column in self._added_columns():
            # Rendering a column asks for its table.
            metadata.tables[name].append_column(column)
            add = ops.AddColumnOp(name, column)
            steps.append((render(add), f'    op.drop_column("{name}", "{column.name}")'))
        shares = [len(steps) * number // self.revisions for number in range(self.revisions + 1)]
        return [
            (
                "\n".join(up for up, _ in steps[start:end]),
                "\n".join(down for _, down in reversed(steps[start:end])),
            )
            for start, end in pairwise(shares)
        ]


def table_name(number: int) -> str:
    """Return the name of a table after the first two."""
    return f"table_{number:04}"


def render(operation: ops.MigrateOperation) -> str:
    """Return an operation as Alembic's autogenerate writes it, indented by four spaces."""
    code = render_python_code(ops.UpgradeOps(ops=[operation]))
    return "\n".join(line for line in code.splitlines() if not line.lstrip().startswith("# ###"))


def check(dsn: str, config: Config, metadata: MetaData) -> None:
    """Migrate an empty database up and down; raise unless the migrations make `metadata`.

    Raises:
        InvalidWorkloadError: the tables after the upgrade aren't those of `metadata`, or something
            is left after the downgrade.
    """

    def compare(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async def look() -> tuple[list[object], list[str]]:
        engine = create_async_engine(dsn)
        async with engine.connect() as connection:
            there = list(await connection.scalars(text(WHAT_IS_THERE)))
            differences = await connection.run_sync(compare)
        await engine.dispose()
        return differences, there

    point_at(config, dsn)
    command.upgrade(config, "head")
    differences, _ = asyncio.run(look())
    if differences:
        raise InvalidWorkloadError(f"the migrations don't make the tables: {differences}")
    command.downgrade(config, "base")
    _, left = asyncio.run(look())
    if left:
        raise InvalidWorkloadError(f"the migrations leave {', '.join(left)}")


class InvalidWorkloadError(Exception):
    """A workload's migrations don't make its tables, or leave something behind."""
