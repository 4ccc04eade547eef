"""The orders."""

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """This package's tables."""


class Order(Base):
    """One of them."""

    __tablename__ = "customer_order"
    name: Mapped[str] = mapped_column(primary_key=True)
