"""Does without Docker what Binder does with this repository, and runs every notebook in it.

python -m tests.launch          every notebook
python -m tests.launch 00 04    these

The repository is cloned into the home of an unprivileged user; what environment.yml asks for is
installed from PyPI; binder/postBuild and binder/start run, with none of this shell's environment;
the notebooks run over the interface that JupyterLab itself uses. Then PostgreSQL is made to fail
in several ways: Jupyter must start each time.

Root makes a user for the time of the run. Anybody else runs it as themselves. It needs Linux.
"""

import fcntl
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import nbformat
import psutil
import repo2docker
import requests
import websocket
from nbformat import NotebookNode

from tests import environment
from tests.git import git, why_not
from tests.notebooks import CELL_SECONDS, FOLDER

ROOT = Path(__file__).resolve().parents[1]
ENTRYPOINT = Path(repo2docker.__file__).parent / "buildpacks" / "repo2docker-entrypoint"
JUPYTER_SECONDS = 90  # for Jupyter to answer; binder/start waits 30 for PostgreSQL
KERNELS_OPEN = 3  # JupyterLab leaves a kernel open when you go on to the next notebook
SAMPLE_SECONDS = 0.5
MEGABYTE = 2**20

PROBE = """
from project import postgres
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

probe = create_async_engine(postgres.dsn())
async with probe.connect() as connection:
    print(await connection.scalar(text("SHOW data_directory")))
await probe.dispose()
"""


class Image:
    """What stands for the image: a folder with a clone as its user's home, and an environment."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.folder = folder
        self.home = folder / "home"
        self.venv = folder / "venv"
        self.user = pwd.getpwuid(os.geteuid())
        self.identity: dict[str, Any] = {}  # subprocess's arguments, where it isn't ours
        self.environment = {
            "HOME": str(self.home),
            "REPO_DIR": str(self.home),
            "R2D_ENTRYPOINT": str(self.home / "binder" / "start"),
            "PATH": f"{self.venv}/bin:/usr/bin:/bin",
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }

    @contextmanager
    def with_a_user(self) -> Iterator[Self]:
        """Root makes a user, for PostgreSQL and Jupyter both refuse to run as root."""
        if os.geteuid() != 0:
            yield self
            return
        name = f"binder-{os.getpid()}"
        add = ["useradd", "--no-create-home", "--home-dir", self.home, name]
        try:
            subprocess.run(add, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"As root this needs a user to work as, and can't make one: {error}")
        self.user = pwd.getpwnam(name)
        self.identity = {"user": name, "group": self.user.pw_gid, "extra_groups": []}
        try:
            yield self
        finally:
            left = [p for p in psutil.process_iter() if p.uids().real == self.user.pw_uid]
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=10)
            subprocess.run(["userdel", name], check=True)

    def build(self) -> None:
        """Clone the repository, install what it asks for, run binder/postBuild."""
        (self.folder / "tmp").mkdir()
        git(self.folder, "clone", "--quiet", "--no-hardlinks", ROOT, self.home)
        shutil.copy(ENTRYPOINT, self.folder)
        self.give_to_user()
        uv = [Path(sys.executable).with_name("uv"), "--quiet"]
        python = self.find_python()
        with step(f"install what environment.yml asks for, with {python}"):
            subprocess.run([*uv, "venv", "--seed", "--python", python, self.venv], check=True)
            # Copies, not links into uv's cache: they will belong to another user.
            install = [*uv, "pip", "install", "--link-mode=copy"]
            packages = [str(requirement) for requirement in environment.requirements()]
            subprocess.run([*install, "--python", self.venv, *packages], check=True)
        self.give_to_user()
        for tool in ("postgres", "initdb", "pg_ctl"):
            found = shutil.which(tool, path=self.environment["PATH"])
            assert found is None, f"{found} is on the PATH: ours may not be the one that runs"
        with step("binder/postBuild"):
            self.run("binder/postBuild", log="postBuild.log")

    def give_to_user(self) -> None:
        owner = f"{self.user.pw_uid}:{self.user.pw_gid}"
        subprocess.run(["chown", "--recursive", "--no-dereference", owner, self.folder], check=True)

    def find_python(self) -> str:
        """Return an interpreter that the user can run: this one may be in a home of root's."""
        new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
        for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
            with suppress(OSError):
                if self.popen(python, "-c", new_enough).wait() == 0:
                    return python
        sys.exit(
            f"{self.user.pw_name} finds no Python 3.11 or newer in /usr/bin, nor may it run yours."
        )

    def popen(self, *command: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command as the image's user, in its home, with the image's environment."""
        return subprocess.Popen(
            command,
            cwd=self.home,
            env=self.environment | options.pop("env", {}),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **self.identity,
            **options,
        )

    def run(self, *command: str | Path, log: str, **options: Any) -> str:
        """Run a command to its end and return what it wrote; stop here if it fails."""
        path = self.folder / log
        with path.open("wb") as output:
            options |= {"stdout": output, "stderr": subprocess.STDOUT}
            status = self.popen(*command, **options).wait()
        said = path.read_text()
        if status:
            sys.exit(f"{said}\n{command[0]} failed: {status}")
        return said

    def postgres(self, command: str, folder: Path | None = None) -> str:
        """Run `python -m project.postgres` on the usual folder, or another."""
        script = ("python", "-m", "project.postgres", command)
        return self.run(*script, log="postgres.log", env=server_in(folder))


class Jupyter:
    """A JupyterLab, started as the image's entry point starts it."""

    def __init__(self, image: Image, folder: Path | None = None) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        token = secrets.token_hex()
        self.authorization = {"Authorization": f"token {token}"}
        self.sessions: list[str] = []
        self.log = image.folder / f"jupyter-{port}.log"
        entrypoint = ("python", image.folder / ENTRYPOINT.name)
        lab = ("jupyter", "lab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0")
        with self.log.open("wb") as output:
            self.process = image.popen(
                *entrypoint,
                *lab,
                env={"JUPYTER_TOKEN": token} | server_in(folder),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ask(self, method: str, endpoint: str, **body: Any) -> Any:
        """Send one request to Jupyter's own interface."""
        url = f"{self.url}/api/{endpoint}"
        answer = requests.request(method, url, headers=self.authorization, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def wait(self) -> Self:
        """Wait until Jupyter answers."""
        end = time.monotonic() + JUPYTER_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(requests.ConnectionError):
                self.ask("GET", "status")
                return self
            time.sleep(0.05)
        sys.exit(f"{self.log.read_text()}\nJupyter hasn't started.")

    def execute(self, notebook: NotebookNode, name: str) -> str:
        """Run a notebook in a kernel, as JupyterLab does; return what its last cell printed.

        Raises CellError where a cell fails that isn't tagged `raises-exception`.
        """
        if len(self.sessions) == KERNELS_OPEN:
            self.ask("DELETE", f"sessions/{self.sessions.pop(0)}")
        place = {"path": f"notebooks/{name}", "name": name, "type": "notebook"}
        session = self.ask("POST", "sessions", **place, kernel={"name": "python3"})
        self.sessions.append(session["id"])
        channels = websocket.create_connection(
            f"ws{self.url.removeprefix('http')}/api/kernels/{session['kernel']['id']}/channels",
            header=self.authorization,
            timeout=CELL_SECONDS,
        )
        printed = ""
        with closing(channels):
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    printed, error = execute_cell(channels, cell.source)
                    if error and "raises-exception" not in cell.metadata.get("tags", []):
                        raise error
        return printed.strip()

    def probe(self) -> str:
        """Return the data folder of the server that a new kernel finds."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PROBE)])
        return self.execute(notebook, "probe.ipynb")

    def reason(self) -> str:
        """Return what a new kernel shows where there is no server: one line."""
        try:
            found = self.probe()
        except CellError as error:
            if error.name != "PostgresError" or "\n" in str(error):
                raise
            return str(error)
        raise AssertionError(f"PostgreSQL was to fail, and answers from {found}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


class CellError(Exception):
    """What a cell failed with: the error's name, and its message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def execute_cell(channels: websocket.WebSocket, code: str) -> tuple[str, CellError | None]:
    """Have a kernel run one cell; return what it printed, and what it failed with."""
    request = uuid.uuid4().hex
    message = {
        "channel": "shell",
        "header": {"msg_id": request, "msg_type": "execute_request", "version": "5.3"},
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "allow_stdin": False, "stop_on_error": False},
    }
    channels.send(json.dumps(message))
    printed, error = "", None
    while True:
        answer = json.loads(channels.recv())
        content = answer["content"]
        if answer["parent_header"].get("msg_id") != request:
            continue
        if answer["msg_type"] == "stream":
            printed += content["text"]
        elif answer["msg_type"] == "error":
            error = CellError(content["ename"], content["evalue"])
        elif answer["msg_type"] == "status" and content["execution_state"] == "idle":
            return printed, error


class Memory(threading.Thread):
    """Measures the memory of a Jupyter, its kernels and a PostgreSQL while it is entered.

    Each process counts with its proportional set size: what processes share is shared out.
    """

    def __init__(self, jupyter: Jupyter, postmaster: int) -> None:
        super().__init__(daemon=True)
        self.roots = (psutil.Process(jupyter.process.pid), psutil.Process(postmaster))
        self.peak: dict[str, int] = {}
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(SAMPLE_SECONDS):
            sizes = {"JupyterLab": 0, "kernels": 0, "PostgreSQL": 0}
            for root in self.roots:
                for process in [root, *root.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                        sizes[kind_of(process)] += process.memory_full_info().pss
            sizes["all together"] = sum(sizes.values())
            for kind, size in sizes.items():
                self.peak[kind] = max(size, self.peak.get(kind, 0))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()


def kind_of(process: psutil.Process) -> str:
    if process.name().startswith("postgres"):
        return "PostgreSQL"
    family = [process, *process.parents()]
    kernel = any("ipykernel_launcher" in member.cmdline() for member in family)
    return "kernels" if kernel else "JupyterLab"


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print how long the block took."""
    start = time.perf_counter()
    try:
        yield
    except BaseException:
        print(f"FAILED    {name}", flush=True)
        raise
    print(f"{time.perf_counter() - start:6.1f} s  {name}", flush=True)


def server_in(folder: Path | None) -> dict[str, str]:
    """Return the environment that puts PostgreSQL elsewhere than in its usual folder."""
    return {"PROJECT_POSTGRES_DIR": str(folder)} if folder else {}


def postmaster(data: str | Path) -> int:
    """Return the process id of the server on a data folder."""
    return int(Path(data, "postmaster.pid").read_text().split()[0])


def run_notebooks(image: Image, numbers: list[str]) -> None:
    """Start Jupyter as Binder does, and run notebooks on the server that came up with it."""
    folder = image.home / FOLDER.name
    paths = sorted(path for number in numbers for path in folder.glob(f"{number}_*.ipynb"))
    assert paths, numbers
    with ExitStack() as stack:
        stack.callback(image.postgres, "stop")
        with step("from the start to the answer to a notebook's first query"):
            jupyter = stack.enter_context(Jupyter(image))
            with step("from the start to Jupyter's first answer"):
                jupyter.wait()
            data = jupyter.probe()
        assert Path(data).is_relative_to(image.home), data
        assert image.postgres("status").startswith("PostgreSQL is running")
        server = postmaster(data)
        with Memory(jupyter, server) as memory, step("all of these notebooks"):
            for path in paths:
                notebook = nbformat.read(path, as_version=4)
                notebook.cells.append(nbformat.v4.new_code_cell(PROBE))
                with step(path.name):
                    assert jupyter.execute(notebook, path.name) == data, "another server was used"
        image.run("binder/start", "true", log="start-again.log")
        assert postmaster(data) == server, "PostgreSQL didn't stay up"
        for kind, size in memory.peak.items():
            print(f"{size / MEGABYTE:5.0f} MB  peak memory of {kind}")


def make_postgres_fail(image: Image) -> None:
    """Start Jupyter where PostgreSQL can't start, and where a crash has left things behind."""
    with ExitStack() as stack:

        def prepare(name: str, *, started: bool = True) -> Path:
            folder = image.folder / name
            folder.mkdir(mode=0o700)
            os.chown(folder, image.user.pw_uid, image.user.pw_gid)
            if started:
                image.postgres("start", folder)
            stack.callback(image.postgres, "stop", folder)
            return folder

        def launch(folder: Path) -> Jupyter:
            return stack.enter_context(Jupyter(image, folder))

        busy = prepare("busy", started=False)
        lock = stack.enter_context((busy / "start.lock").open("wb"))
        os.chown(busy / "start.lock", image.user.pw_uid, image.user.pw_gid)
        fcntl.flock(lock, fcntl.LOCK_EX)
        slow = launch(busy)  # binder/start gives up after 30 seconds, while the others run

        with step("killed before the start, and while Jupyter runs"):
            folder = prepare("killed")
            data = folder / "run" / "data-18"
            os.kill(postmaster(data), 9)
            jupyter = launch(folder).wait()
            assert jupyter.probe() == str(data)
            os.kill(postmaster(data), 9)
            assert jupyter.probe() == str(data)

        with step("socket and process id taken by another program"):
            folder = prepare("taken")
            data = folder / "run" / "data-18"
            left = (data / "postmaster.pid").read_text().split("\n", 1)[1]
            image.postgres("stop", folder)
            other = stack.enter_context(socket.socket(socket.AF_UNIX))
            other.bind(str(folder / "run" / ".s.PGSQL.5432"))
            other.listen()
            for file in (data / "postmaster.pid", folder / "run" / ".s.PGSQL.5432.lock"):
                file.write_text(f"{os.getpid()}\n{left}")
            assert launch(folder).wait().probe() == str(data)

        with step("folder that can't be written"):
            folder = prepare("unwritable", started=False)
            folder.chmod(0o500)
            jupyter = launch(folder).wait()
            reason = jupyter.reason()
            assert reason in (image.folder / "tmp" / "postgres-start.log").read_text()
            folder.chmod(0o700)
            assert jupyter.probe() == str(folder / "run" / "data-18")
        print(f"          {reason}")

        with step("corrupted data folder"):
            folder = prepare("corrupted")
            image.postgres("stop", folder)
            control = folder / "run" / "data-18" / "global" / "pg_control"
            control.write_bytes(bytes(control.stat().st_size))
            jupyter = launch(folder).wait()
            reason = jupyter.reason()
            shutil.rmtree(folder / "run")
            assert jupyter.probe() == str(folder / "run" / "data-18")
        print(f"          {reason}")

        with step("another process that starts it and never ends"):
            slow.wait()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert slow.probe() == str(busy / "run" / "data-18")


def main(numbers: list[str]) -> None:
    if sys.platform != "linux":
        sys.exit("The launch needs Linux, as Binder's images are.")
    if reason := why_not(ROOT):
        sys.exit(f"The launch clones the repository, as Binder does, and {reason}.")
    with (
        tempfile.TemporaryDirectory(prefix="binder-") as folder,
        Image(Path(folder)).with_a_user() as image,
    ):
        image.build()
        run_notebooks(image, numbers)
        make_postgres_fail(image)
    print("The launch has worked.")


if __name__ == "__main__":
    main(sys.argv[1:] or ["[0-9][0-9]"])
