"""The workshop says what it lacks, takes over nobody's user, and hands out no outputs.

`make rehearse` runs it whole: it makes users, and so needs root and a machine of its own.
"""

import os
import subprocess
from pathlib import Path

import nbformat
import pytest

from tests.notebooks import FOLDER, ROOT
from workshop import __main__ as start
from workshop import place
from workshop.participants import COURSE, RefusedError, make_skeleton, make_user


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(place, "FOLDER", tmp_path)
    monkeypatch.setattr(place, "SKELETON", tmp_path / "skeleton")
    monkeypatch.delenv("WORKSHOP_PASSWORD", raising=False)
    return tmp_path


def tools(folder: Path, **scripts: str) -> dict[str, str]:
    """An environment with a few tools that say what a test wants, and none but the usual ones."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return os.environ | {"PATH": f"{folder}:/usr/bin:/bin"}


def make(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "workshop"], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_make_says_that_root_has_to_run_it(tmp_path: Path) -> None:
    result = make(tools(tmp_path / "bin", id="echo 1000"))
    assert result.returncode != 0
    assert "so root has to run it: sudo make workshop" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_make_says_that_node_is_missing(tmp_path: Path) -> None:
    environment = tools(tmp_path / "bin", id="echo 0")
    for name in ("sh", "echo"):
        (tmp_path / "bin" / name).symlink_to(f"/bin/{name}")
    make_itself = subprocess.check_output(["sh", "-c", "command -v make"], text=True).strip()
    result = subprocess.run(
        [make_itself, "workshop"],
        cwd=ROOT,
        env=environment | {"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "needs Node.js and npm: apt-get install nodejs npm" in result.stdout


def test_it_says_what_it_lacks_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root has to run it" in (start.why_not() or "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(folder))
    assert "needs Node.js" in (start.why_not() or "")
    for name in ("node", "useradd"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr(start, "PROXY", folder / "node")
    monkeypatch.setenv("WORKSHOP_PASSWORD", "s3cret")
    reason = start.why_not() or ""
    assert "too short" in reason
    assert "s3cret" not in reason


def test_the_days_password_is_made_once_and_for_root_alone(folder: Path) -> None:
    password = place.password()
    assert len(password) >= 8
    assert place.password() == password
    assert (folder / "password").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["root", "nobody", "daemon"])
def test_no_user_of_the_machine_is_taken_over(name: str) -> None:
    with pytest.raises(RefusedError, match="Log in with another name") as refused:
        make_user(name)
    assert refused.value.jupyterhub_message == str(refused.value)


def test_a_participant_gets_the_course_without_outputs(folder: Path) -> None:
    make_skeleton()
    course = place.SKELETON / COURSE
    found = sorted(path.name for path in (course / "notebooks").glob("*.ipynb"))
    assert found == sorted(path.name for path in FOLDER.glob("*.ipynb"))
    for name in found:
        for cell in nbformat.read(course / "notebooks" / name, as_version=4).cells:
            assert not cell.get("outputs")
    assert all(path.stat().st_mode & 0o077 == 0 for path in course.rglob("*"))
    assert not list(course.rglob("__pycache__"))
