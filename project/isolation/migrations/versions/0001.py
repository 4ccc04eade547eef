"""Everything that a test can leave a trace in."""

from alembic import op

from project.isolation.tables import AND_BACK, AND_BACK_LAST, METADATA, MORE, country

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
    for statement in MORE:
        op.execute(statement)
    op.execute(country.insert().values([{"name": "Utopia"}, {"name": "Laputa"}]))


def downgrade() -> None:
    for statement in AND_BACK:
        op.execute(statement)
    METADATA.drop_all(op.get_bind())
    for statement in AND_BACK_LAST:
        op.execute(statement)
