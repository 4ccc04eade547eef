"""What a participant gets before their server starts: a user, a home with the course, a database.

Nobody's user, folder or role is taken over: a participant's user is in a group of the workshop's,
and their role and database have names of its own.
"""

import asyncio
import grp
import os
import pwd
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import nbformat
from sqlalchemy import make_url

from project.postgres.connection import CONNECT_SECONDS, execute
from workshop import place

GROUP = "clean-database"
COURSE = "clean-database"  # the folder in a participant's home
TEMPORARY = "tmp"  # another one
NAME = r"[a-z][a-z0-9]{0,15}"  # what useradd, PostgreSQL and an URL take without quoting
CONTENT = ["notebooks", "project", "migrations", "examples", "benchmarks", "tests", "alembic.ini"]
CONTENT += ["README.md", "CONTRIBUTING.md", "LICENSE", "LICENSE-TEXT"]

one_at_a_time = asyncio.Lock()  # useradd locks its files, and a role is made once


class RefusedError(Exception):
    """A participant can't have this name. The hub shows the message on its page."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.jupyterhub_message = message


async def prepare(spawner: Any) -> None:
    """Make what a participant's server needs, before the hub starts it.

    Args:
        spawner: JupyterHub's. It gets POSTGRES_DSN in its environment.

    Raises:
        RefusedError: the name belongs to a user of this machine.
    """
    name = spawner.user.name
    async with one_at_a_time:
        await asyncio.to_thread(make_user, name)
        dsn = await make_database(name, await asyncio.to_thread(start_postgres))
    # In /tmp, others could look into what a notebook puts there.
    own = {"POSTGRES_DSN": dsn, "TMPDIR": str(Path(pwd.getpwnam(name).pw_dir, TEMPORARY))}
    spawner.environment = dict(spawner.environment) | own


def make_group() -> None:
    """Make the group that participants' users are in, unless it is there."""
    subprocess.run(["groupadd", "--force", GROUP], check=True)


def make_skeleton() -> None:
    """Copy the course to where useradd takes a new home from, without the stored outputs."""
    new = place.FOLDER / "skeleton.new"
    shutil.rmtree(new, ignore_errors=True)
    course = new / COURSE
    course.mkdir(parents=True)
    (new / TEMPORARY).mkdir()
    for file in Path("/etc/skel").glob("*"):
        if file.is_file():
            shutil.copy2(file, new)
    for name in CONTENT:
        path = place.ROOT / name
        if path.is_dir():
            shutil.copytree(path, course / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(path, course)
    for path in course.glob("notebooks/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, path)
    for path in (new, *new.rglob("*")):  # whatever root's umask was
        path.chmod(0o700 if path.is_dir() else 0o600)
    shutil.rmtree(place.SKELETON, ignore_errors=True)
    new.rename(place.SKELETON)


def make_user(name: str) -> None:
    """Make a participant's user and home, unless they are there.

    Raises:
        RefusedError: there is such a user, or such a home, that isn't a participant's.
    """
    assert re.fullmatch(NAME, name)
    try:
        groups = {grp.getgrgid(number).gr_name for number in _groups_of(name)}
    except KeyError:
        home = Path("/home", name)
        if home.exists() or home.is_symlink():
            raise RefusedError(f"{name!r} can't be used here. Log in with another name.") from None
        options = ["--user-group", "--groups", GROUP, "--shell", "/bin/bash"]
        options += ["--create-home", "--home-dir", str(home), "--skel", str(place.SKELETON)]
        made = subprocess.run(["useradd", *options, name], capture_output=True, text=True)
        if made.returncode != 0:  # a group of this name, say
            reason = made.stderr.strip().partition("\n")[0]
            raise RefusedError(
                f"{name!r} can't be used: {reason}. Log in with another name."
            ) from None
        home.chmod(0o700)  # whatever login.defs says
        return
    if GROUP not in groups:
        raise RefusedError(f"{name!r} is a user of this machine. Log in with another name.")


def _groups_of(name: str) -> list[int]:
    """Return the numbers of a user's groups. Raises KeyError if there is no such user."""
    return os.getgrouplist(name, pwd.getpwnam(name).pw_gid)


def start_postgres() -> str:
    """Start the server that all share, if need be; return its superuser's DSN."""
    return place.postgres().start(tcp=True)


def set_up_postgres() -> None:
    """Start the server with connections for everybody.

    Their number takes effect at a start. Where it is right, the server goes on: participants may
    be at work while the hub starts again.
    """
    dsn = start_postgres()
    wanted = place.PARTICIPANTS * place.CONNECTIONS_OF_ONE + 10
    if asyncio.run(_max_connections(dsn)) < wanted:
        execute(make_url(dsn), f"ALTER SYSTEM SET max_connections = {wanted}", CONNECT_SECONDS)
        place.postgres().stop()
        start_postgres()


async def _max_connections(dsn: str) -> int:
    connection = await asyncpg.connect(dsn.replace("+asyncpg", ""))
    try:
        return int(await connection.fetchval("SHOW max_connections"))
    finally:
        await connection.close()


async def make_database(name: str, admin_dsn: str) -> str:
    """Make a participant's role and database, unless they are there; return their DSN.

    The role may create databases, and nothing else. It gets a new password each time, which stands
    in the environment of the participant's server alone.
    """
    connection = await asyncpg.connect(admin_dsn.replace("+asyncpg", ""))
    try:
        role, password = f"participant_{name}", secrets.token_hex(16)
        options = f"LOGIN CREATEDB CONNECTION LIMIT {4 * place.CONNECTIONS_OF_ONE}"
        there = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role)
        verb = "ALTER" if there else "CREATE"
        await connection.execute(f"{verb} ROLE {role} {options} PASSWORD '{password}'")
        if not await connection.fetchval(
            "SELECT count(*) FROM pg_database WHERE datname = $1", f"course_{name}"
        ):
            await connection.execute(f"CREATE DATABASE course_{name} OWNER {role}")
        await connection.execute(f"REVOKE ALL ON DATABASE course_{name} FROM PUBLIC")
    finally:
        await connection.close()
    url = make_url(admin_dsn).set(username=role, password=password, database=f"course_{name}")
    return url.render_as_string(hide_password=False)
