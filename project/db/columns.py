"""Holds a model against its table in the database, column by column, for a notebook."""

from typing import get_args

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.schema import CreateColumn


def compare_columns(connection: Connection, model: type[DeclarativeBase]) -> list[dict[str, str]]:
    """Return a model's columns: the Python type, the DDL made of it, and what is in the database.

    Args:
        connection: to a database that has the model's table.
        model: a class each of whose columns is annotated `Mapped[...]`.

    Raises:
        sqlalchemy.exc.NoSuchTableError: the database doesn't have the table.
    """
    table = model.metadata.tables[model.__tablename__]
    found = {column["name"]: column for column in inspect(connection).get_columns(table.name)}
    rows = []
    for column in table.columns:
        (annotated,) = get_args(model.__annotations__[column.name])
        answer = found[column.name]
        row = {
            "Python": annotated.__name__ if isinstance(annotated, type) else annotated,
            "DDL": CreateColumn(column).compile(dialect=connection.dialect),
            "type found": answer["type"],
            "NULL allowed": answer["nullable"],
            "default found": answer["default"],
        }
        rows.append({name: str(value) for name, value in row.items()})
    return rows
