"""The comparison of a model with its table."""

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from project.db.columns import compare_columns
from project.db.session_manager import DBSessionManager


class Base(DeclarativeBase):
    pass


class Draft(Base):
    __tablename__ = "draft"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(9), server_default="")
    note: Mapped[str | None]


async def compare(manager: DBSessionManager, made: Table | None) -> list[tuple[str, ...]]:
    def make_and_compare(connection: Connection) -> list[dict[str, str]]:
        if made is not None:
            made.create(connection)
        return compare_columns(connection, Draft)

    async with manager.asessionmaker() as session:  # ends in a rollback
        connection = await session.connection()
        table = await connection.run_sync(make_and_compare)
    return [tuple(row.values()) for row in table]


@pytest.mark.asyncio
async def test_each_column_is_shown_as_the_model_and_the_database_have_it(
    db: DBSessionManager,
) -> None:
    assert await compare(db, Draft.metadata.tables["draft"]) == [
        ("int", "id INTEGER NOT NULL", "INTEGER", "False", "None"),
        (
            "str",
            "name VARCHAR(9) DEFAULT '' NOT NULL",
            "VARCHAR(9)",
            "False",
            "''::character varying",
        ),
        ("str | None", "note VARCHAR", "VARCHAR", "True", "None"),
    ]


@pytest.mark.asyncio
async def test_a_table_that_differs_from_its_model_shows(db: DBSessionManager) -> None:
    columns = Column("id", Integer), Column("name", String(5)), Column("note", Integer)
    found = [row[2:] for row in await compare(db, Table("draft", MetaData(), *columns))]
    assert found == [
        ("INTEGER", "True", "None"),
        ("VARCHAR(5)", "True", "None"),
        ("INTEGER", "True", "None"),
    ]


@pytest.mark.asyncio
async def test_a_missing_table_is_an_error(db: DBSessionManager) -> None:
    with pytest.raises(NoSuchTableError):
        await compare(db, None)
