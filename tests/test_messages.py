"""Why the embedded server didn't start, in one line: the reason, and its own remedy."""

import errno
import os
from pathlib import Path

import pytest

from project.postgres.messages import of_folder, of_tool

HERE = Path("/home/reader/pg")
STOPPED = "pg_ctl: could not start server\nExamine the log output.\n"
WAITING = "FATAL:  the database system is starting up\n"


@pytest.mark.parametrize(
    ("said", "log", "reason", "remedy"),
    [
        pytest.param(
            "running bootstrap script ... Bus error (core dumped)\n"
            "child process exited with exit code 135\ninitdb: removing data directory\n",
            "",
            "Bus error",
            "--shm-size",
            id="bus error",
        ),
        pytest.param(
            "initdb: error: could not write\nKilled\n", "", "Killed", "memory", id="killed"
        ),
        pytest.param(
            STOPPED,
            "LOG:  starting\n"
            'PANIC:  could not write to file "pg_wal/x": No space left on device\n'
            "LOG:  startup process (PID 9) was terminated by signal 6: Aborted\n" + WAITING,
            "PANIC:  could not write",
            "Make room",
            id="a panic, and a client's fatal after it",
        ),
        pytest.param(
            STOPPED,
            'FATAL:  could not create lock file "x": No space left on device\n',
            "No space left",
            "Make room",
            id="a full disk",
        ),
        pytest.param(
            STOPPED,
            'FATAL:  could not resize shared memory segment "/PostgreSQL.1" to 9 bytes:'
            " No space left on device\n",
            "shared memory",
            "--shm-size",
            id="full shared memory is no full disk",
        ),
        pytest.param(
            STOPPED,
            'FATAL:  could not load "pg_hba.conf"\n'
            + WAITING
            + 'FATAL:  database "x" does not exist\n'
            "FATAL:  terminating connection due to administrator command\n",
            "pg_hba.conf",
            "",
            id="what clients were told is no reason",
        ),
        pytest.param(
            "pg_ctl: server does not shut down\nHINT:  The -m fast option disconnects.\n",
            WAITING,
            "server does not shut down",
            "",
            id="no fatal at all",
        ),
        pytest.param(
            "postgres: /lib/libc.so.6: version `GLIBC_2.28' not found\n",
            "",
            "GLIBC_2.28",
            "needs glibc 2.28",
            id="an old system",
        ),
        pytest.param("", "", "died with", "memory", id="nothing was said"),
    ],
)
def test_the_reason_of_a_tool(said: str, log: str, reason: str, remedy: str) -> None:
    message = of_tool("pg_ctl", HERE, "Command died with <Signals.SIGKILL: 9>.", said, log)
    assert message.startswith("PostgreSQL's pg_ctl failed: ")
    assert reason in message.partition(" (its files are in")[0]
    assert remedy in message.partition(" (its files are in")[2]
    assert "\n" not in message
    assert WAITING.strip() not in message


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "can't be written: Permission denied. Name another folder"),
        (errno.EROFS, "can't be written: Read-only file system. Name another folder"),
        (errno.ENOSPC, "is full: No space left on device. Make room on the disk"),
        (errno.EDQUOT, "is full: Disk quota exceeded. Make room within your quota"),
        (errno.ENOLCK, "can't lock files: No locks available. Name a folder on a local disk"),
        (errno.EMFILE, "can't be opened: Too many open files. Raise the limit"),
        (errno.EIO, "can't be used: Input/output error. Name another folder"),
    ],
)
def test_each_error_of_a_folder_has_its_own_remedy(number: int, remedy: str) -> None:
    message = of_folder(HERE, OSError(number, os.strerror(number), "file"))
    assert remedy in message
    assert message.endswith("Or name a server of your own in POSTGRES_DSN.")
