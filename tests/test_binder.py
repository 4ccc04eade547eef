"""What Binder would build from this repository, as repo2docker says it: no Docker is needed.

Each check is shown to fail on a repository that is broken in the one way that it looks for.
"""

import io
import os
import shutil
import subprocess
import tarfile
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of a package that repo2docker imports
    from repo2docker.app import Repo2Docker
    from repo2docker.buildpacks import BuildPack, CondaBuildPack

from tests import environment
from tests.git import git, why_not

ROOT = Path(__file__).resolve().parents[1]
# What PyPI's extras ask for, where conda has no extras.
EXTRAS = {"sqlalchemy[asyncio]": ["greenlet"]}


class Client:
    """Stands where repo2docker expects Docker, and keeps what it is given to build."""

    context: tarfile.TarFile

    def build(self, *, fileobj: io.BytesIO, **_: Any) -> Iterator[str]:
        self.context = tarfile.open(fileobj=fileobj)  # noqa: SIM115
        yield ""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with the tracked files as they are now, for a test to break."""
    if reason := why_not(ROOT):
        pytest.skip(f"Binder clones a repository, and {reason}")
    copy = tmp_path / "repository"
    for name in git(ROOT, "ls-files", "-z").split("\0"):
        if name and (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    return copy


def problems(repository: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return what is wrong with the image that Binder would build from what is committed."""
    git(repository, "commit", "--quiet", "--all", "--message", "as it is")
    clone = repository.with_name("clone")
    git(repository, "clone", "--quiet", ".", clone)
    monkeypatch.chdir(clone)  # repo2docker reads the working directory
    packs = (pack("an image") for pack in Repo2Docker().buildpacks)
    chosen: BuildPack | None = next((pack for pack in packs if pack.detect()), None)
    if not isinstance(chosen, CondaBuildPack):
        return {"build pack"}
    chosen.platform = "linux/amd64"

    client = Client()
    list(chosen.build(client, "image", 0, {}, [], {}))
    image = {member.name: member for member in client.context.getmembers()}
    dockerfile = client.context.extractfile("Dockerfile")
    assert dockerfile
    steps = dockerfile.read().decode().splitlines()

    def step(text: str) -> int:
        return next((number for number, line in enumerate(steps) if text in line), -1)

    found = set()
    if chosen.python_version != "3.12":
        found.add("Python")
    link = image["src/binder/environment.yml"]
    if not (link.issym() and link.linkname == "../environment.yml"):
        found.add("link")
    order = [
        step('env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"'),
        step("COPY --chown=1000:1000 src/ ${REPO_DIR}/"),
        step("RUN ./binder/postBuild"),
        step('ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"'),
        step("ENTRYPOINT"),
    ]
    if -1 in order or order != sorted(order):
        found.add("order")
    for name in ("postBuild", "start"):
        script = clone / "binder" / name
        if script.exists() and not image[f"src/binder/{name}"].mode & 0o100:
            found.add(f"{name} can't be executed")
    start = clone / "binder" / "start"
    if start.exists() and not becomes_the_command(start):
        found.add("start doesn't become Jupyter")
    post_build = clone / "binder" / "postBuild"
    if post_build.exists() and "\nset -euo pipefail\n" not in post_build.read_text():
        found.add("postBuild goes on after an error")
    return found


def becomes_the_command(start: Path) -> bool:
    """Tell whether the script ends as the command it is given, where there is no Python at all."""
    process = subprocess.Popen(
        ["/bin/bash", start, "/bin/sh", "-c", "echo $$"],
        env={"PATH": "/nowhere"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    said, _ = process.communicate()
    return said == f"{process.pid}\n"


def replace(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(repository: Path) -> None:
        text = (repository / path).read_text()
        assert old in text
        (repository / path).write_text(text.replace(old, new))

    return change


def copy_instead_of_link(repository: Path) -> None:
    (repository / "binder" / "environment.yml").unlink()
    shutil.copy(repository / "environment.yml", repository / "binder")


def add_a_dockerfile(repository: Path) -> None:
    (repository / "binder" / "Dockerfile").write_text("FROM scratch\n")
    git(repository, "add", "binder")


def delete(path: str) -> Callable[[Path], None]:
    return lambda repository: (repository / path).unlink()


def untrack(path: str) -> Callable[[Path], None]:
    return lambda repository: print(git(repository, "rm", "--cached", path))


def make_plain(path: str) -> Callable[[Path], None]:
    return lambda repository: (repository / path).chmod(0o644)


def test_binder_builds_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(repository, monkeypatch) == set()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        pytest.param(delete("binder/environment.yml"), "build pack", id="no link"),
        pytest.param(untrack("binder/environment.yml"), "build pack", id="untracked link"),
        pytest.param(copy_instead_of_link, "link", id="copied file"),
        pytest.param(add_a_dockerfile, "build pack", id="Dockerfile"),
        pytest.param(
            replace("environment.yml", "python=3.12", "python>=3.12"), "Python", id="python>="
        ),
        pytest.param(
            replace("environment.yml", "  - pip:", "  - pip:\n      - -e ."), "order", id="-e ."
        ),
        pytest.param(untrack("binder/start"), "order", id="untracked start"),
        pytest.param(untrack("binder/postBuild"), "order", id="untracked postBuild"),
        pytest.param(make_plain("binder/start"), "start can't be executed", id="start's mode"),
        pytest.param(
            make_plain("binder/postBuild"), "postBuild can't be executed", id="postBuild's mode"
        ),
        pytest.param(
            replace("binder/start", 'exec "$@"', '"$@"'),
            "start doesn't become Jupyter",
            id="no exec",
        ),
        pytest.param(
            replace("binder/start", "\nlog=", "\nset -e\nfalse\nlog="),
            "start doesn't become Jupyter",
            id="start stops at an error",
        ),
        pytest.param(
            replace("binder/postBuild", "set -euo pipefail", ""),
            "postBuild goes on after an error",
            id="no set -e",
        ),
    ],
)
def test_a_broken_binder_is_noticed(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Path], None],
    problem: str,
) -> None:
    break_it(repository)
    assert problems(repository, monkeypatch) == {problem}


HOSTILE = """\
[commit]
    gpgsign = true
[core]
    hooksPath = {folder}
    excludesFile = {folder}/ignored
[init]
    templateDir = {folder}/nowhere
[user]
    useConfigOnly = true
"""


def test_your_git_settings_steer_nothing(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = tmp_path / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (tmp_path / "ignored").write_text("*\n")
    (tmp_path / ".gitconfig").write_text(HOSTILE.format(folder=tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert problems(request.getfixturevalue("repository"), monkeypatch) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout to another user")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout to another user")
def test_root_may_clone_a_checkout_of_somebody_elses(repository: Path) -> None:
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    git(repository, "commit", "--quiet", "--message", "as it is")
    git(repository.parent, "clone", "--quiet", repository, "clone")
    assert (repository.parent / "clone" / "README.md").exists()


def test_it_says_why_git_can_not_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("git"):
        assert why_not(tmp_path) == "this folder isn't a clone of the repository"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert why_not(ROOT) == "git isn't installed"


def test_conda_and_pypi_get_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {}
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *extras["server"], *extras["notebooks"]]
    for requirement in map(Requirement, listed):
        if requirement.name == project["name"]:  # one extra that takes another in
            continue
        if requirement.marker and not requirement.marker.evaluate({"python_version": "3.12"}):
            continue
        wanted[requirement.name] = requirement.specifier
        for extra in sorted(requirement.extras):
            for name in EXTRAS[f"{requirement.name}[{extra}]"]:
                wanted[name] = Requirement(name).specifier
    found = {requirement.name: requirement.specifier for requirement in environment.requirements()}
    assert found == wanted
