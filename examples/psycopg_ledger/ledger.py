"""A ledger: a table, and what is done with it, without asyncio."""

import os

from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """The ledger's tables."""


class Entry(Base):
    """An amount that came in, or went out."""

    __tablename__ = "entry"
    number: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]


def database_url() -> str:
    """Return the database's URL, `postgresql+psycopg://…`."""
    return os.environ["DATABASE_URL"]


def book(*amounts: int) -> int:
    """Add entries to the ledger; return the balance."""
    engine = create_engine(database_url())
    with Session(engine) as session:
        session.add_all(Entry(amount=amount) for amount in amounts)
        session.commit()
        balance = session.scalars(select(func.sum(Entry.amount))).one()
    engine.dispose()
    return balance
