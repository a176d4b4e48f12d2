"""Jobs go on after an interruption, versions know the job that made them, and tasks have rules of their gate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns and a table."""
    # Jobs that an older ufseg called interrupted were over for good, and stay so.
    op.add_column("jobs", sa.Column("resumes", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("interruptions", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("resumed_from", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("model_versions", sa.Column("job", sa.String(32), nullable=True))
    op.create_table(
        "gate_rules",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("task", sa.String(32), sa.ForeignKey("tasks.id"), nullable=False, index=True),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
