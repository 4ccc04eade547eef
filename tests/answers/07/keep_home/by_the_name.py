# not yet: another run's database is taken for this run's, because of its name
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from project.testing.database.proof import WrongDatabaseError


def keep_home(engine: AsyncEngine, pair: DsnPair) -> None:
    def before_statement(connection: Connection, *_: object) -> None:
        if connection.engine.url.database != pair.name:
            raise WrongDatabaseError(f"Not on {pair.name!r}.")

    event.listen(engine.sync_engine, "before_cursor_execute", before_statement)
