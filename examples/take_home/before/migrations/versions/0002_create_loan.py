"""Create loan."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "loan",
        sa.Column(
            "tool_id",
            sa.Integer,
            sa.ForeignKey("tool.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("borrower", sa.String(50), nullable=False),
        sa.Column("lent_at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("loan")
