"""The models: two tables, and the base that collects them."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import DECIMAL, TIMESTAMP, MetaData, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The models' base. Its metadata names every constraint, so that a migration can drop it."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Product(Base):
    """Something on sale. PostgreSQL fills in every column that you leave out."""

    __tablename__ = "product"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    name: Mapped[str] = mapped_column(String(100), server_default="")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP, server_default=func.now())


class Review(Base):
    """What a customer says: a text and a rating from -9.9 to 9.9, in tenths."""

    __tablename__ = "review"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    content: Mapped[str] = mapped_column(String(1000), server_default="")
    rating: Mapped[Decimal] = mapped_column(DECIMAL(2, 1))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP, server_default=func.now())
