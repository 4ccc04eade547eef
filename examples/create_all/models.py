"""The notes."""

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """This project's tables."""


class Note(Base):
    """A note."""

    __tablename__ = "note"
    name: Mapped[str] = mapped_column(primary_key=True)
