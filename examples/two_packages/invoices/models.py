"""The invoices."""

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """This package's tables."""


class Invoice(Base):
    """One of them."""

    __tablename__ = "invoice"
    name: Mapped[str] = mapped_column(primary_key=True)
