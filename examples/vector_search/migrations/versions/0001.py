"""Create document."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION vector")
    op.execute("CREATE TABLE document (title varchar PRIMARY KEY, place vector(3) NOT NULL)")


def downgrade() -> None:
    op.drop_table("document")
    op.execute("DROP EXTENSION vector")
