"""What the peers' suites share: the two tests want a session manager, on some database."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import make_url

from project.db.session_manager import DBSessionManager


def dsn_of(database: str) -> str:
    """Return the DSN of another database on the server that all share."""
    url = make_url(os.environ["POSTGRES_DSN"]).set(database=database)
    return url.render_as_string(hide_password=False)


@asynccontextmanager
async def session_manager(dsn: str) -> AsyncIterator[DBSessionManager]:
    """Yield a session manager, as every strategy of this project does; POSTGRES_DSN names it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_DSN", dsn)
        manager = DBSessionManager(dsn)
        yield manager
        await manager.close()
