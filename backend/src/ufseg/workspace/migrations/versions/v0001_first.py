"""The first layout; databases that have it were made by programs without Alembic."""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: no database is older."""
