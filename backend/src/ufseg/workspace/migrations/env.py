"""Alembic's entry: it migrates over the connection, and in the transaction, that `schema.upgrade` hands it."""

from __future__ import annotations

from alembic import context

from ufseg.workspace.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
