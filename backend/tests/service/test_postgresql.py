"""A service whose records are on a database server."""

from __future__ import annotations

from pathlib import Path

from postgresql_server import PostgresqlServer
from service_process import ServiceProcess


def test_a_service_keeps_its_records_on_the_server(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    with ServiceProcess(tmp_path / "workspace", "--database", postgresql.empty_database()) as service:
        task = service.fill("Squares", training=1, validation=0)
        (case,) = service.get(f"/tasks/{task['id']}/cases")
        revisions = service.get(f"/cases/{case['id']}/revisions")
    assert not (tmp_path / "workspace" / "workspace.sqlite").exists()
    with ServiceProcess(tmp_path / "workspace") as again:
        assert again.get(f"/tasks/{task['id']}") == task
        assert again.get(f"/cases/{case['id']}/revisions") == revisions
