"""What went wrong, in one line: the reason that PostgreSQL or the system gave, and its remedy."""

import errno
import re
from pathlib import Path

WAY_OUT = "Or name a server of your own in POSTGRES_DSN."
ANOTHER_FOLDER = "Name another folder in PROJECT_POSTGRES_DIR."
ROOM = "Make room on the disk, or name a folder on another one in PROJECT_POSTGRES_DIR."
LIMIT = "Raise the limit of open files (ulimit -n)."

# The gravest first. PostgreSQL's last word is often a consequence, and its first one a detail.
REASONS = [
    re.compile(pattern)
    for pattern in (
        r"GLIBC_|error while loading shared libraries",
        r"PANIC:",
        r"No space left|Disk quota exceeded|Bus error|Cannot allocate memory",
        r"terminated by signal|^Killed|Segmentation fault|Illegal instruction",
        r"FATAL:",
        r"error:",
    )
]
# What a client was told, or a backend at the end. It is no reason for the server's own failure.
HARMLESS = re.compile(
    r"FATAL:  ?(the database system is |terminating |canceling "
    r"|(database|role) \".*\" does not exist|password authentication |no pg_hba.conf entry "
    r"|sorry, too many clients|remaining connection)"
)
# Lines that only point elsewhere.
EMPTY = re.compile(r"\s*$|HINT:|Examine the log output|.*stopped waiting|.*could not start server$")

REMEDIES = [
    (r"GLIBC_", "This PostgreSQL needs glibc 2.28 or newer."),
    (
        r"Bus error|shared memory",
        "The shared memory in /dev/shm may be too small or full:"
        " give a container more of it (docker run --shm-size=256m).",
    ),
    (r"No space left|Disk quota exceeded", ROOM),
    (r"Cannot allocate memory|Killed|SIGKILL", "The memory may be full: end other programs."),
    (r"Permission denied|not permitted|Read-only file system", ANOTHER_FOLDER),
    (r"Too many open files", LIMIT),
]

FAULTS = {
    errno.ENOSPC: ("is full", ROOM),
    errno.EDQUOT: ("is full", f"Make room within your quota. {ANOTHER_FOLDER}"),
    errno.EMFILE: ("can't be opened", LIMIT),
    errno.ENFILE: ("can't be opened", "The system has too many open files: end other programs."),
    **dict.fromkeys(
        (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS),
        (
            "is on a file system that can't lock files",
            "Name a folder on a local disk in PROJECT_POSTGRES_DIR.",
        ),
    ),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT),
        ("can't be written", ANOTHER_FOLDER),
    ),
}


def of_folder(folder: Path, error: OSError) -> str:
    """Say why PostgreSQL can't keep its data in a folder, and what to do."""
    what, remedy = FAULTS.get(error.errno or 0, ("can't be used", ANOTHER_FOLDER))
    said = error.strerror or str(error).partition("\n")[0]
    return f"PostgreSQL keeps its data in {folder}, which {what}: {said}. {remedy} {WAY_OUT}"


def of_tool(name: str, run: Path, error: str, said: str, log: str) -> str:
    """Say why one of PostgreSQL's tools failed, and what to do.

    Args:
        name: the tool.
        run: the folder of the server's files.
        error: what the system says of the tool's end.
        said: what the tool said.
        log: what the server said.
    """
    reason = reason_in(said, log) or error
    remedy = next((f"{words} " for hint, words in REMEDIES if re.search(hint, reason)), "")
    return f"PostgreSQL's {name} failed: {reason} (its files are in {run}). {remedy}{WAY_OUT}"


def reason_in(said: str, log: str) -> str | None:
    """Return the line that gives the reason; None if nothing was said."""
    lines = [line.strip() for line in (said + "\n" + log).splitlines()]
    lines = [line for line in lines if not HARMLESS.search(line)]
    for pattern in REASONS:
        for line in lines:
            if pattern.search(line):
                return line
    telling = [line for line in lines if not EMPTY.match(line)]
    return telling[-1] if telling else None
