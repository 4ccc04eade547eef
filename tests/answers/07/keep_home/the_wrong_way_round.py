# not yet: the run's own database is refused
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from project.testing.database.proof import WrongDatabaseError


def keep_home(engine: AsyncEngine, pair: DsnPair) -> None:
    def before_statement(connection: Connection, *_: object) -> None:
        if is_on(connection, pair):
            raise WrongDatabaseError(f"Not on {pair.name!r}.")

    event.listen(engine.sync_engine, "before_cursor_execute", before_statement)
