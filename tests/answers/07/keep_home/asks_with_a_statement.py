# not yet: it doesn't end, because a statement in the listener calls the listener again
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from project.testing.database.proof import WrongDatabaseError


def keep_home(engine: AsyncEngine, pair: DsnPair) -> None:
    def before_statement(connection: Connection, *_: object) -> None:
        name = connection.exec_driver_sql("SELECT current_database()").scalar()
        if name != pair.name:
            raise WrongDatabaseError(f"Not on {pair.name!r}.")

    event.listen(engine.sync_engine, "before_cursor_execute", before_statement)
