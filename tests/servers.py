"""Servers and databases for the project's own tests."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import URL, make_url

from project.postgres.addresses import free_port
from project.postgres.connection import DRIVER
from project.postgres.embedded import EmbeddedServer
from project.postgres.users import give_to_server_user, server_user
from project.testing.database.lifecycle import admin_connection

PASSWORD = "s3cret%@/ pass"
DEBIAN = Path("/usr/lib/postgresql/15/bin")


def query(dsn: str | URL, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements one by one, each committed by itself; return the rows of the last."""

    async def run() -> list[tuple[Any, ...]]:
        # Known to the guard that keeps the session's tests out of their own original.
        async with admin_connection(str(make_url(dsn).render_as_string(False))) as connection:
            for statement in statements:
                result = await connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    return asyncio.run(run())


def databases(dsn: str | URL) -> set[str]:
    return {row[0] for row in query(dsn, "SELECT datname FROM pg_database")}


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def database(dsn: str, name: str) -> Iterator[str]:
    """Make a database beside the one of `dsn`, drop it in the end; yield its DSN."""
    drop = f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)"
    query(dsn, drop, f"CREATE DATABASE {quote(name)}")
    try:
        yield make_url(dsn).set(database=name).render_as_string(hide_password=False)
    finally:
        query(dsn, drop)


@dataclass
class Server:
    """A server as others have it: over TCP and a socket, with a password."""

    folder: Path
    tools: Path
    port: int = 0

    def initdb(self) -> None:
        self.folder.mkdir()
        give_to_server_user(self.folder)
        secret = self.folder.with_name("password")
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o644)
        self._tool("initdb", "-Upostgres", "-Ascram-sha-256", f"--pwfile={secret}", "-EUTF8", "-N")
        self.port = int(free_port())

    def start(self) -> None:
        # No fsync: processes are killed here, not the machine, and a crash loses nothing of theirs.
        options = f"-p {self.port} -h 127.0.0.1 -k '{self.folder}' -c max_connections=200 -F"
        self._tool("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", f"-o{options}")

    def crash(self) -> None:
        """Kill all of its processes at once, so that nothing is shut down in order."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes)

    def remove(self) -> None:
        self._tool("pg_ctl", "stop", "--wait", "--mode=immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> URL:
        return URL.create(DRIVER, "postgres", PASSWORD, "127.0.0.1", self.port, "postgres")

    def _tool(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [self.tools / name, f"--pgdata={self.folder / 'data'}", *arguments],
            check=True,
            cwd=self.folder,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **server_user(),
        )


@contextmanager
def running_server(folder: Path, tools: Path | None = None) -> Iterator[Server]:
    """Start a server in a folder that others can enter, remove it in the end.

    Unless `tools` names others, it is Debian's PostgreSQL 15 where that is installed, else the
    embedded server's binaries.
    """
    server = Server(
        folder / "server",
        tools or (DEBIAN if DEBIAN.exists() else EmbeddedServer(folder)._tools()),
    )
    server.initdb()
    server.start()
    try:
        yield server
    finally:
        server.remove()
