"""The assignment fails at first for the reason it names, and each mistake loses what it should.

The commands are those of `assignment.md`. A hand-in is a file in `suites/assignment`, and its first
line says which lines of the marking it loses.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.runs import SUITES
from tests.servers import database, databases

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "book" / "assignment.md").read_text()
BEGIN, TASK, MARKING = TEXT.split("\n## ")[1:]
COPIED = (ROOT / "examples" / "create_all" / "conftest.py").read_text()
HAND_INS = {file.stem: file.read_text() for file in (SUITES / "assignment").glob("*.py")} | {
    "copied": f"# Loses: all\n{COPIED}",
    "copied_with_the_name": "# Loses: a change in a model's file makes a new template\n"
    + COPIED.replace("create_all", "notes"),
}
# What a command says at hand-out; under session level it is what nobody has named.
REASON = "column note.priority does not exist"
REASONS = {"session_level": "Override the fixture `target_metadata`"}


def blocks(section: str) -> list[str]:
    return re.findall(r"^```console\n(.*?)^```$", section, re.M | re.S)


def rows() -> dict[str, tuple[int, list[str]]]:
    """What the marking's lines are about: their points, and their commands."""
    found = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", MARKING, re.M)
    return {what: (int(points), re.findall("`([^`]+)`", seen)) for points, what, seen in found}


SHOWN = {what: commands for what, (_, commands) in rows().items() if commands}
QUICK = "-p no:hypothesispytest -p no:cacheprovider --tb=line"
TO_READ = [what for what, (_, commands) in rows().items() if not commands]


@pytest.fixture(scope="module")
def environment(
    os_environ_patch: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A shell's, with a home of its own; in the end, the page's last command has dropped all."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    home = str(tmp_path_factory.mktemp("home"))
    with database(os.environ["POSTGRES_DSN_ORIGINAL"], "original_of_an_assignment") as dsn:
        environment = os.environ | {"HOME": home, "TMPDIR": home, "PATH": path}
        environment |= {"POSTGRES_DSN": dsn, "PYTEST_ADDOPTS": QUICK}
        before = databases(dsn)
        yield environment
        [drop] = set(re.findall(r"`(POSTGRES_DSN=.* --drop)`", TEXT))
        shell(drop, environment | {"ORIGINAL": dsn}, ROOT / "book" / "assignment")
        assert databases(dsn) == before


def shell(script: str, environment: dict[str, str], folder: Path) -> list[str]:
    """Run lines in a shell; return the folder and the DSN with which it ends."""
    lines = f'set -e\n{script}\necho "$PWD"; echo "$POSTGRES_DSN"'
    done = subprocess.run(
        ["bash", "-c", lines], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def status(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command; return its exit status, and what it says."""
    if not command.startswith("python -m pytest"):
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment)
        return done.returncode, ""
    process = forked.start(folder, shlex.split(command)[3:], environment)
    said, _ = process.communicate(timeout=120)
    assert process.returncode is not None
    return process.returncode, said


def lost(handed_in: Path, environment: dict[str, str]) -> list[str]:
    """Mark a hand-in as the page says; return the lines that it loses."""
    once, each = blocks(MARKING)
    each, replaced = re.subn(r"^HANDED_IN=.*$", f"HANDED_IN={handed_in}", each, flags=re.M)
    assert replaced == 1
    folder, dsn = shell(once + each, environment, ROOT)
    marked = environment | {"POSTGRES_DSN": dsn}
    return [
        what
        for what, commands in SHOWN.items()
        if any(status(command, Path(folder), marked)[0] for command in commands)
    ]


def test_there_are_ten_points() -> None:
    assert sum(points for points, _ in rows().values()) == 10
    assert (len(SHOWN), len(TO_READ)) == (4, 2)


def test_each_command_fails_at_hand_out(environment: dict[str, str]) -> None:
    folder, dsn = shell(blocks(BEGIN)[1], environment, ROOT)
    commands = re.findall(r"`(python -m pytest [^`]+)`", TASK)
    assert set(commands) == {it for row in SHOWN.values() for it in row if "pytest" in it}
    for command in commands:
        code, said = status(command, Path(folder), environment | {"POSTGRES_DSN": dsn})
        assert code, command
        assert REASONS.get(command.rpartition(".")[2], REASON) in said
    assert REASON in TASK


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(HAND_INS.keys() - {"good", "no_upgrade_schema"}))
def test_a_hand_in_loses_what_it_should(
    name: str, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "handed_in.py"
    file.write_text(HAND_INS[name])
    said = HAND_INS[name].partition("\n")[0].removeprefix("# Loses: ")
    expected = {"all": list(SHOWN), "nothing": []}.get(said, [said])
    assert lost(file, environment) == expected


@pytest.mark.thorough
def test_one_hand_in_is_nothing_to_the_next(environment: dict[str, str], tmp_path: Path) -> None:
    """The template of one that leaves the schema to the migrations isn't there for the good one."""
    for name in ("no_upgrade_schema", "good"):
        (tmp_path / f"{name}.py").write_text(HAND_INS[name])
    assert lost(tmp_path / "no_upgrade_schema.py", environment) == list(SHOWN)
    assert lost(tmp_path / "good.py", environment) == []


@pytest.mark.parametrize(
    ("dsn", "said"),
    [("", "POSTGRES_DSN isn't set"), ("postgresql://a:s3cret@localhost/shop", "uses asyncpg")],
)
def test_a_database_that_can_not_be_made_has_one_line(dsn: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "fresh.py"],
        cwd=ROOT / "book" / "assignment",
        env=os.environ | {"POSTGRES_DSN": dsn},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert said in done.stderr
    assert "s3cret" not in done.stderr
