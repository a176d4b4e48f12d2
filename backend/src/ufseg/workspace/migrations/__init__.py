"""Alembic's migrations of the workspace's database; `ufseg.workspace.schema` runs them."""
