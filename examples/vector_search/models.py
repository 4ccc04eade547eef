"""The documents."""

from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType


class Vector(UserDefinedType[str]):
    """A vector of three numbers, as PostgreSQL writes it: `[1,2,3]`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's name in SQL."""
        return "vector(3)"


class Base(DeclarativeBase):
    """This project's tables."""


class Document(Base):
    """A document, and where it is among the others."""

    __tablename__ = "document"
    title: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(Vector)
