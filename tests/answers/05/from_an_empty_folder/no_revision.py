# not yet: there is no versions/*.py
import subprocess

my_folder = new_folder()
alembic_init = [sys.executable, "-m", "alembic", "init", "-t", "async", "migrations"]
subprocess.run(alembic_init, cwd=my_folder, capture_output=True, check=True)

(my_folder / "conftest.py").write_text("""\
import pytest
from models import Base

from project import postgres

pytest_plugins = ["project.testing.session_level"]


@pytest.fixture(scope="session")
def target_metadata():
    return Base.metadata


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
