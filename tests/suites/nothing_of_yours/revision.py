import sqlalchemy as sa
from alembic import op

revision, down_revision = "one", None


def upgrade():
    op.create_table("thing", sa.Column("n", sa.Integer))


def downgrade():
    op.drop_table("thing")
