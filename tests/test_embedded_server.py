"""The embedded server: one per user, started on demand, sound after any crash.

Every test has a server folder of its own, so that the user's own server is left alone.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from project.postgres.__main__ import NOT_RUNNING
from project.postgres.connection import PostgresError
from project.postgres.embedded import EmbeddedServer, is_root
from tests.servers import query

USE = "from project import postgres; print(postgres.dsn(), flush=True)"
USE_UNTIL_TOLD = f"{USE}; input()"


@pytest.fixture
def folder(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PROJECT_POSTGRES_DIR", str(open_folder / "pg"))
    monkeypatch.delenv("POSTGRES_DSN")
    yield open_folder / "pg"
    EmbeddedServer(open_folder / "pg").stop()


def python(code: str) -> "subprocess.Popen[str]":
    """Start a process that stands for a notebook's kernel or a shell."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_dsn(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def command(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "project.postgres", name], capture_output=True, text=True
    )


def runs(folder: Path) -> bool:
    return EmbeddedServer(folder)._process() is not None


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


def kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):  # it may have come to its end a moment ago
        process.send_signal(signal.SIGKILL)


def test_four_at_once_get_one_server_and_the_last_stops_it(folder: Path) -> None:
    processes = [python(USE_UNTIL_TOLD) for _ in range(4)]
    dsns = {read_dsn(process) for process in processes}
    assert len(dsns) == 1
    dsn = dsns.pop()
    assert query(dsn, "SELECT current_database()") == [("example_db",)]
    servers = [p for p in psutil.process_iter() if EmbeddedServer(folder)._is_ours(p)]
    assert sum(p.ppid() not in {s.pid for s in servers} for p in servers) == 1
    for process in processes[:3]:
        process.communicate("\n")
    assert runs(folder)
    processes[3].communicate("\n")
    assert not runs(folder)


def test_start_keeps_it_until_stop(folder: Path) -> None:
    assert command("status").returncode == NOT_RUNNING
    started = command("start")
    dsn = command("dsn").stdout.strip()
    assert dsn.startswith("postgresql+asyncpg://")
    assert dsn in started.stdout
    assert command("start").returncode == 0
    assert python(USE).communicate()[0].strip() == dsn
    assert runs(folder)
    assert command("status").returncode == 0
    assert "has stopped" in command("stop").stdout
    assert command("stop").returncode == 0
    assert command("dsn").returncode == NOT_RUNNING
    assert not runs(folder)


def test_a_keep_from_before_a_crash_does_not_last(folder: Path) -> None:
    command("start")
    server = EmbeddedServer(folder)._process()
    assert server is not None
    kill(server)
    python(USE).communicate()
    assert not runs(folder)


def test_data_survive_kill_9_of_the_server(folder: Path) -> None:
    server = EmbeddedServer(folder)
    dsn = server.start()
    query(dsn, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)")
    process = server._process()
    assert process is not None
    kill(process)
    assert query(server.start(), "SELECT n FROM kept") == [(1,)]


def test_kill_9_of_the_one_that_uses_it(folder: Path) -> None:
    process = python(USE_UNTIL_TOLD)
    dsn = read_dsn(process)
    process.kill()
    process.communicate()
    assert runs(folder)  # nobody was left to stop it
    assert python(USE).communicate()[0].strip() == dsn
    assert not runs(folder)


def test_a_dsn_that_names_it_starts_it_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a kernel whose first cell has set POSTGRES_DSN, and is run again after a crash."""
    monkeypatch.setenv("POSTGRES_DSN", EmbeddedServer().start())
    server = EmbeddedServer()._process()
    assert server is not None
    kill(server)
    wait_until(lambda: not runs(folder), "the server is dead")
    assert python(USE).communicate()[0].strip() == os.environ["POSTGRES_DSN"]


@pytest.mark.parametrize("wait_for", ["initdb.out", "unfinished/PG_VERSION"])
def test_kill_9_in_the_middle_of_initdb(folder: Path, wait_for: str) -> None:
    process = python(USE)
    wait_until((folder / "run" / wait_for).exists, "initdb has begun")
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        kill(member)
    process.communicate()
    assert not (folder / "run" / "data-18").exists()
    assert query(EmbeddedServer(folder).start(), "SELECT 1") == [(1,)]


def test_a_recycled_process_id_is_not_taken_for_the_server(folder: Path) -> None:
    server = EmbeddedServer(folder)
    server.start()
    process = server._process()
    assert process is not None
    kill(process)
    wait_until(lambda: not runs(folder), "the server is dead")
    with python("input()") as other:
        if is_root():  # PostgreSQL minds only an id of its own user's
            other.kill()
            other = subprocess.Popen(["sleep", "30"], user="nobody")
        pid_file = server.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        assert command("status").returncode == NOT_RUNNING
        assert query(server.start(), "SELECT 1") == [(1,)]
        assert other.poll() is None
        other.kill()
        other.wait()


@pytest.mark.parametrize("name", ["with space 'quotes' and é", "a, comma", "long" * 40])
def test_an_awkward_folder(open_folder: Path, name: str) -> None:
    server = EmbeddedServer(open_folder / name)
    try:
        dsn = server.start()
        assert query(dsn, "SELECT 1") == [(1,)]
        socket_folder = Path(query(dsn, "SHOW unix_socket_directories")[0][0])
        assert socket_folder.stat().st_mode & 0o077 == 0
    finally:
        assert server.stop()
    if not socket_folder.is_relative_to(open_folder):
        assert not socket_folder.exists()


def test_no_environment_of_the_user_gets_in_the_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "LANG": "xx_XX.UTF-8",
        "LC_ALL": "xx_XX.UTF-8",
        "PGPORT": "1",
        "PGHOST": "elsewhere",
        "PGUSER": "somebody",
        "PGDATABASE": "nowhere",
        "PGOPTIONS": "-c nonsense=1",
    }.items():
        monkeypatch.setenv(name, value)
    assert query(EmbeddedServer().start(), "SELECT current_user") == [("postgres",)]


def test_the_server_has_the_settings_of_a_readers_own(folder: Path) -> None:
    dsn = EmbeddedServer().start()
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert query(dsn, f"SHOW {setting}") == [("on",)]
    assert query(dsn, "SHOW listen_addresses") == [("",)]


def test_a_folder_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROJECT_POSTGRES_DIR", "/proc/nowhere")  # not even root can
    result = command("start")
    assert result.returncode == 1
    assert "/proc/nowhere, which can't be written" in result.stderr
    assert "POSTGRES_DSN" in result.stderr
    assert "Traceback" not in result.stderr


def test_corrupted_data_are_named_and_kept(folder: Path) -> None:
    server = EmbeddedServer(folder)
    server.start()
    server.stop()
    (server.data / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(PostgresError, match=r"pg_control.*its files are in"):
        server.start()
    assert server.data.exists()


@pytest.mark.skipif(not is_root(), reason="only root can be another user")
def test_root_without_a_user_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_user(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", no_such_user)
    with pytest.raises(PostgresError, match=r"no user 'nobody'.*POSTGRES_DSN"):
        EmbeddedServer().start()


@pytest.mark.skipif(not is_root(), reason="only root can be another user")
def test_root_opens_no_folder_of_its_own(folder: Path) -> None:
    before = Path.home().stat().st_mode
    server = EmbeddedServer()
    server.start()
    process = server._process()
    assert process is not None
    assert process.username() == "nobody"
    assert Path.home().stat().st_mode == before


def test_every_user_has_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROJECT_POSTGRES_DIR", raising=False)
    if is_root():
        assert EmbeddedServer().folder.is_relative_to("/var/lib")
    else:
        assert EmbeddedServer().folder.is_relative_to(Path.home())
        assert os.environ.get("XDG_DATA_HOME", str(Path.home())) in str(EmbeddedServer().folder)


@pytest.mark.skipif(not is_root() or not shutil.which("setpriv"), reason="root's capability")
def test_root_that_may_not_look_into_processes_as_in_a_container(folder: Path) -> None:
    def limited(name: str) -> str:
        drop = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
        arguments = [*drop, sys.executable, "-m", "project.postgres", name]
        return subprocess.run(arguments, capture_output=True, text=True).stdout

    assert "PostgreSQL is running" in limited("start")
    assert "PostgreSQL is running" in limited("status")
    assert "PostgreSQL is running" in limited("start")
    assert "PostgreSQL has stopped" in limited("stop")
    assert not runs(folder)
