# not yet: because none of them asks for `db`
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
def target_metadata():
    return Base.metadata


@pytest.fixture(scope="session")
def original_postgres_dsn():
    return postgres.dsn()
""")

(my_folder / "test_tag.py").write_text("""\
from models import Tag


def test_it_has_a_name():
    assert Tag(name="one").name == "one"
""")
