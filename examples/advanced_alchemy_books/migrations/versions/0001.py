"""Create book."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "book",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("sa_orm_sentinel", sa.Integer),
        sa.Column("title", sa.String, nullable=False, unique=True),
    )


def downgrade() -> None:
    op.drop_table("book")
