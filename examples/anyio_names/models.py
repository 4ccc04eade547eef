"""The people."""

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """This project's tables."""


class Person(Base):
    """Somebody."""

    __tablename__ = "person"
    name: Mapped[str] = mapped_column(primary_key=True)
