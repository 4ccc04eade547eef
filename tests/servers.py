"""Servers and databases for the project's own tests."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from project.postgres.embedded import EmbeddedServer, give_to_server_user, server_user

PASSWORD = "s3cret%@/ pass"
DEBIAN = Path("/usr/lib/postgresql/15/bin")


def query(dsn: str | URL, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements one by one, each committed by itself; return the rows of the last."""

    async def run() -> list[tuple[Any, ...]]:
        engine = create_async_engine(dsn, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                for statement in statements:
                    result = await connection.exec_driver_sql(statement)
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            await engine.dispose()

    return asyncio.run(run())


def databases(dsn: str) -> set[str]:
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


@contextmanager
def password_server(folder: Path) -> Iterator[str]:
    """Start a server as others have it: over TCP, with a password; yield its superuser's DSN.

    It is Debian's PostgreSQL 15 where that is installed, else the embedded server's binaries.
    """
    tools = DEBIAN if DEBIAN.exists() else EmbeddedServer(folder)._tools()
    run = folder / "server"
    run.mkdir()
    give_to_server_user(run)
    secret = folder / "password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def tool(name: str, *arguments: str) -> None:
        subprocess.run(
            [tools / name, f"--pgdata={run / 'data'}", *arguments],
            check=True,
            cwd=run,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **server_user(),
        )

    tool(
        "initdb", "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "-N"
    )
    options = f"-p {port} -h 127.0.0.1 -c unix_socket_directories=''"
    tool("pg_ctl", "start", "--wait", f"--log={run / 'log'}", f"--options={options}")
    try:
        yield URL.create(
            "postgresql+asyncpg", "postgres", PASSWORD, "127.0.0.1", port, "postgres"
        ).render_as_string(hide_password=False)
    finally:
        tool("pg_ctl", "stop", "--wait", "--mode=immediate")
        shutil.rmtree(run, ignore_errors=True)
