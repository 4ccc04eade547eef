"""Runs of pytest that begin with its imports done, in processes of their own all the same.

Most of what a short run takes is importing pytest, SQLAlchemy and Alembic. So a first process does
that, without a line of this project's, and forks itself for each run. A run has its own working
folder, environment, arguments and output; it is signalled, killed and waited for by its process
id; and it ends with pytest's exit status, as `python -m pytest` does.

python -m tests.forked SOCKET     that first process, on an inherited socket
"""

import array
import atexit
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

CAN_FORK = sys.platform == "linux"
ENDED_BY_SIGNAL = 1000  # what a process sends that was ended by one: this, and its number


class Run:
    """A run of pytest, with what the tests use of a `subprocess.Popen[str]`."""

    def __init__(self, pid: int, status: int, output: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status, self._output = status, output
        self._said = bytearray()
        for file in (status, output):
            os.set_blocking(file, False)

    def __del__(self) -> None:
        os.close(self._status)
        os.close(self._output)

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        with suppress(BlockingIOError):
            if self.returncode is None and (line := os.read(self._status, 16)):
                code = int(line)
                self.returncode = ENDED_BY_SIGNAL - code if code > ENDED_BY_SIGNAL else code
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit status."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("pytest", timeout or 0, bytes(self._said))
            time.sleep(0.002)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Read what it says, to the end; return it."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            ready, _, _ = select.select([self._output], [], [], 1)
            if ready and not (piece := os.read(self._output, 65536)):
                break
            if ready:
                self._said += piece
            elif end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("pytest", timeout or 0, bytes(self._said))
        self.wait(timeout)
        return self._said.decode().replace("\r\n", "\n"), None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def start(
    folder: Path, arguments: Sequence[str | Path], environment: Mapping[str, str]
) -> "Run | subprocess.Popen[str]":
    """Start `python -m pytest` in a folder, forked where that is the same.

    Where the environment asks something of Python itself, which only a new one obeys, it gets one.
    """
    for_python = {name for name in environment if name.startswith("PYTHON")}
    if CAN_FORK and not any(environment[name] != os.environ.get(name) for name in for_python):
        return fork(folder, arguments, environment)
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def fork(folder: Path, arguments: Sequence[str | Path], environment: Mapping[str, str]) -> Run:
    """Have the first process fork itself."""
    output, its_output = os.pipe()
    status, its_status = os.pipe()
    request = {
        "folder": str(folder),
        "arguments": [str(each) for each in arguments],
        "environment": dict(environment),
    }
    # In a file: an environment can be larger than a message.
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(request, file)
        file.flush()
        first = first_process()
        handed_over = array.array("i", [its_output, its_status])
        first.sendmsg(
            [file.name.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handed_over.tobytes())]
        )
        os.close(its_output)
        os.close(its_status)
        pid = int(first.recv(64))
    return Run(pid, status, output)


@functools.cache
def first_process() -> socket.socket:
    """Start the first process, once; return the socket to it, with which it ends."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", str(its.fileno())],
        cwd=Path(__file__).resolve().parents[1],
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    its.close()
    assert mine.recv(64) == b"ready"
    atexit.register(process.wait)
    atexit.register(mine.close)  # what is registered last runs first
    return mine


# --- in the first process ---


def serve(requests: socket.socket) -> None:
    """Fork for each request, until the socket is closed. In a fork, return to run pytest."""
    with tempfile.TemporaryDirectory() as empty:
        import_all(empty)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those in between
    requests.send(b"ready")
    while True:
        message, ancillary, _, _ = requests.recvmsg(4096, socket.CMSG_SPACE(2 * 4))
        if not message:
            os._exit(0)
        output, status = array.array("i", ancillary[0][2])
        request = json.loads(Path(message.decode()).read_text())
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            pid = os.fork()
            if pid == 0:
                requests.close()
                os.close(status)
                become(request, output)
                return
            os.close(output)
            requests.send(str(pid).encode())
            _, ended = os.waitpid(pid, 0)
            code = os.waitstatus_to_exitcode(ended)
            os.write(status, f"{ENDED_BY_SIGNAL - code if code < 0 else code}\n".encode())
            os._exit(0)
        os.close(output)
        os.close(status)


def import_all(empty: str) -> None:
    """Import what each run does; an empty run loads pytest's plugins as pytest loads them."""
    import asyncpg  # noqa: F401
    import filelock  # noqa: F401
    import psutil  # noqa: F401
    import pytest
    import sqlalchemy.dialects.postgresql.asyncpg
    import sqlalchemy.ext.asyncio
    import sqlalchemy.orm  # noqa: F401
    from alembic import command, config, context, op  # noqa: F401

    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        said, sys.stdout = sys.stdout, nowhere
        settings = ["-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]
        pytest.main([*settings, "--rootdir", empty, empty])
        sys.stdout = said
    gc.collect()
    gc.freeze()  # or collecting would copy all that the forks share


def become(request: dict[str, object], output: int) -> None:
    """Take on a run's folder, environment, arguments and output."""
    folder, environment, arguments = (
        request[name] for name in ("folder", "environment", "arguments")
    )
    assert isinstance(folder, str)
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["pytest", *arguments]
    sys.path[0] = folder
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    import pytest

    sys.exit(pytest.main())
