"""What the shop sells."""

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The shop's tables."""


class Item(Base):
    """What can be bought."""

    __tablename__ = "item"
    name: Mapped[str] = mapped_column(primary_key=True)
