"""What a test can do to a database, and whether the next test, or the same one, notices.

Each class is a question, asked in its docstring, and belongs to a group. The answer is yes if a
session of its tests alone ends with exit status 0. Where there are two tests, the first does
something and the second looks for what is left of it. No test cleans up after itself.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from project.db.session_manager import DBSessionManager

pytestmark = pytest.mark.asyncio

ROWS = "rows"
OBJECTS = "objects"
CONNECTIONS = "connections"
CODE = "code under test"
SERVER = "the server"

INSERT = "INSERT INTO thing (id) VALUES (1)"
INSERT_ANOTHER = "INSERT INTO thing (id) VALUES (2)"
COUNT = "SELECT count(*) FROM thing"
LEFT_OPEN: list[AsyncSession] = []  # else the garbage collector would close them

twice = pytest.mark.parametrize("test", [1, 2])


class CodeUnderTestError(Exception):
    """Something goes wrong in a test."""


async def ask(db: DBSessionManager, statement: str, *before: str) -> object:
    async with db.asessionmaker() as session:
        for other in before:
            await session.execute(text(other))
        return await session.scalar(text(statement))


async def run(db: DBSessionManager, *statements: str) -> None:
    async with db.asessionmaker() as session:
        for statement in statements:
            await session.execute(text(statement))
        await session.commit()


@asynccontextmanager
async def another_connection() -> AsyncIterator[AsyncSession]:
    """Connect as another process does: by POSTGRES_DSN."""
    engine = create_async_engine(os.environ["POSTGRES_DSN"], poolclass=NullPool)
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


# --- rows ---


class TestRows:
    """Rows that a test commits are gone"""

    group = ROWS

    async def test_1(self, db: DBSessionManager) -> None:
        await run(db, INSERT)
        assert await ask(db, COUNT) == 1

    async def test_2(self, db: DBSessionManager) -> None:
        assert await ask(db, COUNT) == 0


class TestException:
    """Rows of a test that ends in an exception are gone"""

    group = ROWS

    @pytest.mark.xfail(raises=CodeUnderTestError, strict=True)
    async def test_1(self, db: DBSessionManager) -> None:
        await run(db, INSERT)
        async with db.asessionmaker() as session:
            await session.execute(text(INSERT_ANOTHER))
            raise CodeUnderTestError

    async def test_2(self, db: DBSessionManager) -> None:
        assert await ask(db, COUNT) == 0


class TestFixture:
    """Rows of a fixture that fails are gone"""

    group = ROWS

    @pytest_asyncio.fixture(loop_scope="function")
    async def failing_fixture(self, db: DBSessionManager) -> None:
        await run(db, INSERT)
        raise CodeUnderTestError

    @pytest.mark.xfail(raises=CodeUnderTestError, strict=True)
    async def test_1(self, failing_fixture: None) -> None:
        pass

    async def test_2(self, db: DBSessionManager) -> None:
        assert await ask(db, COUNT) == 0


class TestOtherRows:
    """Rows that a second connection commits are gone"""

    group = ROWS

    async def test_1(self, db: DBSessionManager) -> None:
        async with another_connection() as session:
            await session.execute(text(INSERT))
            await session.commit()

    async def test_2(self, db: DBSessionManager) -> None:
        assert await ask(db, COUNT) == 0


class TestIdentity:
    """An identity column begins anew"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        async with db.asessionmaker() as session:
            inserted = text("INSERT INTO counted DEFAULT VALUES RETURNING id")
            assert await session.scalar(inserted) == 1
            await session.commit()


class TestSequence:
    """A sequence begins anew, also one without a column"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT nextval('ticket')") == 100


class TestInserted:
    """Rows that a migration inserts are there for each test"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM country") == 2


class TestInsertedAndMore:
    """Rows that a test adds to them are gone"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM country") == 2
        await run(db, "INSERT INTO country (name) VALUES ('Erewhon')")


class TestInsertedAndChanged:
    """Rows that a migration inserts are as they were after a test has changed them"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        names = "SELECT string_agg(name, ' ' ORDER BY name) FROM country"
        assert await ask(db, names) == "Laputa Utopia"
        await run(db, "UPDATE country SET name = 'Erewhon' WHERE name = 'Utopia'")


class TestInsertedAndDeleted:
    """Rows that a migration inserts are back after a test has deleted them"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM country") == 2
        await run(db, "DELETE FROM country")


class TestWithoutModel:
    """Rows of a table without a model are gone"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM no_model") == 0
        await run(db, "INSERT INTO no_model (id) VALUES (1)")


class TestWithoutModelReferring:
    """Rows of a table without a model that refers to one with a model are gone"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM no_model_part") == 0
        await run(db, INSERT, "INSERT INTO no_model_part (thing_id) VALUES (1)")


class TestRowSecurity:
    """Rows behind row level security are gone, also those that the role doesn't see"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        tenant = "SET LOCAL test.tenant = 'one'"
        assert await ask(db, "SELECT count(*) FROM secured", tenant) == 0
        await run(db, tenant, "INSERT INTO secured (tenant) VALUES ('one')")


class TestSoftDelete:
    """Rows of a table that only marks its rows as deleted are gone"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM soft_deleted") == 0
        await run(db, "INSERT INTO soft_deleted (id) VALUES (1)")


class TestAppendOnly:
    """Rows of a table that refuses DELETE are gone"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM append_only") == 0
        await run(db, "INSERT INTO append_only (id) VALUES (1)")


class TestAudit:
    """Rows that a trigger writes when rows are deleted are gone"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM audit") == 0
        await run(db, "INSERT INTO audited (id) VALUES (1)")


class TestMaterializedView:
    """A materialized view that a test has refreshed is as before"""

    group = ROWS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT number FROM number_of_things") == 0
        await run(db, INSERT, "REFRESH MATERIALIZED VIEW number_of_things")


# --- objects ---


class TestColumn:
    """A column that a test adds is gone"""

    group = OBJECTS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "ALTER TABLE thing ADD COLUMN added integer")


class TestColumnDropped:
    """A column that a test drops is back"""

    group = OBJECTS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "ALTER TABLE thing DROP COLUMN created_at")


class TestTable:
    """A table that a test creates is gone"""

    group = OBJECTS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "CREATE TABLE left_behind (id integer)")


class TestTableDropped:
    """A table that a test drops is back"""

    group = OBJECTS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "DROP TABLE part")


class TestIndexDropped:
    """An index that a test drops is back"""

    group = OBJECTS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "DROP INDEX thing_by_time")


class TestView:
    """A view that a test creates on a table is gone"""

    group = OBJECTS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "CREATE VIEW things_seen AS SELECT id FROM thing")


class TestEnum:
    """A value that a test adds to an enum type is gone"""

    group = OBJECTS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "ALTER TYPE kind ADD VALUE 'broken'")


class TestTrigger:
    """A trigger that a test disables is enabled again"""

    group = OBJECTS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        enabled = "SELECT count(*) FROM pg_trigger WHERE tgname = 'audits' AND tgenabled = 'O'"
        assert await ask(db, enabled) == 1
        await run(db, "ALTER TABLE audited DISABLE TRIGGER audits")


# --- connections ---


class TestSetting:
    """A setting that a test makes for its connection is gone"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SHOW application_name") != "left behind"
        await run(db, "SET application_name = 'left behind'")


class TestTemporaryTable:
    """A temporary table is gone"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "CREATE TEMPORARY TABLE left_behind (id integer)")


class TestPrepared:
    """A statement that a test prepares is gone"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "PREPARE left_behind AS SELECT 1")


class TestListen:
    """A connection doesn't listen any more"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, "SELECT count(*) FROM pg_listening_channels()") == 0
        await run(db, "LISTEN left_behind")


class TestAdvisoryLock:
    """An advisory lock that a test takes is free again"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        async with another_connection() as session:
            assert await session.scalar(text("SELECT pg_try_advisory_lock(1)"))
        await run(db, "SELECT pg_advisory_lock(1)")


class TestLeftOpen:
    """A test may leave a transaction open that has inserted"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        session = db.asessionmaker()
        LEFT_OPEN.append(session)
        assert await session.scalar(text(COUNT)) == 0
        await session.execute(text(INSERT))


class TestLeftOpenUpdate:
    """A test may leave a transaction open that has locked a committed row"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, COUNT) == 0
        await run(db, INSERT)
        session = db.asessionmaker()
        LEFT_OPEN.append(session)
        await session.execute(text("UPDATE thing SET created_at = NULL"))


class TestTimeout:
    """A statement may be cut off by a timeout"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, COUNT) == 0
        await run(db, INSERT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(db, "SELECT pg_sleep(60)"), 0.1)


class TestBroken:
    """A test may break its connection"""

    group = CONNECTIONS

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        assert await ask(db, COUNT) == 0
        await run(db, INSERT)
        with pytest.raises(DBAPIError):
            await ask(db, "SELECT pg_terminate_backend(pg_backend_pid())")


# --- code under test ---


class TestCommit:
    """A commit keeps a row, a rollback after it takes back the rest"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as session:
            await session.execute(text(INSERT))
            await session.commit()
            await session.execute(text(INSERT_ANOTHER))
            await session.rollback()
        assert await ask(db, COUNT) == 1


class TestError:
    """After an error and a rollback, the session goes on"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        await run(db, INSERT)
        async with db.asessionmaker() as session:
            with pytest.raises(IntegrityError):
                await session.execute(text(INSERT))
            await session.rollback()
            await session.execute(text(INSERT_ANOTHER))
            await session.commit()
        assert await ask(db, COUNT) == 2


class TestClosed:
    """A test may close the engine"""

    group = CODE

    async def test_1(self, db: DBSessionManager) -> None:
        await run(db, INSERT)
        await db.close()
        assert await ask(db, COUNT) == 1

    async def test_2(self, db: DBSessionManager) -> None:
        assert await ask(db, COUNT) == 0


class TestTwoSessions:
    """Two sessions at once don't see each other's uncommitted rows"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as one, db.asessionmaker() as other:
            await one.execute(text(INSERT))
            assert await other.scalar(text(COUNT)) == 0
            await one.commit()
            assert await other.scalar(text(COUNT)) == 1


class TestInterleaved:
    """Of two interleaved sessions, one rolls back and the other's commit stays"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as one, db.asessionmaker() as other:
            await one.execute(text(INSERT))
            await other.execute(text(INSERT_ANOTHER))
            await other.commit()
            await one.rollback()
        assert await ask(db, "SELECT id FROM thing") == 2


class TestGather:
    """Two sessions work at the same time, under asyncio.gather"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        await asyncio.gather(
            run(db, INSERT, "SELECT pg_sleep(0.05)"),
            run(db, INSERT_ANOTHER, "SELECT pg_sleep(0.05)"),
        )
        assert await ask(db, COUNT) == 2


class TestSecondConnection:
    """A second connection sees the committed rows"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        await run(db, INSERT)
        async with another_connection() as session:
            assert await session.scalar(text(COUNT)) == 1


class TestTime:
    """NOW() moves on from commit to commit"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        await run(db, INSERT)
        await run(db, INSERT_ANOTHER)
        assert await ask(db, "SELECT count(DISTINCT created_at) FROM thing") == 2


class TestDeferred:
    """A deferred constraint is checked at the commit"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as session:
            await session.execute(text("INSERT INTO part (id, thing_id) VALUES (1, 404)"))
            with pytest.raises(IntegrityError):
                await session.commit()


class TestSerializable:
    """Code may ask for SERIALIZABLE"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as session:
            await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
            level = text("SHOW transaction_isolation")
            assert await session.scalar(level) == "serializable"


class TestAutocommit:
    """Code may ask for AUTOCOMMIT"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as session:
            await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            await session.execute(text(INSERT))
            await session.rollback()
        assert await ask(db, COUNT) == 1


class TestNotify:
    """A NOTIFY reaches who listens"""

    group = CODE

    async def test(self, db: DBSessionManager) -> None:
        heard = asyncio.Event()
        async with db.asessionmaker() as session:
            raw = await (await session.connection()).get_raw_connection()
            driver = raw.driver_connection
            assert driver is not None
            await driver.add_listener("news", lambda *_: heard.set())
            await run(db, "NOTIFY news")
            await asyncio.wait_for(heard.wait(), 1)


class TestTask:
    """A task that a test doesn't await doesn't reach the next test"""

    group = CODE

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        async def later() -> None:
            await asyncio.sleep(0.1)
            await run(db, INSERT)

        assert await ask(db, COUNT) == 0
        if test == 1:
            LEFT_BEHIND.append(asyncio.create_task(later()))
        else:
            await asyncio.sleep(0.3)
            assert await ask(db, COUNT) == 0


LEFT_BEHIND: list[asyncio.Task[None]] = []  # else the garbage collector would end them


# --- the server ---


class TestDatabaseSetting:
    """A setting that a migration makes for the database is in force"""

    group = SERVER

    async def test(self, db: DBSessionManager) -> None:
        assert await ask(db, "SHOW work_mem") == "5MB"


class TestDatabaseSettingOfATest:
    """A setting that a test makes for the database is gone"""

    group = SERVER

    @twice
    async def test(self, db: DBSessionManager, test: int) -> None:
        async with another_connection() as session:
            assert await session.scalar(text("SHOW extra_float_digits")) != "0"
        name = await ask(db, "SELECT quote_ident(current_database())")
        await run(db, f"ALTER DATABASE {name} SET extra_float_digits = 0")
