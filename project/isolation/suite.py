"""What a test can do to a database, and whether the next test, or the same one, notices.

Each class is a question, asked in its docstring. The answer is yes if all of its tests pass.
Where there are two, the first does something and the second looks for what is left of it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from project.db.session_manager import DBSessionManager

pytestmark = pytest.mark.asyncio

INSERT = text("INSERT INTO thing (id) VALUES (1)")
INSERT_ANOTHER = text("INSERT INTO thing (id) VALUES (2)")
COUNT = text("SELECT count(*) FROM thing")
END_WHAT_IS_LEFT_OPEN = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND state = 'idle in transaction' AND query = :last"
)
LEFT_OPEN: list[AsyncSession] = []


class CodeUnderTestError(Exception):
    """Something goes wrong in a test."""


async def count(db: DBSessionManager) -> int:
    async with db.asessionmaker() as session:
        return int(await session.scalar(COUNT) or 0)


async def insert(db: DBSessionManager) -> None:
    async with db.asessionmaker() as session:
        await session.execute(INSERT)
        await session.commit()


async def run(db: DBSessionManager, statement: str) -> None:
    async with db.asessionmaker() as session:
        await session.execute(text(statement))
        await session.commit()


@asynccontextmanager
async def another_connection() -> AsyncIterator[AsyncSession]:
    """Connect as another process does: by POSTGRES_DSN."""
    engine = create_async_engine(os.environ["POSTGRES_DSN"], poolclass=NullPool)
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


class TestRows:
    """Rows that a test commits are gone"""

    async def test_1(self, db: DBSessionManager) -> None:
        await insert(db)
        assert await count(db) == 1

    async def test_2(self, db: DBSessionManager) -> None:
        assert await count(db) == 0


class TestException:
    """Rows of a test that ends in an exception are gone"""

    @pytest.mark.xfail(raises=CodeUnderTestError, strict=True)
    async def test_1(self, db: DBSessionManager) -> None:
        await insert(db)
        async with db.asessionmaker() as session:
            await session.execute(INSERT_ANOTHER)
            raise CodeUnderTestError

    async def test_2(self, db: DBSessionManager) -> None:
        assert await count(db) == 0


class TestFixture:
    """Rows of a fixture that fails are gone"""

    @pytest_asyncio.fixture(loop_scope="function")
    async def failing_fixture(self, db: DBSessionManager) -> None:
        await insert(db)
        raise CodeUnderTestError

    @pytest.mark.xfail(raises=CodeUnderTestError, strict=True)
    async def test_1(self, failing_fixture: None) -> None:
        pass

    async def test_2(self, db: DBSessionManager) -> None:
        assert await count(db) == 0


class TestCommit:
    """A commit keeps a row, a rollback after it takes back the rest"""

    async def test_1(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as session:
            await session.execute(INSERT)
            await session.commit()
            await session.execute(INSERT_ANOTHER)
            await session.rollback()
        assert await count(db) == 1


class TestError:
    """After an error and a rollback, the session goes on"""

    async def test_1(self, db: DBSessionManager) -> None:
        await insert(db)
        async with db.asessionmaker() as session:
            with pytest.raises(IntegrityError):
                await session.execute(INSERT)
            await session.rollback()
            await session.execute(INSERT_ANOTHER)
            await session.commit()
        assert await count(db) == 2


class TestClosed:
    """A test may close the engine"""

    async def test_1(self, db: DBSessionManager) -> None:
        await insert(db)
        await db.close()
        assert await count(db) == 1

    async def test_2(self, db: DBSessionManager) -> None:
        assert await count(db) == 0


class TestTwoSessions:
    """Two sessions at once don't see each other's uncommitted rows"""

    async def test_1(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as one, db.asessionmaker() as other:
            await one.execute(INSERT)
            assert await other.scalar(COUNT) == 0
            await one.commit()
            assert await other.scalar(COUNT) == 1


class TestSecondConnection:
    """A second connection sees the committed rows"""

    async def test_1(self, db: DBSessionManager) -> None:
        await insert(db)
        async with another_connection() as session:
            assert await session.scalar(COUNT) == 1


class TestTime:
    """NOW() moves on from commit to commit"""

    async def test_1(self, db: DBSessionManager) -> None:
        await insert(db)
        await run(db, "INSERT INTO thing (id) VALUES (2)")
        async with db.asessionmaker() as session:
            times = await session.scalars(text("SELECT created_at FROM thing ORDER BY id"))
            first, second = times.all()
        assert first < second


class TestDeferred:
    """A deferred constraint is checked at the commit"""

    async def test_1(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as session:
            await session.execute(text("INSERT INTO part (id, thing_id) VALUES (1, 404)"))
            with pytest.raises(IntegrityError):
                await session.commit()


class TestSequence:
    """A sequence begins anew"""

    @pytest.mark.parametrize("test", [1, 2])
    async def test(self, db: DBSessionManager, test: int) -> None:
        async with db.asessionmaker() as session:
            statement = text("INSERT INTO counted DEFAULT VALUES RETURNING id")
            assert await session.scalar(statement) == 1
            await session.commit()


class TestInserted:
    """Rows that a migration inserts are there for each test"""

    @pytest.mark.parametrize("test", [1, 2])
    async def test(self, db: DBSessionManager, test: int) -> None:
        async with db.asessionmaker() as session:
            assert await session.scalar(text("SELECT name FROM country")) == "Utopia"


class TestColumn:
    """A column that a test adds is gone"""

    @pytest.mark.parametrize("test", [1, 2])
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "ALTER TABLE thing ADD COLUMN added integer")


class TestTable:
    """A table that a test creates is gone"""

    @pytest.mark.parametrize("test", [1, 2])
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "CREATE TABLE left_behind (id integer)")


class TestEnum:
    """A value that a test adds to an enum type is gone"""

    @pytest.mark.parametrize("test", [1, 2])
    async def test(self, db: DBSessionManager, test: int) -> None:
        await run(db, "ALTER TYPE kind ADD VALUE 'broken'")


class TestSetting:
    """A setting that a test makes for its connection is gone"""

    async def test_1(self, db: DBSessionManager) -> None:
        await run(db, "SET application_name = 'left behind'")

    async def test_2(self, db: DBSessionManager) -> None:
        async with db.asessionmaker() as session:
            assert await session.scalar(text("SHOW application_name")) != "left behind"


class TestOtherRows:
    """Rows that a second connection commits are gone"""

    async def test_1(self, db: DBSessionManager) -> None:
        async with another_connection() as session:
            await session.execute(INSERT)
            await session.commit()

    async def test_2(self, db: DBSessionManager) -> None:
        async with another_connection() as session:
            left = await session.scalar(COUNT)
            await session.execute(text("DELETE FROM thing"))
            await session.commit()
        assert left == 0


class TestLeftOpen:
    """A test may leave a transaction open"""

    async def test_1(self, db: DBSessionManager) -> None:
        session = db.asessionmaker()
        await session.execute(INSERT)
        LEFT_OPEN.append(session)

    async def test_2(self, db: DBSessionManager) -> None:
        left = await count(db)
        async with another_connection() as session:  # so that the end needn't wait for it
            await session.execute(END_WHAT_IS_LEFT_OPEN, {"last": INSERT.text})
        assert left == 0
