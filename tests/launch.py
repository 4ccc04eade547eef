"""Does without Docker what Binder does with this repository, and runs every notebook in it.

python -m tests.launch          every notebook, and PostgreSQL fails
python -m tests.launch 00 04    these alone

The repository is cloned; what environment.yml asks for is installed from PyPI; binder/postBuild and
binder/start run, with none of this shell's environment; the notebooks run in kernels that the
started Jupyter starts. Unless you have named notebooks, PostgreSQL is then made to fail in several
ways: Jupyter must start each time. It needs Linux. Binder's user isn't root: run it as yourself
where you can.
"""

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import nbformat
import repo2docker
import requests
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from project.postgres.addresses import free_port
from tests import environment
from tests.git import git, why_not
from tests.notebooks import FOLDER, execute_in
from tests.steps import step

ROOT = Path(__file__).resolve().parents[1]
ENTRYPOINT = Path(repo2docker.__file__).parent / "buildpacks" / "repo2docker-entrypoint"
JUPYTER_SECONDS = 90  # for Jupyter to answer; binder/start waits 30 for PostgreSQL
KERNELS_OPEN = 3  # JupyterLab leaves a kernel open when you go on to the next notebook
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
        self.folder = folder
        self.home = folder / "home"
        self.runtime = folder / "runtime"
        self.venv = folder / "venv"
        self.environment = {
            "HOME": str(self.home),
            "REPO_DIR": str(self.home),
            "R2D_ENTRYPOINT": str(self.home / "binder" / "start"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "PATH": f"{self.venv}/bin:/usr/bin:/bin",
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }
        if os.geteuid() == 0:  # whose usual folder isn't in their home
            self.environment["PROJECT_POSTGRES_DIR"] = str(folder / "postgres")

    def build(self) -> None:
        """Clone the repository, install what it asks for, run binder/postBuild."""
        (self.folder / "tmp").mkdir()
        git(self.folder, "clone", "--quiet", "--no-hardlinks", ROOT, self.home)
        shutil.copy(ENTRYPOINT, self.folder)
        uv = [str(Path(sys.executable).with_name("uv")), "--quiet"]
        with step("install what environment.yml asks for"):
            subprocess.run(
                [*uv, "venv", "--seed", "--python", sys.executable, self.venv], check=True
            )
            packages = [str(requirement) for requirement in environment.requirements()]
            install = [*uv, "pip", "install", "--python", str(self.venv), *packages]
            subprocess.run(install, check=True)
        for tool in ("postgres", "initdb", "pg_ctl"):
            found = shutil.which(tool, path=self.environment["PATH"])
            assert found is None, f"{found} is on the PATH: ours may not be the one that runs"
        with step("binder/postBuild"):
            self.run("binder/postBuild")

    def popen(self, *command: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the image's home, with the image's environment."""
        return subprocess.Popen(
            command,
            cwd=self.home,
            env=self.environment | options.pop("env", {}),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            **options,
        )

    def run(self, *command: str | Path, **options: Any) -> str:
        """Run a command to its end and return what it wrote; stop here if it fails."""
        with (self.folder / f"{Path(command[0]).name}.log").open("w+") as output:
            status = self.popen(*command, stdout=output, stderr=output, **options).wait()
            output.seek(0)
            said = output.read()
        if status:
            sys.exit(f"{said}\n{command[0]} failed: {status}")
        return said

    def postgres(self, command: str, folder: Path | None = None) -> str:
        """Run `python -m project.postgres` on the usual folder, or another."""
        return self.run("python", "-m", "project.postgres", command, env=server_in(folder))


class Jupyter:
    """A JupyterLab, started as the image's entry point starts it."""

    def __init__(self, image: Image, folder: Path | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.runtime = image.runtime
        token = secrets.token_hex()
        self.authorization = {"Authorization": f"token {token}"}
        self.sessions: list[str] = []
        self.log = image.folder / f"jupyter-{port}.log"
        lab = ["jupyter", "lab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
        if os.geteuid() == 0:
            lab.append("--allow-root")
        with self.log.open("w") as output:
            self.process = image.popen(
                "python",
                image.folder / ENTRYPOINT.name,
                *lab,
                env={"JUPYTER_TOKEN": token} | server_in(folder),
                stdout=output,
                stderr=output,
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
        """Run a notebook in a kernel that Jupyter starts; return what its last cell printed.

        Raises nbclient's CellExecutionError if a cell fails that isn't tagged `raises-exception`.
        """
        if len(self.sessions) == KERNELS_OPEN:
            self.ask("DELETE", f"sessions/{self.sessions.pop(0)}")
        place = {"path": f"notebooks/{name}", "name": name, "type": "notebook"}
        session = self.ask("POST", "sessions", **place, kernel={"name": "python3"})
        self.sessions.append(session["id"])
        connection_file = self.runtime / f"kernel-{session['kernel']['id']}.json"
        return execute_in(connection_file, notebook)

    def probe(self) -> str:
        """Return the data folder of the server that a new kernel finds."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PROBE)])
        return self.execute(notebook, "probe.ipynb")

    def reason(self) -> str:
        """Return what a new kernel shows where there is no server: one line."""
        try:
            found = self.probe()
        except CellExecutionError as error:
            if error.ename != "PostgresError" or "\n" in error.evalue:
                raise
            return error.evalue
        raise AssertionError(f"PostgreSQL was to fail, and answers from {found}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


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
            jupyter = stack.enter_context(Jupyter(image)).wait()
            data = jupyter.probe()
        assert Path(data).is_relative_to(image.folder), data
        assert image.postgres("status").startswith("PostgreSQL is running")
        server = postmaster(data)
        for path in paths:
            notebook = nbformat.read(path, as_version=4)
            notebook.cells.append(nbformat.v4.new_code_cell(PROBE))
            with step(path.name):
                assert jupyter.execute(notebook, path.name) == data, "another server was used"
        image.run("binder/start", "true")
        assert postmaster(data) == server, "PostgreSQL didn't stay up"


def make_postgres_fail(image: Image) -> None:
    """Start Jupyter where PostgreSQL can't start, and where a crash has left things behind."""
    with ExitStack() as stack:

        def prepare(name: str, *, started: bool = True) -> Path:
            folder = image.folder / name
            folder.mkdir(mode=0o711)  # where root starts it, the server is another user's
            if started:
                image.postgres("start", folder)
            stack.callback(image.postgres, "stop", folder)
            return folder

        def launch(folder: Path) -> Jupyter:
            return stack.enter_context(Jupyter(image, folder))

        busy = prepare("busy", started=False)
        lock = stack.enter_context((busy / "start.lock").open("wb"))
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

        with step("a file where the folder would be"):
            folder = image.folder / "file"
            folder.touch()
            stack.callback(image.postgres, "stop", folder)
            jupyter = launch(folder).wait()
            reason = jupyter.reason()
            assert reason in (image.folder / "tmp" / "postgres-start.log").read_text()
            folder.unlink()
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
    with tempfile.TemporaryDirectory(prefix="binder-") as folder:
        Path(folder).chmod(0o711)  # where root starts a server, it runs as another user
        image = Image(Path(folder))
        image.build()
        run_notebooks(image, numbers or ["[0-9][0-9]"])
        if not numbers:
            make_postgres_fail(image)
    print("The launch has worked.")


if __name__ == "__main__":
    main(sys.argv[1:])
