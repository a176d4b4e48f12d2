"""Revisions say what they were restored from, and a workspace has an id of its own; Alembic counts versions now."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timezone

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add a column and a table."""
    # In SQLite's words, for Alembic adds no foreign keys to its tables; no database elsewhere is as old.
    op.execute("ALTER TABLE label_revisions ADD COLUMN restored_from VARCHAR(32) REFERENCES label_revisions (id)")
    identity = op.create_table(
        "workspace_identity",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
    created = datetime.now(timezone.utc).replace(tzinfo=None)
    tasks = sa.table("tasks", sa.column("id"), sa.column("created"))
    first = op.get_bind().execute(sa.select(tasks.c.id).order_by(tasks.c.created, tasks.c.id).limit(1)).scalar()
    # By the first task, so that a workspace and a copy of it that was made before have the same id.
    own = secrets.token_hex(16) if first is None else hashlib.sha256(f"ufseg:{first}".encode()).hexdigest()[:32]
    op.bulk_insert(identity, [{"id": own, "created": created}])
    # Frozen from now on: it makes programs that know nothing of Alembic refuse the workspace in words.
    version = sa.table("schema_version", sa.column("version"))
    op.get_bind().execute(sa.update(version).values(version=3))
