import sqlalchemy as sa
from alembic import op

revision, down_revision = "one", None


def upgrade():
    op.create_table("item", sa.Column("name", sa.String, primary_key=True))


def downgrade():
    op.drop_table("item")
