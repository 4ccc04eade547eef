"""Each room imports what CONTRIBUTING's table says that it may, and nothing else."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (`(?:project|examples)[^|]*) \|[^|]+\| (.+) \|$", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")
# Room to what its row allows, as the table has it.
ROOMS: dict[str, str] = {
    room: allowed
    for rooms, allowed in ROW.findall((ROOT / "CONTRIBUTING.md").read_text())
    for room in NAME.findall(rooms)
}


def extra(name: str) -> set[str]:
    """The modules that an extra's packages have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = map(Requirement, project["optional-dependencies"][name])
    return {it.name.replace("-", "_") for it in needed}


def room_of(path: str) -> str:
    return max((it for it in ROOMS if f"{path}/".startswith(f"{it}/")), key=len)


def imports(source: str, package: list[str]) -> Iterator[str]:
    """What a module in a package imports: a file of the project, or the name of another package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (it.name.partition(".")[0] for it in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            parts = [*above, *filter(None, (node.module or "").split("."))]
            if parts[0] == "project":
                yield from (file_of([*parts, it.name]) for it in node.names)
            else:
                yield parts[0]


def file_of(parts: list[str]) -> str:
    """The file that a full name is in, relative to the repository's root."""
    for end in (f"{parts[-1]}.py", f"{parts[-1]}/__init__.py"):
        if (ROOT.joinpath(*parts[:-1]) / end).exists():
            return "/".join([*parts[:-1], end])
    if ROOT.joinpath(*parts[:-1]).is_dir():
        return "/".join([*parts[:-1], "__init__.py"])
    return "/".join(parts[:-1]) + ".py"


def outside(path: str, source: str) -> set[str]:
    """What a file imports and its room may not."""
    room = room_of(path)
    allowed = {room, "project/__init__.py", *NAME.findall(ROOMS[room])}
    for name in ("server", "notebooks"):
        allowed |= extra(name) if f"[{name}]" in allowed else set()
    found = {
        name
        for name in imports(source, path.split("/")[:-1])
        if name not in {"project", *sys.stdlib_module_names}
        and not any(f"{name}/".startswith(f"{it}/") for it in allowed)
    }
    if "any package" in ROOMS[room]:
        return {name for name in found if name.startswith("project/")}
    return found


FILES = [
    file.relative_to(ROOT).as_posix()
    for folder in ("project", "examples")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if file != ROOT / "project" / "__init__.py"
]


@pytest.mark.parametrize("path", FILES)
def test_a_file_imports_what_its_room_may(path: str) -> None:
    assert outside(path, (ROOT / path).read_text()) == set()


@pytest.mark.parametrize("path", [it for it in FILES if it.startswith("project/testing/")])
def test_the_folder_to_take_home_names_itself_nowhere(path: str) -> None:
    """All that it imports of this project, it imports by a relative path."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        names = [it.name for it in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert not [name for name in names if name.split(".")[0] == "project"]


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("project/db/models.py", "import pytest", {"pytest"}),
        ("project/db/models.py", "from project import postgres", {"project/postgres/__init__.py"}),
        ("project/testing/template.py", "from ..db.models import Base", {"project/db/models.py"}),
        (
            "project/testing/database/names.py",
            "from ..template import fingerprint",
            {"project/testing/template.py"},
        ),
        ("project/postgres/users.py", "def f():\n    import matplotlib", {"matplotlib"}),
    ],
)
def test_a_wrong_import_is_found(path: str, source: str, found: set[str]) -> None:
    assert outside(path, source) == found
