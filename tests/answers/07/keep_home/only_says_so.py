# not yet: a statement runs in your shop, because nothing is raised there
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from project.testing.database.proof import WrongDatabaseError


def keep_home(engine: AsyncEngine, pair: DsnPair) -> None:
    def before_statement(connection: Connection, *_: object) -> None:
        return is_on(connection, pair)

    event.listen(engine.sync_engine, "before_cursor_execute", before_statement)
