# not yet: Which tables are yours? Override the fixture `target_metadata`
import subprocess

my_folder = new_folder()
alembic_init = [sys.executable, "-m", "alembic", "init", "-t", "async", "migrations"]
subprocess.run(alembic_init, cwd=my_folder, capture_output=True, check=True)

(my_folder / "migrations" / "versions" / "0001_create_tag.py").write_text("""\
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade():
    op.create_table("tag", sa.Column("name", sa.String, primary_key=True))


def downgrade():
    op.drop_table("tag")
""")

(my_folder / "conftest.py").write_text("""\
import pytest
from models import Base

from project import postgres

pytest_plugins = ["project.testing.session_level"]


@pytest.fixture(scope="session")
def original_postgres_dsn():
    return postgres.dsn()
""")

(my_folder / "test_tag.py").write_text("""\
import pytest
from models import Tag
from sqlalchemy import select


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["one", "two"])
async def test_it_is_stored(db, name):
    async with db.asessionmaker() as session:
        session.add(Tag(name=name))
        await session.commit()
        assert list(await session.scalars(select(Tag.name))) == [name]
""")
