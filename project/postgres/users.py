"""Whose the server is, and whose the folders are. No folder changes hands."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from project.postgres.connection import PostgresError
from project.postgres.messages import WAY_OUT

if sys.platform != "win32":
    import pwd


def is_root() -> bool:
    """Tell whether this process is root's. PostgreSQL refuses to run as root."""
    return os.geteuid() == 0


def server_user() -> dict[str, Any]:
    """Return subprocess's arguments that make PostgreSQL another user's: for root, `nobody`'s."""
    if not is_root():
        return {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise PostgresError(
            "PostgreSQL refuses to run as root, and this system has no user 'nobody' to run it as."
            f" Work as another user. {WAY_OUT}"
        ) from None
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give_to_server_user(folder: Path) -> None:
    """Make a folder of root's the server user's."""
    if owner := server_user():
        os.chown(folder, owner["user"], owner["group"], follow_symlinks=False)


def is_servers_own(folder: Path) -> bool:
    """Tell whether a folder is the server user's, and closed to all others."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return found.st_uid == server_user().get("user", os.geteuid()) and found.st_mode == 0o40700


def check_owners(folder: Path, run: Path) -> None:
    """Raise a PostgresError if a folder is another user's.

    Args:
        folder: the server's folder. Root works in one of root's; a user may have been lent one.
        run: the folder in it that holds the data. It is the server user's; or still root's, if
            root was interrupted before giving it away.
    """
    for path in (folder, run) if is_root() else (run,):
        try:
            owner = path.stat().st_uid
        except PermissionError:  # even what is in it is another user's business
            path, owner = folder, _owner_above(folder)
        except OSError:
            continue
        if owner == os.geteuid() or (path == run and owner == server_user().get("user")):
            continue
        raise PostgresError(
            f"The folder {path} belongs to {_name(owner)}, and you are {_name(os.geteuid())}."
            f" Name a folder of your own in PROJECT_POSTGRES_DIR. {WAY_OUT}"
        )


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless they are there.

    What root makes can be entered by the user who runs the server, whatever root's umask is.
    """
    if not is_root():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    elif not folder.is_dir():
        make_folder(folder.parent)
        with suppress(FileExistsError):  # another process was first
            folder.mkdir()
            folder.chmod(0o711)


def _owner_above(folder: Path) -> int:
    """Return the owner of a folder, or of the nearest one above it that can be seen."""
    for path in (folder, *folder.parents):
        try:
            return path.stat().st_uid
        except OSError:
            continue
    return 0


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
