"""git, with none of the reader's own settings."""

import os
import shutil
import subprocess
from pathlib import Path

SETTINGS = Path(__file__).with_name("gitconfig")


def git(folder: Path, *arguments: str | Path) -> str:
    """Run git in a folder, return what it prints."""
    # In a hook, git names its own repository to all that it starts.
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    environment |= {"GIT_CONFIG_GLOBAL": str(SETTINGS), "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def why_not(folder: Path) -> str:
    """Return why the folder can't be cloned, or nothing."""
    if not shutil.which("git"):
        return "git isn't installed"
    if not (folder / ".git").exists():
        return "this folder isn't a clone of the repository"
    return ""
