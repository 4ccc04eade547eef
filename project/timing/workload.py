"""Workloads: the series' two tests, as often as you like, on a schema as large as you like.

A workload is written into a folder: migrations, tests, and a conftest.py with the two fixtures that
a strategy asks for.
"""

import compileall
import json
import pickle
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations import ops

import project
from project.db.models import NAMING_CONVENTION, Base

ROOT = Path(project.__path__[0]).parent
SUITE = Path(__file__).parent / "suite"  # what is the same for each workload
LEAST = {"tests": 1, "revisions": 1, "tables": 2}
MOST = 9999  # of anything: the tables' names have four digits
TESTS = ("test_get_record", "test_create_record")  # the second can't pass under rollback
FILE = "test_records.py"


@dataclass(frozen=True)
class Workload:
    """How many tests, on what schema, made by how many revisions.

    The first two tables are the series' own. Of the others every third refers to the table before
    it, every third has an enum type and every third a sequence. The revisions create the tables,
    in equal shares; where there are more revisions than tables, each of the rest adds a column.

    Raises:
        ValueError: a number is too small, or too large for the names that tables get.
    """

    tests: int = 100
    revisions: int = 2
    tables: int = 2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not LEAST[name] <= value <= MOST:
                raise ValueError(f"{name} must be from {LEAST[name]} to {MOST}, not {value}")

    def write(self, folder: Path, only: Sequence[str] = TESTS) -> None:
        """Write migrations, tests and conftest.py into an empty folder, to run `only` these."""
        revisions, metadata = self._make()
        left_out = shutil.ignore_patterns("revision.txt", "__pycache__")
        shutil.copytree(SUITE, folder, ignore=left_out, dirs_exist_ok=True)
        shutil.copy(ROOT / "tests" / FILE, folder)
        times = {name: len(range(i, self.tests, len(only))) for i, name in enumerate(only)}
        (folder / "times.json").write_text(json.dumps(times))
        (folder / "metadata.pickle").write_bytes(pickle.dumps(metadata))
        versions = folder / "migrations" / "versions"
        versions.mkdir(parents=True)
        shutil.copy(ROOT / "migrations" / "env.py", versions.parent)
        template = (SUITE / "revision.txt").read_text()
        for number, (up, down) in enumerate(revisions, start=1):
            previous = f'"{number - 1:04}"' if number > 1 else None
            code = template.format(number=number, previous=previous, upgrade=up, downgrade=down)
            (versions / f"{number:04}.py").write_text(code)
        compileall.compile_dir(versions, quiet=1)  # else the first session would pay for all

    def _make(self) -> tuple[list[tuple[str, str]], sa.MetaData]:
        """Return the code of each revision's upgrade and downgrade, and the tables in the end."""
        metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)
        previous = ""
        for table in Base.metadata.sorted_tables:
            previous = table.to_metadata(metadata).name
        for number in range(3, self.tables + 1):
            kind = sa.Enum("new", "used", name=f"kind_{number:04}")
            special: sa.Column[Any] = (
                sa.Column("parent_id", sa.ForeignKey(f"{previous}.id")),
                sa.Column("kind", kind, server_default="new"),
                sa.Column("number", sa.BigInteger, sa.Identity()),
            )[number % 3]
            random = sa.func.gen_random_uuid()
            key = sa.Column("id", sa.UUID, primary_key=True, server_default=random)
            note = sa.Column("note", sa.String(100), server_default="")
            previous = sa.Table(f"table_{number:04}", metadata, key, note, special).name
        steps: list[tuple[str, str]] = []
        for table in metadata.tables.values():
            create = ops.CreateTableOp.from_table(table)
            down = render(create.reverse())
            for column in table.columns:
                if isinstance(column.type, sa.Enum):  # dropping a table leaves its types
                    down += f'\n    op.execute("DROP TYPE {column.type.name}")'
            steps.append((render(create), down))
        names = list(metadata.tables)
        for number in range(self.revisions - self.tables):
            name, added = names[number % len(names)], sa.Column(f"added_{number:04}", sa.Integer)
            metadata.tables[name].append_column(added)  # rendering a column asks for its table
            down = f'    op.drop_column("{name}", "{added.name}")'
            steps.append((render(ops.AddColumnOp(name, added)), down))
        shares = [len(steps) * number // self.revisions for number in range(self.revisions + 1)]
        revisions = [zip(*steps[start:end], strict=True) for start, end in pairwise(shares)]
        return [("\n".join(up), "\n".join(reversed(down))) for up, down in revisions], metadata


def render(operation: ops.MigrateOperation) -> str:
    """Return an operation as Alembic's autogenerate writes it, indented by four spaces."""
    code = render_python_code(ops.UpgradeOps(ops=[operation]))
    return "\n".join(line for line in code.splitlines() if not line.lstrip().startswith("# ###"))
