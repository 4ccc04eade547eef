"""Everything that a test can leave a trace in."""

from alembic import op

from project.isolation.tables import METADATA, country

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
    op.execute(country.insert().values(name="Utopia"))


def downgrade() -> None:
    METADATA.drop_all(op.get_bind())
