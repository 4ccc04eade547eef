"""`make` clears and removes what it has made, and takes nothing else from the reader's shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notebooks import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")

MARK = "made-by-make"
# A package's tools, for as much of them as set-up needs: they write down what they were given.
TOOL = """\
#!/bin/sh
echo "$0 $*" >> log
env > environment
"""
# Makes an environment as `python -m venv` does, in no time.
PYTHON = f"""\
#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    shift 2
    if [ "$1" = --clear ]; then shift; rm -rf "$1"; fi
    mkdir -p "$1/bin"
    for tool in python uv; do cp tool "$1/bin/$tool"; done
else
    exec {sys.executable} "$@"
fi
"""

# What a shell may hold for other projects, each value with a folder or file of theirs.
NASTY = {
    "ALEMBIC_CONFIG": "/other/alembic.ini",
    "COLUMNS": "20",
    "CONDA_PREFIX": "/other/conda",
    "FORCE_COLOR": "1",
    "GIT_DIR": "/other/.git",
    "GIT_INDEX_FILE": "/other/.git/index",
    "GIT_WORK_TREE": "/other",
    "IPYTHONDIR": "/other/ipython",
    "JUPYTERLAB_DIR": "/other/lab",
    "JUPYTER_PATH": "/other/jupyter",
    "JUPYTER_PREFER_ENV_PATH": "0",
    "MPLBACKEND": "module://nonesuch",
    "PIP_DRY_RUN": "1",
    "PIP_NO_BINARY": ":all:",
    "PIP_PYTHON": "/other/bin/python",
    "PIP_TARGET": "/other/packages",
    "PIP_USER": "1",
    "PYTEST_ADDOPTS": "--nonesuch",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "nonesuch",
    "PYTHONHOME": "/other/python",
    "PYTHONINSPECT": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": "/other/lib",
    "PYTHONSAFEPATH": "1",
    "PYTHONSTARTUP": "/other/startup.py",
    "PYTHONWARNINGS": "error",
    "PY_COLORS": "1",
    "UV_PYTHON": "3.9",
    "UV_SYSTEM_PYTHON": "1",
    "VIRTUAL_ENV": "/other/venv",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with this project's Makefile, and tools that do nothing."""
    folder = tmp_path / "a project"
    for name in ("project", "tests", "notebooks", "migrations", "benchmarks"):
        (folder / name).mkdir(parents=True)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name, text in (("tool", TOOL), ("python", PYTHON)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def make(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=os.environ | environment, capture_output=True, text=True
    )


def set_up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return make(folder, "setup", "PYTHON=./python", **environment)


def fill(folder: Path) -> Path:
    """Put something dear into a folder; return it."""
    dear = folder / "lib" / "dear.txt"
    dear.parent.mkdir(parents=True)
    dear.write_text("years of work")
    return dear


def test_it_sets_up_once_and_cleans(project: Path) -> None:
    assert set_up(project).returncode == 0
    assert (project / ".venv" / MARK).exists()
    assert "pip install" in (project / "log").read_text()
    (project / "log").unlink()
    assert set_up(project).returncode == 0
    assert not (project / "log").exists()
    assert make(project, "clean").returncode == 0
    assert not (project / ".venv").exists()


def test_what_an_interrupted_one_has_left_is_made_anew(project: Path) -> None:
    (project / "tool").write_text("#!/bin/sh\nexit 1\n")
    assert set_up(project).returncode != 0
    (project / ".venv" / "broken").touch()
    (project / "tool").write_text(TOOL)
    assert set_up(project).returncode == 0
    assert not (project / ".venv" / "broken").exists()


@pytest.mark.parametrize("how", ["exported", "make -e", "MAKEFLAGS", "on the command line"])
@pytest.mark.parametrize("name", ["VENV", "LOWEST", "BENCHMARKS", "MARK"])
def test_nobody_names_it_a_folder_to_clear(project: Path, name: str, how: str) -> None:
    theirs = project.parent / "theirs"
    dear = fill(theirs)
    environment, arguments = {name: str(theirs)}, ["PYTHON=./python"]
    if how == "make -e":
        arguments += ["-e"]
    elif how == "MAKEFLAGS":
        environment = {"MAKEFLAGS": f"{name}={theirs}"}
    elif how == "on the command line":
        arguments += [f"{name}={theirs}"]
        environment = {}
    for target in ("setup", "clean"):
        assert make(project, target, *arguments, **environment).returncode == 0
        assert dear.read_text() == "years of work"


@pytest.mark.parametrize("kind", ["folder", "link", "link to a marked folder", "file"])
def test_an_environment_of_yours_is_refused_and_stays(project: Path, kind: str) -> None:
    theirs = project.parent / "theirs"
    venv = project / ".venv"
    if kind == "folder":
        theirs = venv
    elif kind == "file":
        venv.touch()
    else:
        venv.symlink_to(theirs)
    dear = fill(theirs)
    if kind == "link to a marked folder":
        (theirs / MARK).touch()
    result = set_up(project)
    assert result.returncode != 0
    said = (result.stdout + result.stderr).splitlines()
    assert [line for line in said if ".venv" in line and "make leaves it alone" in line]
    result = make(project, "clean")
    assert result.returncode == 0
    assert ".venv stays" in result.stdout
    assert dear.read_text() == "years of work"
    assert venv.exists()


def test_clean_takes_the_projects_bytecode_and_no_other(project: Path) -> None:
    for name in ("project", "tests", "notebooks", "migrations", "benchmarks"):
        (project / name / "inner" / "__pycache__").mkdir(parents=True)
    theirs = [
        project / "my checkout" / "__pycache__",
        project / "env" / "lib" / "__pycache__",
        project / "notebooks" / "env" / "lib" / "__pycache__",
        project / "benchmarks" / "peer" / "__pycache__",
    ]
    for folder in theirs:
        folder.mkdir(parents=True)
    (project / "notebooks" / "env" / "pyvenv.cfg").touch()
    (project / "benchmarks" / "peer" / ".git").mkdir()
    for name in (".pytest_cache", ".mypy_cache"):
        (project / name).mkdir()
    (project / ".pytest_cache" / "CACHEDIR.TAG").touch()
    assert make(project, "clean").returncode == 0
    assert sorted(project.rglob("__pycache__")) == sorted(theirs)
    assert not (project / ".pytest_cache").exists()
    assert (project / ".mypy_cache").exists()


@pytest.mark.parametrize("target", ["setup", "test", "notebooks", "faults"])
def test_your_shell_steers_nothing(project: Path, target: str) -> None:
    """Neither set-up nor what a target starts sees any of it, and where packages come from stays."""
    sources = {"PIP_INDEX_URL": "file:///here", "UV_INDEX_URL": "file:///here"}
    theirs = {"PYTHON": "/other/bin/python", "NOTEBOOKS": "99"}
    if target != "setup":
        assert set_up(project).returncode == 0
    result = make(project, target, "PYTHON=./python", **NASTY, **sources)
    assert result.returncode == 0, result.stderr
    lines = (project / "environment").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    assert {name: found[name] for name in NASTY if name in found} == {
        "PYTEST_ADDOPTS": "-p no:hypothesispytest"
    }
    assert sources.items() <= found.items()
    shown = make(project, "--dry-run", "launch", **theirs).stdout
    assert "/other" not in shown
    assert "99" not in shown


def test_pip_installs_into_it_whatever_its_configuration_says(project: Path) -> None:
    """Run the line that the Makefile runs, on a package that a test can make."""
    assert set_up(project).returncode == 0
    line = next(
        line for line in (project / "log").read_text().splitlines() if "--require-hashes" in line
    )
    options = line.split(" -m pip install ")[1].split(" --require-hashes")[0]
    assert "--no-user" in options
    assert f"--prefix={project}/.venv" in options
