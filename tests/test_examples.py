"""Each example runs under every strategy that its tests say they run under, and leaves nothing."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

from project.postgres.embedded import EmbeddedServer
from project.testing import STRATEGIES
from project.testing.database.lifecycle import run_async
from project.testing.template import drop_templates
from tests import forked
from tests.runs import suite
from tests.servers import database, databases

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(file.parent.name for file in EXAMPLES.glob("*/pytest.ini"))
CLAIM = re.compile(r"Runs under every strategy(?: but (\w+))?\.")


def claimed(example: Path, strategy: str) -> list[str]:
    """The test files of an example that say that they run under a strategy."""
    found = []
    for file in sorted(example.rglob("test_*.py")):
        claim = CLAIM.search(file.read_text())
        assert claim, f"{file} doesn't say under which strategies it runs"
        if claim[1] != strategy:
            found.append(str(file.relative_to(example)))
    return found


@pytest.fixture
def environment(example: str, original_dsn: str, open_folder: Path) -> Iterator[dict[str, str]]:
    """An environment that names an example's originals; in the end, nothing is beside them."""
    with ExitStack() as stack:
        others = {name: value for name, value in os.environ.items() if name != "POSTGRES_DSN"}
        if example == "vector_search":  # it asks for the embedded server
            server = EmbeddedServer(open_folder)
            originals = [server.start()]
            stack.callback(server.stop)
            named = {"PROJECT_POSTGRES_DIR": str(open_folder)}
        else:
            orders, invoices = (
                stack.enter_context(database(original_dsn, name)) for name in ("orders", "invoices")
            )
            originals = [original_dsn, orders, invoices]
            named = {
                "POSTGRES_DSN": original_dsn,
                "DATABASE_URL": original_dsn.replace("+asyncpg", "+psycopg"),
                "ORDERS_DSN": orders,
                "INVOICES_DSN": invoices,
            }
        before = databases(originals[0])
        yield others | named
        for dsn in originals:
            run_async(drop_templates(dsn))
        assert databases(originals[0]) == before


def pytest_in(folder: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run pytest in a folder; return its exit status and what it said."""
    process = forked.start(folder, arguments, environment)
    said, _ = process.communicate(timeout=240)
    assert process.returncode is not None
    return process.returncode, said


CASES = [
    (example, strategy)
    for example in NAMES
    for strategy in STRATEGIES
    if claimed(EXAMPLES / example, strategy)
]


@pytest.mark.parametrize(("example", "strategy"), CASES)
def test_an_example(
    example: str, strategy: str, environment: dict[str, str], tmp_path: Path
) -> None:
    copy = tmp_path / example
    shutil.copytree(EXAMPLES / example, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for file in copy.rglob("conftest.py"):
        source = file.read_text()
        assert "restore" in source
        file.write_text(source.replace("restore", strategy))
    status, said = pytest_in(copy, environment, *claimed(copy, strategy))
    assert status == pytest.ExitCode.OK, said
    assert "skipped" not in said


WIPE = suite("examples/wipe.py")


@pytest.mark.parametrize("example", ["two_packages"])
def test_each_of_two_originals_is_out_of_bounds(
    environment: dict[str, str], tmp_path: Path
) -> None:
    copy = tmp_path / "two_packages"
    shutil.copytree(EXAMPLES / "two_packages", copy)
    for package in ("invoices", "orders"):
        (copy / package / f"test_wipe_{package}.py").write_text(WIPE)
    status, said = pytest_in(copy, environment)
    assert status == pytest.ExitCode.TESTS_FAILED, said
    assert "4 passed" in said
    assert "2 failed" in said
    assert "connected to" not in said


README = (EXAMPLES.parent / "README.md").read_text()
SNIPPETS = re.findall(
    r"^ *```python\n(.*?)^ *```$",
    README[README.index("## Use the fixtures") : README.index("## Use your own server")],
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_what_readme_shows_is_in_an_example(snippet: str) -> None:
    def plain(code: str) -> list[str]:
        return dedent(code).strip().splitlines()

    wanted = plain(snippet)
    assert any(
        plain("\n".join(lines[start : start + len(wanted)])) == wanted
        for file in EXAMPLES.rglob("*.py")
        for lines in [file.read_text().splitlines()]
        for start in range(len(lines))
    )


@pytest.mark.parametrize("example", NAMES)
def test_readme_names_every_example(example: str) -> None:
    assert f"](examples/{example})" in README
