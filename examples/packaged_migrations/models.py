"""The tags."""

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """This project's tables."""


class Tag(Base):
    """A tag."""

    __tablename__ = "tag"
    name: Mapped[str] = mapped_column(primary_key=True)
