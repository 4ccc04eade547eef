"""What can be said of a server without a name, an address or a path: for who compares times."""

from pathlib import Path

import psutil
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from project.postgres.connection import run_async

SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
HERE = (None, "localhost", "127.0.0.1", "::1")
# Those who mayn't know the folder get none.
DATA = text("SELECT setting FROM pg_settings WHERE name = 'data_directory'")


def description(dsn: str) -> dict[str, str]:
    """Return a server's version, the settings that matter for times, and its file system."""
    found: dict[str, str] = {}

    async def ask() -> None:
        engine = create_async_engine(dsn, poolclass=NullPool)
        async with engine.connect() as connection:
            for name in ("server_version", *SETTINGS):
                found[name] = str(await connection.scalar(text(f"SHOW {name}")))
            found["data"] = await connection.scalar(DATA) or ""

    run_async(ask())
    folder, version = found.pop("data"), found.pop("server_version")
    here = folder and make_url(dsn).host in HERE
    system = file_system(Path(folder)) if here else "unknown"
    return {"PostgreSQL": version, "file system": system, **found}


def file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on, such as `ext4 without a journal`."""
    mounts = [m for m in psutil.disk_partitions(all=True) if folder.is_relative_to(m.mountpoint)]
    if not mounts:
        return "unknown"
    mount = max(mounts, key=lambda mount: len(mount.mountpoint))
    device = Path(mount.device).name
    known = Path("/proc/fs/ext4", device).exists()
    if known and not list(Path("/proc/fs/jbd2").glob(f"{device}-*")):
        return f"{mount.fstype} without a journal"
    return mount.fstype
