"""Statements past everything but the database itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from ufseg.workspace import Workspace


def run_sql(workspace: Workspace, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own and return its rows."""
    with workspace.database.writing() as session:
        result = session.connection().execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []
