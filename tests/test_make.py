"""`make` clears and removes what it has made, and takes nothing else from the reader's shell."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.nasty import SHELL
from tests.notebooks import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")

MARK = "made-by-make"
UV = Path(sys.executable).with_name("uv")
FOLDERS = [
    "project",
    "tests",
    "notebooks",
    "migrations",
    "examples",
    "benchmarks",
    "book",
    "workshop",
]
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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with this project's Makefile, and tools that do nothing."""
    folder = tmp_path / "a project"
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name, text in (("tool", TOOL), ("python", PYTHON)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
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
    for name in FOLDERS:
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


@pytest.mark.parametrize("target", ["setup", "test", "thorough", "notebooks", "faults"])
def test_your_shell_steers_nothing(project: Path, target: str) -> None:
    """Nothing that a target starts sees any of it, but for where packages come from."""
    sources = {"PIP_INDEX_URL": "file:///here", "UV_INDEX_URL": "file:///here"}
    theirs = {"PYTHON": "/other/bin/python", "NOTEBOOKS": "99"}
    if target != "setup":
        assert set_up(project).returncode == 0
    result = make(project, target, "PYTHON=./python", **SHELL, **sources)
    assert result.returncode == 0, result.stderr
    lines = (project / "environment").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    assert {name: found[name] for name in SHELL if name in found} == {
        "PYTEST_ADDOPTS": "-p no:hypothesispytest"
    }
    assert sources.items() <= found.items()
    # `-e` has the environment override what a Makefile says.
    shown = make(project, "-e", "--dry-run", "launch", **theirs).stdout
    assert "/other" not in shown
    assert "99" not in shown


PIP_CONF = """\
[install]
user = true
target = {folder}
prefix = {folder}
root = {folder}
"""


def write_wheel(folder: Path, name: str) -> Path:
    """Write a package that holds nothing."""
    wheel = folder / f"{name}-1-py3-none-any.whl"
    information = f"{name}-1.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
        )
        archive.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{information}/RECORD", "")
    return wheel


def test_pip_installs_into_it_whatever_its_configuration_says(project: Path) -> None:
    assert set_up(project).returncode == 0
    lines = (project / "log").read_text().splitlines()
    [line] = [line for line in lines if " pip install --quiet" in line and "requirements" in line]
    # What the Makefile gives to pip, in front of the packages.
    options = line.partition(" -m pip install ")[2].partition(" --require-hashes")[0]
    theirs = project.parent / "theirs"
    configuration = project.parent / "pip.conf"
    configuration.write_text(PIP_CONF.format(folder=theirs))
    wheel = write_wheel(project.parent, "empty_package")
    given = [
        option.replace("@", str(project)) for option in options.replace(str(project), "@").split()
    ]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *given, "--no-deps", wheel],
        cwd=project,
        env=os.environ | {"PIP_CONFIG_FILE": str(configuration)},
        check=True,
    )
    assert [path.name for path in (project / ".venv").rglob("empty*.py")] == ["empty_package.py"]
    assert not theirs.exists()


@pytest.mark.skipif(not UV.exists(), reason="there is no uv here")
def test_readmes_uv_commands_stay_out_of_another_environment(tmp_path: Path) -> None:
    """They are run as they stand, on a package that a test can make."""
    readme = (ROOT / "README.md").read_text()
    [block] = [b for b in readme.split("```")[1::2] if "uv venv" in b]
    lines = [line.split("#")[0].strip() for line in block.splitlines()[1:]]
    install = [line for line in lines if line.startswith("uv ") and "editable" not in line]
    assert len(install) == 2
    (tmp_path / "requirements.txt").write_text(f"{write_wheel(tmp_path, 'empty_package')}\n")
    environment = os.environ | {"PATH": f"{UV.parent}:{os.environ['PATH']}", "UV_OFFLINE": "1"}
    theirs = tmp_path / "theirs"
    subprocess.run(["uv", "venv", theirs], env=environment, check=True)
    environment["VIRTUAL_ENV"] = str(theirs)
    environment["PYTHONPATH"] = ""
    for line in install:
        subprocess.run(["sh", "-ec", line], cwd=tmp_path, env=environment, check=True)
    assert list((tmp_path / ".venv").rglob("empty_package.py"))
    assert not list(theirs.rglob("empty_package.py"))


def test_lab_opens_the_notebooks_whatever_its_configuration_says(project: Path) -> None:
    assert set_up(project).returncode == 0
    jupyter = project / ".venv" / "bin" / "jupyter"
    jupyter.symlink_to(Path(sys.executable).with_name("jupyter"))
    (project / "notebooks" / "00_start_here.ipynb").touch()
    theirs = project.parent / "theirs"
    theirs.mkdir()
    (theirs / "jupyter_server_config.py").write_text(
        f"c.ServerApp.root_dir = c.ServerApp.preferred_dir = {str(theirs)!r}\n"
        "c.ServerApp.default_url = '/theirs'\n"
        "c.ServerApp.open_browser = False\n"
    )
    token = secrets.token_hex()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    environment = {"JUPYTER_CONFIG_DIR": str(theirs), "JUPYTER_TOKEN": token, "JUPYTER_PORT": port}
    server = subprocess.Popen(
        ["make", "lab", "PYTHON=./python"],
        cwd=project,
        env=os.environ | SHELL | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address, headers = f"http://127.0.0.1:{port}", {"Authorization": f"token {token}"}
        end = time.monotonic() + 60
        while True:
            try:
                found = requests.get(
                    f"{address}/api/contents/notebooks", headers=headers, timeout=9
                )
                break
            except requests.ConnectionError:
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
        assert [entry["name"] for entry in found.json()["content"]] == ["00_start_here.ipynb"]
        first = requests.get(address, headers=headers, timeout=9, allow_redirects=False)
        assert first.headers["Location"].rstrip("?") == "/lab/tree/notebooks/00_start_here.ipynb"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
