"""The embedded server: one per user, started on demand, sound after any crash.

Every test has a server folder of its own, so that the user's own server is left alone.
"""

import errno
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from project.postgres import embedded
from project.postgres.__main__ import NOT_RUNNING
from project.postgres.connection import PostgresError
from project.postgres.embedded import EmbeddedServer
from project.postgres.users import is_root
from tests.runs import suite
from tests.servers import query

USE = "from project import postgres; print(postgres.dsn(), flush=True)"
USE_UNTIL_TOLD = f"{USE}; input()"


@pytest.fixture
def folder(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PROJECT_POSTGRES_DIR", str(open_folder / "pg"))
    monkeypatch.delenv("POSTGRES_DSN", raising=False)
    yield open_folder / "pg"
    EmbeddedServer(open_folder / "pg").stop()


def python(code: str, within: Sequence[str] = ()) -> "subprocess.Popen[str]":
    """Start a process that stands for a notebook's kernel or a shell."""
    return subprocess.Popen(
        [*within, sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_dsn(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def command(name: str, *options: str, umask: int = -1) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "project.postgres", name, *options]
    return subprocess.run(arguments, capture_output=True, text=True, umask=umask)


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


@pytest.mark.thorough
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


@pytest.mark.parametrize(
    "wait_for", [pytest.param("initdb.out", marks=pytest.mark.thorough), "unfinished/PG_VERSION"]
)
def test_kill_9_in_the_middle_of_initdb(folder: Path, wait_for: str) -> None:
    process = python(USE)
    wait_until((folder / "run" / wait_for).exists, "initdb has begun")
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        kill(member)
    process.communicate()
    assert not (folder / "run" / "data-18").exists()
    assert query(EmbeddedServer(folder).start(), "SELECT 1") == [(1,)]


@pytest.mark.thorough
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
            other = subprocess.Popen(["sleep", "30"], user="nobody", text=True)
        pid_file = server.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        assert command("status").returncode == NOT_RUNNING
        assert query(server.start(), "SELECT 1") == [(1,)]
        assert other.poll() is None
        other.kill()
        other.wait()


@pytest.mark.parametrize(
    "name",
    ["with space 'quotes' and é", "a, comma", "long" * 40, "100%2F & more #1+1;x?y=z", "a:5 @b"],
)
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


@pytest.mark.thorough
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
        "PGSSLMODE": "verify-full",
        "PGSSLNEGOTIATION": "direct",
        "PGTARGETSESSIONATTRS": "standby",
        "PGGSSLIB": "none",
        "PGPASSFILE": "/",
        "PGSERVICE": "another",
    }.items():
        monkeypatch.setenv(name, value)
    connect = (
        "from project import postgres; from tests.servers import query\n"
        "print(query(postgres.dsn(), 'SELECT current_user'))"
    )
    output, errors = python(connect).communicate()
    assert output.strip() == "[('postgres',)]", errors
    assert command("start").returncode == 0
    EmbeddedServer().start()
    assert os.environ["PGTARGETSESSIONATTRS"] == "standby"  # for other servers of the reader's


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


@pytest.mark.thorough
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


# --- seen from another container: another PID namespace on the same folder ---

NAMESPACE = [
    *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *([] if is_root() else ["--user", "--map-current-user"]),
]
try:
    CAN_UNSHARE = subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0
except FileNotFoundError:
    CAN_UNSHARE = False
needs_namespaces = pytest.mark.skipif(not CAN_UNSHARE, reason="no PID namespace can be made here")

WRITE = suite("embedded_server/write.py")


def container(code: str) -> "subprocess.Popen[str]":
    return python(code, within=NAMESPACE)


def tell(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def postmasters(folder: Path) -> list[psutil.Process]:
    ours = [p for p in psutil.process_iter() if EmbeddedServer(folder)._is_ours(p)]
    return [p for p in ours if p.ppid() not in {q.pid for q in ours}]


@pytest.mark.thorough
@needs_namespaces
def test_two_containers_on_one_folder_share_one_server(folder: Path) -> None:
    EmbeddedServer(folder).start()
    query(EmbeddedServer(folder).start(), "CREATE TABLE kept (n int)")
    EmbeddedServer(folder).stop()
    first, second = container(WRITE), container(WRITE)
    try:
        assert read_dsn(first) == read_dsn(second) != ""
        assert len(postmasters(folder)) == 1
        for process in (first, second):
            tell(process)
        assert read_dsn(first) == read_dsn(second) == "written"
    finally:
        said = [process.communicate("\n")[1] for process in (second, first)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert query(EmbeddedServer(folder).start(), "SELECT count(*) FROM kept") == [(40,)]


@pytest.mark.thorough
@needs_namespaces
def test_a_container_that_is_killed_leaves_the_folder_free(folder: Path) -> None:
    process = container(WRITE)
    read_dsn(process)
    process.kill()
    process.communicate()
    assert query(EmbeddedServer(folder).start(), "SELECT 1") == [(1,)]
    assert len(postmasters(folder)) == 1


@pytest.mark.thorough
@needs_namespaces
def test_a_server_in_a_container_is_seen_and_not_stopped_from_outside(folder: Path) -> None:
    process = container(USE_UNTIL_TOLD)
    dsn = read_dsn(process)
    assert command("status").returncode == 0
    assert command("dsn").stdout.strip() == dsn
    stopped = command("stop")
    assert stopped.returncode == 1
    assert "another container" in stopped.stderr
    assert query(dsn, "SELECT 1") == [(1,)]
    process.communicate("\n")
    assert command("status").returncode == NOT_RUNNING


@pytest.mark.thorough
@needs_namespaces
def test_a_server_in_a_container_that_cannot_be_reached_is_left_alone(folder: Path) -> None:
    process = container(USE_UNTIL_TOLD)
    dsn = read_dsn(process)
    socket = folder / "run" / ".s.PGSQL.5432"
    socket.rename(folder / "run" / "away")  # as on another machine, where it leads nowhere
    refused = command("start")
    assert refused.returncode == 1
    assert "another container or on another machine" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert len(postmasters(folder)) == 1
    (folder / "run" / "away").rename(socket)
    assert query(dsn, "SELECT 1") == [(1,)]
    process.communicate("\n")


# --- other users ---

ANOTHER = 54321  # no user has this id


def as_another_user(code: str) -> str:
    """Have a process of root's become another user, one without a name or a home, then do it.

    The interpreter may be where that user can't read it: it is loaded before.
    """
    return (
        "import os; from project import postgres; from project.postgres.__main__ import main\n"
        "import configparser, encodings.idna, greenlet, sqlalchemy.dialects.postgresql.asyncpg\n"
        "os.environ.pop('HOME', None); os.setgroups([])\n"
        f"os.setgid({ANOTHER}); os.setuid({ANOTHER})\n{code}"
    )


@pytest.mark.skipif(not is_root(), reason="only root can take a folder")
@pytest.mark.parametrize("whose", [pytest.param("", marks=pytest.mark.thorough), "run"])
def test_root_leaves_the_folder_of_another_user_alone(folder: Path, whose: str) -> None:
    (folder / "run").mkdir(parents=True)
    os.chown(folder / whose, ANOTHER, ANOTHER)
    for name in ("start", "status", "stop"):
        refused = command(name)
        assert refused.returncode == 1
        assert f"{folder / whose} belongs to the user {ANOTHER}" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert (folder / whose).stat().st_uid == ANOTHER
    assert [path.name for path in folder.rglob("*")] == ["run"]
    (folder / whose).rmdir() if whose else os.chown(folder, 0, 0)


@pytest.mark.skipif(not is_root(), reason="only root can be another user")
def test_another_user_is_told_whose_server_it_is(folder: Path) -> None:
    EmbeddedServer(folder).start()
    for name in ("start", "status", "stop"):
        said = python(as_another_user(f"raise SystemExit(main(['{name}']))"))
        _, errors = said.communicate()
        assert said.returncode == 1
        assert "run belongs to nobody" in errors
        assert errors.count("\n") == 1
    assert runs(folder)


@pytest.mark.skipif(not is_root(), reason="only root can be another user")
def test_a_user_without_a_name_or_a_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch, password_dsn: str
) -> None:
    monkeypatch.delenv("PROJECT_POSTGRES_DIR")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    said = python(as_another_user("raise SystemExit(main(['start']))"))
    _, errors = said.communicate()
    assert said.returncode == 1
    assert "no home folder" in errors
    assert "PROJECT_POSTGRES_DIR" in errors
    assert errors.count("\n") == 1
    monkeypatch.setenv("POSTGRES_DSN", password_dsn)
    connect = "print(postgres.dsn())"
    said = python(f"from project import postgres; {connect}\n{as_another_user(connect)}")
    output, errors = said.communicate()
    assert (output.splitlines(), errors) == ([password_dsn, password_dsn], "")


@pytest.mark.thorough
@pytest.mark.skipif(not is_root(), reason="root's tools are a copy")
@pytest.mark.parametrize("umask", [0o027, 0o077])
def test_the_umask_of_root(folder: Path, monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    deep = folder / "not" / "there"
    monkeypatch.setenv("PROJECT_POSTGRES_DIR", str(deep))
    try:
        started = command("start", umask=umask)
        assert started.returncode == 0, started.stderr
    finally:
        assert "has stopped" in command("stop", umask=umask).stdout


@pytest.mark.thorough
@pytest.mark.skipif(not is_root(), reason="root's tools are a copy")
def test_a_broken_copy_of_the_tools_is_made_anew(folder: Path) -> None:
    server = EmbeddedServer(folder)
    tools = server._tools()
    for spoil in (
        lambda: (tools / "postgres").chmod(0o700),
        lambda: tools.parents[1].chmod(0o700),
        lambda: (tools / "postgres").write_bytes(b""),
        lambda: (tools / "postgres").unlink(),
    ):
        spoil()
        server.start()
        assert server.stop()


@pytest.mark.skipif(not is_root(), reason="only root can be shut out of nowhere")
def test_a_folder_that_the_user_of_the_server_cannot_enter(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_folder.chmod(0o700)
    monkeypatch.setenv("PROJECT_POSTGRES_DIR", str(open_folder / "pg"))
    refused = command("start")
    assert refused.returncode == 1
    assert "that 'nobody' can enter" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert open_folder.stat().st_mode & 0o777 == 0o700


# --- waiting, and starting again ---


@pytest.mark.thorough
def test_it_waits_for_the_old_server_to_shut_down(folder: Path) -> None:
    server = EmbeddedServer(folder)
    dsn = server.start()
    before = server._pid_file()[:3]
    last = python(f"from tests.servers import query; query({dsn!r}, 'SELECT pg_sleep(4)')")
    is_asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    wait_until(lambda: query(dsn, is_asleep) == [(1,)], "the last client is there")
    process = server._process()
    assert process is not None
    process.terminate()  # a smart shutdown: it waits for its clients, and takes no new ones
    assert query(server.start(), "SELECT 1") == [(1,)]
    assert server._pid_file()[:3] != before
    last.communicate()
    assert last.returncode == 0


@pytest.mark.thorough
def test_a_server_that_cannot_be_reached_is_restarted(folder: Path) -> None:
    server = EmbeddedServer(folder)
    query(server.start(), "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)")
    before = server._process()
    (folder / "run" / ".s.PGSQL.5432").unlink()
    assert query(server.start(), "SELECT n FROM kept") == [(1,)]
    assert server._process() != before


@pytest.mark.thorough
def test_a_server_that_does_not_answer_is_restarted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(folder)
    server.start()
    before = server._process()
    assert before is not None
    before.suspend()
    monkeypatch.setattr(embedded, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(embedded, "START_SECONDS", 10)
    monkeypatch.setattr(embedded, "STOP_SECONDS", 1)
    assert query(server.start(), "SELECT 1") == [(1,)]
    assert server._process() != before


@pytest.mark.thorough
def test_a_server_that_refuses_everybody_is_restarted_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(folder)
    server.start()
    launched: list[bool] = []
    launch = EmbeddedServer._launch_unless_held

    def record(self: EmbeddedServer, tcp: bool) -> None:
        launched.append(tcp)
        launch(self, tcp)

    monkeypatch.setattr(EmbeddedServer, "_launch_unless_held", record)
    hba = server.data / "pg_hba.conf"
    good = hba.read_text()
    hba.write_text("local all all reject\n")
    server._tool("pg_ctl", "reload", f"--pgdata={server.data}")
    with pytest.raises(PostgresError, match=r"runs, but can't be used: .*pg_hba.conf"):
        server.start()
    assert len(launched) == 1
    hba.write_text(good)
    assert query(server.start(), "SELECT 1") == [(1,)]


def test_a_database_that_was_dropped_is_made_anew(folder: Path) -> None:
    server = EmbeddedServer(folder)
    postgres = make_url(server.start()).set(database="postgres")
    query(postgres, "DROP DATABASE example_db", "ALTER ROLE postgres SET lc_messages = 'C'")
    assert query(server.start(), "SELECT current_database()") == [("example_db",)]


# --- the end ---


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_it_stops_when_the_terminal_closes(folder: Path, number: int) -> None:
    process = python(USE_UNTIL_TOLD)
    read_dsn(process)
    process.send_signal(number)
    process.communicate()
    assert process.returncode == -number
    assert not runs(folder)


def test_a_handler_of_somebody_else_is_left_to_them(folder: Path) -> None:
    process = python(
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        # Not by print, which may be at work when the signal comes.
        "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'mine\\n'))\n" + USE_UNTIL_TOLD
    )
    read_dsn(process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert read_dsn(process) == "mine"
    assert runs(folder)
    process.communicate("\n")
    assert process.returncode == 0
    assert not runs(folder)


def test_the_end_of_a_fork_leaves_the_server(folder: Path) -> None:
    process = python(
        f"{USE}\nimport os, time\n"
        "if not (child := os.fork()):\n"
        "    print('forked', flush=True); time.sleep(60); os._exit(1)\n"
        "input()\n"
        "os.kill(child, 15)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"
        "input()"
    )
    read_dsn(process)
    assert read_dsn(process) == "forked"
    tell(process)
    assert read_dsn(process) == str(-signal.SIGTERM)
    assert runs(folder)
    process.communicate("\n")
    assert not runs(folder)


def test_a_crash_leaves_no_folder_that_the_next_start_does_not_use(open_folder: Path) -> None:
    server = EmbeddedServer(open_folder / ("long" * 40))
    try:
        dsn = server.start()
        process = server._process()
        assert process is not None
        kill(process)
        assert server.start() == dsn
        socket_folder = Path(query(dsn, "SHOW unix_socket_directories")[0][0])
    finally:
        server.stop()
    assert not socket_folder.exists()


def test_a_relative_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_POSTGRES_DIR", "pg")
    monkeypatch.chdir(folder.parent)
    refused = command("start")
    assert refused.returncode == 1
    assert "PROJECT_POSTGRES_DIR is 'pg'" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not any(folder.parent.iterdir())


# --- errors of the system ---


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOLCK, "can't lock files"),
        (errno.EOPNOTSUPP, "can't lock files"),
        (errno.EDQUOT, "is full"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "can't be used: "),
    ],
)
def test_each_error_of_the_system_has_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(PostgresError, match=words) as caught:
        EmbeddedServer().start()
    assert os.strerror(number) in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()


@pytest.mark.thorough
@pytest.mark.skipif(not is_root() or not CAN_UNSHARE, reason="only root can mount")
def test_a_full_disk_is_called_one(folder: Path) -> None:
    folder.mkdir()
    mount = 'mount -t tmpfs -o size=%s,mode=755 none "$PROJECT_POSTGRES_DIR" && exec "$@"'
    for size in ("1m", "50m", "60m"):  # for the tools, for initdb, and for its end
        arguments = [*NAMESPACE, "sh", "-c", mount % size, "sh"]  # it takes all with it
        refused = subprocess.run(
            [*arguments, sys.executable, "-m", "project.postgres", "start"],
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 1
        assert "No space left on device" in refused.stderr
        assert "Make room on the disk" in refused.stderr
        assert refused.stderr.count("\n") == 1


# --- its address ---


def test_the_dsn_of_a_usual_path_has_nothing_escaped(folder: Path) -> None:
    dsn = EmbeddedServer(folder).start()
    assert dsn == f"postgresql+asyncpg://postgres@/example_db?host={folder}/run&port=5432"


@pytest.mark.thorough
def test_tcp_for_what_needs_a_host_and_a_port(folder: Path) -> None:
    started = command("start", "--tcp")
    assert started.returncode == 0, started.stderr
    dsn = command("dsn").stdout.strip()
    url = make_url(dsn)
    assert url.host == "127.0.0.1"
    assert query(dsn, "SHOW listen_addresses") == [("127.0.0.1",)]
    assert query(dsn, "SELECT current_database(), current_user") == [("example_db", "postgres")]
    with pytest.raises(DBAPIError, match="password authentication failed"):
        query(url.set(password="guessed"), "SELECT 1")
    assert (folder / "password").stat().st_mode & 0o777 == 0o600
    assert python(USE).communicate()[0].strip() == dsn
    assert runs(folder)
    assert command("stop").returncode == 0
    command("start", "--tcp")
    assert command("dsn").stdout.strip() == dsn, "what was given away stays true"
    command("stop")
    with socket.create_server(("127.0.0.1", url.port)):
        command("start", "--tcp")
        assert make_url(command("dsn").stdout.strip()).port != url.port
        command("stop")
    assert "host=" in command("start").stdout
    refused = command("start", "--tcp")
    assert refused.returncode == 1
    assert "without TCP" in refused.stderr
    assert command("stop", "--tcp").returncode == 2
