"""Rehearses the workshop: participants log in, start their servers, and run notebooks at once.

python -m workshop.rehearse 3          three participants, a hub of its own in a temporary folder
python -m workshop.rehearse 12 00 04   twelve, these notebooks
python -m workshop.rehearse 3 --kill   and a kernel, a server, PostgreSQL and the hub are killed

It makes users rehearsal1, rehearsal2, …, and removes them in the end. Root runs it, on Linux.
"""

import argparse
import grp
import os
import pwd
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil
import requests

from project.postgres.addresses import free_port
from project.postgres.embedded import EmbeddedServer
from tests.notebooks import execute_in
from tests.servers import query
from tests.steps import step
from workshop import place
from workshop.participants import GROUP, RefusedError, make_user

SECONDS = 600  # for a server to start, a cell to run
BACK_SECONDS = 60  # in which a participant is back at work after something was killed
NAME = "rehearsal{}"
PASSWORD = secrets.token_urlsafe(12)
QUERY = """
import os
import asyncpg
connection = await asyncpg.connect(os.environ["POSTGRES_DSN"].replace("+asyncpg", ""))
print(await connection.fetchval("SELECT current_database()"))
await connection.close()
"""
CONNECT = """
import os, tempfile, asyncpg
from pathlib import Path
from sqlalchemy import make_url

reached = []
mine = make_url(os.environ["POSTGRES_DSN"]).set(drivername="postgresql")

async def try_on(database, statement):
    url = mine.set(database=database) if database else mine
    try:
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    except asyncpg.InsufficientPrivilegeError:
        return
    try:
        await connection.execute(statement)
        reached.append((database, statement))
    except asyncpg.InsufficientPrivilegeError:
        pass
    finally:
        await connection.close()
"""
CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


class Hub:
    """A hub in a folder of its own, started as `make workshop` starts it."""

    def __init__(self, folder: Path, participants: int) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.folder = folder
        self.log = folder / "hub.log"
        self.environment = os.environ | {
            "WORKSHOP_DIR": str(folder / "workshop"),
            "WORKSHOP_URL": self.url,
            "WORKSHOP_PASSWORD": PASSWORD,
            "WORKSHOP_PARTICIPANTS": str(participants),
        }

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workshop"],
                cwd=place.ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

        def answers() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return requests.get(f"{self.url}/hub/login", timeout=5).ok

        wait_until(answers)

    def postgres(self) -> EmbeddedServer:
        """Return the server that the participants share."""
        return EmbeddedServer(self.folder / "workshop" / "postgres")

    def stop(self) -> None:
        """Stop it, the participants' servers and PostgreSQL."""
        started = list[psutil.Process]()
        with suppress(psutil.NoSuchProcess):
            started = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        for process in started:  # before PostgreSQL, which one of them would start again
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.postgres().stop()
        for process in psutil.process_iter(["cmdline"]):
            if str(self.folder) in " ".join(process.info["cmdline"] or []):
                with suppress(psutil.NoSuchProcess):
                    process.kill()


class Participant:
    """A participant with a browser: a name, cookies, a server."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub, self.name = hub, name
        self.browser = requests.Session()

    def log_in(self) -> None:
        """Log in as on the hub's page. Raises AssertionError if the hub refuses."""
        page = self.browser.get(f"{self.hub.url}/hub/login", timeout=SECONDS)
        form = {"username": self.name, "password": PASSWORD, "_xsrf": self._token("/hub/")}
        page = self.browser.post(f"{self.hub.url}/hub/login", data=form, timeout=SECONDS)
        assert page.ok, page.text[-500:]
        assert "/hub/login" not in page.url, "the hub has refused the name or the password"

    def start_server(self) -> None:
        """Start the participant's server, as the hub's page does, and wait until it answers."""

        def is_up() -> bool:
            page = self.browser.get(f"{self.hub.url}/hub/spawn", timeout=SECONDS)
            failed = re.search(r"Error: ([^<]+)", page.text)
            assert not failed, failed and failed[1]
            return page.url.startswith(f"{self.hub.url}/user/{self.name}/") and page.ok

        wait_until(is_up)

    def ask(self, method: str, endpoint: str, **body: Any) -> Any:
        """Send one request to the participant's server."""
        url = f"{self.hub.url}/user/{self.name}/api/{endpoint}"
        token = {"X-XSRFToken": self._token(f"/user/{self.name}/")}
        answer = self.browser.request(method, url, json=body, headers=token, timeout=SECONDS)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def run(self, path: str, notebook: nbformat.NotebookNode | None = None) -> str:
        """Run a notebook of the participant's in a kernel that their server starts.

        Returns what its last cell has printed. Raises nbclient's CellExecutionError.
        """
        name = Path(path).name
        notebook = notebook or nbformat.from_dict(self.ask("GET", f"contents/{path}")["content"])
        place_ = {"path": path, "name": name, "type": "notebook"}
        session = self.ask("POST", "sessions", **place_, kernel={"name": "python3"})
        try:
            return execute_in(self._connection_file(session["kernel"]["id"]), notebook)
        finally:
            with suppress(requests.RequestException):
                self.ask("DELETE", f"sessions/{session['id']}")

    def run_cell(self, code: str) -> str:
        """Run some code in a new kernel of theirs; return what it has printed."""
        cell = nbformat.v4.new_code_cell(code)
        return self.run("notebooks/probe.ipynb", nbformat.v4.new_notebook(cells=[cell]))

    def query(self) -> str:
        """Ask, in a new kernel, which database is the participant's."""
        return self.run_cell(QUERY)

    def processes(self, what: str) -> list[psutil.Process]:
        """The participant's processes that have a word in their command."""
        return [
            process
            for process in psutil.process_iter(["username", "cmdline"])
            if process.info["username"] == self.name
            and what in " ".join(process.info["cmdline"] or [])
        ]

    def _token(self, path: str) -> str:
        found = [c.value for c in self.browser.cookies if c.name == "_xsrf" and c.path == path]
        return found[-1] if found and found[-1] else ""

    def _connection_file(self, kernel: str) -> Path:
        home = Path(pwd.getpwnam(self.name).pw_dir)
        return home / ".local" / "share" / "jupyter" / "runtime" / f"kernel-{kernel}.json"


class Meter(threading.Thread):
    """Looks every second how much memory and how many connections are in use; keeps the most.

    Memory is PSS: what processes share is divided among them.
    """

    def __init__(self, hub: Hub) -> None:
        super().__init__(daemon=True)
        self.hub, self.done = hub, threading.Event()
        self.peak: dict[str, int] = {}

    def run(self) -> None:
        """Look until `done` is set."""
        while not self.done.wait(1):
            for kind, value in (self._memory() | self._connections()).items():
                self.peak[kind] = max(self.peak.get(kind, 0), value)

    def _memory(self) -> dict[str, int]:
        found = {"hub": 0, "servers": 0, "kernels": 0, "postgres": 0}
        for process in psutil.process_iter(["username", "cmdline", "name"]):
            command = " ".join(process.info["cmdline"] or [])
            theirs = (process.info["username"] or "").startswith(NAME.format(""))
            if "ipykernel" in command and theirs:
                kind = "kernels"
            elif theirs:
                kind = "servers"
            elif process.info["name"] == "postgres" and self._is_ours(process):
                kind = "postgres"
            elif "jupyterhub" in command or "configurable-http-proxy" in command:
                kind = "hub"
            else:
                continue
            with suppress(psutil.Error):
                found[kind] += process.memory_full_info().pss // 2**20
        found["all"] = sum(found.values())
        return {f"{kind}, MB": value for kind, value in found.items()}

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return process.cwd() == str(self.hub.postgres().data)
        return False

    def _connections(self) -> dict[str, int]:
        with suppress(Exception):  # PostgreSQL is starting, or killed on purpose
            return {"connections": query(self.hub.postgres().running_dsn() or "", CLIENTS)[0][0]}
        return {}


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> float:
    """Wait until a condition holds; return how many seconds that took. Errors of a network wait."""
    start = time.monotonic()
    while True:
        with suppress(requests.RequestException):
            if condition():
                return time.monotonic() - start
        if time.monotonic() - start > seconds:
            raise TimeoutError(f"not in {seconds} seconds: {condition}")
        time.sleep(0.2)


def rehearse(participants: list[Participant], numbers: list[str]) -> int:
    """Have all work at once; return how many notebooks failed."""

    def attend(participant: Participant) -> list[str]:
        participant.log_in()
        participant.start_server()
        ready.append(time.perf_counter() - start)
        print(f"{ready[-1]:6.1f} s  {participant.name}'s server answers", flush=True)
        failures = []
        names = [it["name"] for it in participant.ask("GET", "contents/notebooks")["content"]]
        for name in sorted(names):
            if name[:2] in numbers and name.endswith(".ipynb"):
                try:
                    participant.run(f"notebooks/{name}")
                except Exception as error:
                    failures.append(f"{participant.name}, {name}: {str(error)[-300:]}")
                seconds = time.perf_counter() - start
                print(f"{seconds:6.1f} s  {participant.name} has run {name}", flush=True)
        return failures

    start, ready = time.perf_counter(), list[float]()
    threads = ThreadPoolExecutor(len(participants))
    try:
        failures = [line for lines in threads.map(attend, participants) for line in lines]
    finally:  # if this is ended, nobody waits for a notebook: its server ends next
        threads.shutdown(wait=False, cancel_futures=True)
    print(f"the last server answered after {max(ready):.0f} s", flush=True)
    for line in failures:
        print(f"FAILED    {line}", flush=True)
    return len(failures)


def keep_apart(first: Participant, second: Participant) -> None:
    """Have one participant try to reach another's files, databases and roles."""
    home = pwd.getpwnam(second.name).pw_dir
    test = f"course_{second.name}_test"
    second.run_cell(
        CONNECT
        + f"""
await try_on(None, "CREATE DATABASE {test}")
await try_on("{test}", "CREATE TABLE secret (letter text)")
assert len(reached) == 2, reached
"""
    )
    reached = first.run_cell(
        CONNECT
        + f"""
assert tempfile.gettempdir() == os.path.expanduser("~/tmp")
for path in ("{home}", "{home}/clean-database/notebooks", "{first.hub.folder}/workshop/hub.sqlite"):
    try:
        reached.append(os.listdir(path) if Path(path).is_dir() else Path(path).read_text())
    except PermissionError:
        pass
await try_on("course_{second.name}", "SELECT 1")
for statement in ("SELECT * FROM secret", "DROP TABLE secret", "CREATE TABLE mine (n int)"):
    await try_on("{test}", statement)
for statement in (
    "DROP DATABASE course_{second.name}",
    "DROP DATABASE {test} WITH (FORCE)",
    "ALTER ROLE participant_{second.name} PASSWORD 'mine'",
    "SET ROLE participant_{second.name}",
    "SET ROLE postgres",
    "CREATE ROLE another",
    "SELECT pg_read_file('postgresql.auto.conf')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
):
    await try_on(None, statement)
print(reached)
"""
    )
    assert reached == "[]", reached


def refuse_names() -> None:
    """A user of this machine isn't taken over, and a group isn't joined."""
    for name in ("root", "nobody", "daemon", "adm"):
        try:
            make_user(name)
        except RefusedError:
            continue
        raise AssertionError(f"{name} was given to a participant")


def kill_one_by_one(hub: Hub, first: Participant, second: Participant) -> None:
    """Kill a kernel, a server, PostgreSQL and the hub; see the others go on, and all come back."""
    note = Path(pwd.getpwnam(first.name).pw_dir, "clean-database", "mine.txt")
    note.write_text("mine")

    def works(participant: Participant) -> bool:
        try:
            return participant.query() == f"course_{participant.name}"
        except Exception:
            return False

    def back(what: str, participant: Participant) -> None:
        seconds = wait_until(lambda: works(participant), BACK_SECONDS)
        print(f"{seconds:6.1f} s  {participant.name} is back after the death of {what}", flush=True)
        assert note.read_text() == "mine"

    first.ask(
        "POST", "sessions", path="k.ipynb", name="k", type="notebook", kernel={"name": "python3"}
    )
    for process in first.processes("ipykernel"):
        process.kill()
    assert works(second)
    back("a kernel", first)
    for process in first.processes("jupyterhub-singleuser"):
        process.kill()
    assert works(second)
    first.start_server()
    back("a server", first)
    pid = int((hub.postgres().data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    back("PostgreSQL", first)
    back("PostgreSQL", second)
    hub.process.kill()
    assert works(second), "without the hub"
    hub.start()
    back("the hub", first)
    fresh = Participant(hub, second.name)
    fresh.log_in()
    fresh.start_server()
    back("the hub, and a new log-in", fresh)


def remove_users(names: list[str]) -> None:
    """End the processes of the rehearsal's users, and remove the users with their homes."""
    theirs = [it for it in psutil.process_iter(["username"]) if it.info["username"] in names]
    for process in theirs:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(theirs, timeout=10)
    for name in names:
        with suppress(KeyError):
            pwd.getpwnam(name)
            subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)


def main() -> None:
    """Rehearse; exit with 1 if anything failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("participants", type=int)
    parser.add_argument("notebooks", nargs="*", default=["00", "04", "05"])
    parser.add_argument("--kill", action="store_true", help="kill one thing after the other, too")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # users are removed all the same
    names = [NAME.format(number + 1) for number in range(chosen.participants)]
    for name in names:
        with suppress(KeyError):
            sys.exit(f"There is a user {pwd.getpwnam(name).pw_name} already.")
    there = any(group.gr_name == GROUP for group in grp.getgrall())  # a workshop's of yours
    with tempfile.TemporaryDirectory(prefix="workshop-") as folder:
        Path(folder).chmod(0o711)
        hub = Hub(Path(folder), chosen.participants)
        participants = [Participant(hub, name) for name in names]
        meter = Meter(hub)
        failed = 0
        try:
            with step("the hub answers"):
                hub.start()
            meter.start()
            with step(
                f"{chosen.participants} participants, notebooks {' '.join(chosen.notebooks)}"
            ):
                failed = rehearse(participants, chosen.notebooks)
            meter.done.set()
            print(f"failures: {failed}; at most: {meter.peak}", flush=True)
            with step("nobody reaches another's"):
                refuse_names()
                if len(participants) > 1:
                    keep_apart(participants[0], participants[-1])
            if chosen.kill:
                with step("each of four is killed"):
                    kill_one_by_one(hub, participants[0], participants[-1])
        except BaseException:
            print(hub.log.read_text()[-3000:], flush=True)
            raise
        finally:
            hub.stop()
            remove_users(names)
            if not there:
                subprocess.run(["groupdel", GROUP], check=False, capture_output=True)
    sys.exit(min(failed, 1))


if __name__ == "__main__":
    main()
