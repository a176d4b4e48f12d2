"""Faults under a running service: each is said in a sentence, nothing is lost, and it goes on afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from service_process import Json, ServiceProcess
from workspace_samples import sample

from ufseg.workspace.checking import check_folder

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="preloads libraries as on Linux")
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def _everything(service: ServiceProcess, task: Json) -> Json:
    cases = service.get(f"/tasks/{task['id']}/cases")
    revisions = [service.get(f"/cases/{c['id']}/revisions") for c in cases]
    labels = {r["label"]: service.answer("GET", f"/files/{r['label']}").content for rs in revisions for r in rs}
    models = service.get(f"/tasks/{task['id']}/models")
    return {"cases": cases, "revisions": revisions, "labels": labels, "models": models}


def test_a_locked_database_is_said_after_a_while(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path / "workspace") as service:
        task = service.add_task("locked")
        with closing(sqlite3.connect(tmp_path / "workspace" / "workspace.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            body = {"name": "another", "modality": "other", "channels": ["i"], "classes": [{"value": 1, "name": "a"}]}
            assert "locked for 15 seconds" in service.refused("POST", "/tasks", 507, json=body)
            assert [t["id"] for t in service.get("/tasks")] == [task["id"]]
            other.execute("ROLLBACK")
        assert service.post("/tasks", body)["name"] == "another"


@pytest.mark.skipif(not LIBRARIES, reason="Debian's package faketime is not installed")
def test_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    for name, value in {
        "LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    folder = tmp_path / "workspace"
    with ServiceProcess(folder) as service:
        task = service.fill("clock")
        case = service.get(f"/tasks/{task['id']}/cases")[0]
        jobs = []
        for number, jump in enumerate(("-4000d", "+4000d", "+0"), 2):
            clock.write_text(jump)
            revision = service.submit(case, sample(number).label)
            assert revision["number"] == number, "the token holds, and the order is that of the calls"
            job = service.train(task, 300)
            service.post(f"/jobs/{job['id']}/cancel", {})
            jobs.append(service.wait(job, 300))
            assert jobs[-1]["state"] == "cancelled", jobs[-1]
        years = {r["created"][:4] for r in service.get(f"/cases/{case['id']}/revisions")}
        assert len(years) > 1, "the clock did jump"
        assert [r["number"] for r in service.get(f"/cases/{case['id']}/revisions")] == [1, 2, 3, 4]
        before = _everything(service, task)
        clock.write_text("-4000d")
    with ServiceProcess(folder) as again:
        assert _everything(again, task) == before
        assert [again.get(f"/jobs/{j['id']}")["state"] for j in jobs] == ["cancelled"] * 3
    assert check_folder(folder).whole
