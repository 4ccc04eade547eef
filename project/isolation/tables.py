"""The isolation suite's tables, and what a migration makes beside them."""

from sqlalchemy import (
    TIMESTAMP,
    Boolean,
    Column,
    Enum,
    ForeignKey,
    Identity,
    Index,
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
    Index("thing_by_time", "created_at"),
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
secured = Table("secured", METADATA, Column("tenant", String(100)))
soft_deleted = Table(
    "soft_deleted",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("is_deleted", Boolean, server_default="false"),
)
append_only = Table("append_only", METADATA, Column("id", Integer, primary_key=True))
audited = Table("audited", METADATA, Column("id", Integer, primary_key=True))
audit = Table("audit", METADATA, Column("audited_id", Integer))

MORE = (
    "CREATE SEQUENCE ticket START 100",
    "CREATE TABLE no_model (id integer)",
    "CREATE TABLE no_model_part (thing_id integer REFERENCES thing)",
    "CREATE MATERIALIZED VIEW number_of_things AS SELECT count(*) AS number FROM thing",
    "ALTER TABLE secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own ON secured USING (tenant = current_setting('test.tenant', true))",
    """CREATE FUNCTION mark_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE soft_deleted SET is_deleted = true WHERE id = OLD.id;
        RETURN NULL;
    END $$""",
    "CREATE TRIGGER marks BEFORE DELETE ON soft_deleted"
    " FOR EACH ROW EXECUTE FUNCTION mark_deleted()",
    """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE 'append only';
    END $$""",
    "CREATE TRIGGER refuses BEFORE DELETE ON append_only FOR EACH ROW EXECUTE FUNCTION refuse()",
    """CREATE FUNCTION write_audit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit VALUES (OLD.id);
        RETURN NULL;
    END $$""",
    "CREATE TRIGGER audits AFTER DELETE ON audited FOR EACH ROW EXECUTE FUNCTION write_audit()",
    """DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database());
    END $$""",
)
AND_BACK = (
    "DROP MATERIALIZED VIEW number_of_things",
    "DROP TABLE no_model_part, no_model",
    "DROP SEQUENCE ticket",
)
AND_BACK_LAST = ("DROP FUNCTION mark_deleted(), refuse(), write_audit()",)
