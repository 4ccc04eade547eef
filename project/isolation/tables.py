"""The isolation suite's tables: a sequence, an enum type, a constraint checked at commit."""

from sqlalchemy import (
    TIMESTAMP,
    Column,
    Enum,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    String,
    Table,
    func,
)

METADATA = MetaData()

thing = Table(
    "thing",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("created_at", TIMESTAMP, server_default=func.now()),
)
counted = Table("counted", METADATA, Column("id", Integer, Identity(), primary_key=True))
kind_of_thing = Table(
    "kind_of_thing", METADATA, Column("kind", Enum("new", "used", name="kind"), primary_key=True)
)
country = Table("country", METADATA, Column("name", String(100), primary_key=True))
part = Table(
    "part",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("thing_id", ForeignKey("thing.id", deferrable=True, initially="DEFERRED")),
)
