# not yet: is `upgrade` in your migration still empty?
import subprocess

my_folder = new_folder()
alembic_init = [sys.executable, "-m", "alembic", "init", "-t", "async", "migrations"]
subprocess.run(alembic_init, cwd=my_folder, capture_output=True, check=True)

(my_folder / "migrations" / "versions" / "0001_create_tag.py").write_text("""\
revision, down_revision = "0001", None


def upgrade():
    pass


def downgrade():
    pass
""")

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


@pytest.mark.asyncio
async def test_it(db): ...
""")
