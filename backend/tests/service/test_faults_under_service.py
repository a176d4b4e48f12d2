"""Faults under a running service: each is said in a sentence, nothing is lost, and it goes on afterwards."""

from __future__ import annotations

import hashlib
import resource
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from processes import workers
from service_process import Json, ServiceProcess, nrrd
from small_disk import read_only, small_disk_at
from workspace_samples import GRID, sample, subjects

from ufseg.images.geometry import Geometry
from ufseg.workspace.checking import check_folder

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="preloads libraries as on Linux")
IMPATIENT = "from ufseg.workspace import sqlite; sqlite.WAIT_SECONDS = 3; from ufseg.cli.main import main; main()"
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def _everything(service: ServiceProcess, task: Json) -> Json:
    cases = service.get(f"/tasks/{task['id']}/cases")
    revisions = [service.get(f"/cases/{c['id']}/revisions") for c in cases]
    labels = {r["label"]: service.answer("GET", f"/files/{r['label']}").content for rs in revisions for r in rs}
    models = service.get(f"/tasks/{task['id']}/models")
    return {"cases": cases, "revisions": revisions, "labels": labels, "models": models}


def test_a_locked_database_is_said_after_a_while(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path / "workspace", program=("-c", IMPATIENT)) as service:
        task = service.add_task("locked")
        with closing(sqlite3.connect(tmp_path / "workspace" / "workspace.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            body = {"name": "another", "modality": "other", "channels": ["i"], "classes": [{"value": 1, "name": "a"}]}
            assert "locked for 3 seconds" in service.refused("POST", "/tasks", 507, json=body)
            assert [t["id"] for t in service.get("/tasks")] == [task["id"]]
            other.execute("ROLLBACK")
        assert service.post("/tasks", body)["name"] == "another"


def test_a_disk_that_becomes_read_only_is_said_and_files_are_taken_again_afterwards(tmp_path: Path) -> None:
    content = nrrd(sample(0).image, tmp_path)
    sha256 = hashlib.sha256(content).hexdigest()
    with small_disk_at(tmp_path / "disk", "16m") as disk, ServiceProcess(disk / "workspace") as service:
        incoming = service.workspace / "incoming"
        spooled = Path(service.hello["spool"]) / "image.nrrd"
        spooled.write_bytes(content)
        announced = {"size_bytes": len(content), "sha256": sha256}
        upload = service.post("/uploads", announced)
        address, start = f"/uploads/{upload['id']}", {"Upload-Offset": "0"}
        with read_only(incoming):
            for method, path, options in (
                ("POST", "/files", {"data": content}),
                ("POST", "/files?durable=false", {"data": content}),
                ("POST", "/files/by-reference", {"json": {"name": spooled.name}}),
                ("POST", "/uploads", {"json": announced}),
                ("PATCH", address, {"data": content, "headers": start}),
            ):
                assert "mounted read-only" in service.refused(method, path, 507, **options), path
        assert service.upload(content) == sha256
        assert service.answer("PATCH", address, data=content, headers=start).json()["file"]["sha256"] == sha256
        assert list(incoming.iterdir()) == []
        assert service.answer("GET", f"/files/{sha256}").content == content


def test_a_worker_without_memory_fails_its_job_in_words_and_does_the_next_one(tmp_path: Path) -> None:
    side = 2500  # more than the worker has in reserve from the job before
    large = np.zeros((1, side, side), np.uint8)
    large[0, 10:40, 10:40] = 1
    grid = Geometry(size=(side, side), spacing=GRID.spacing, origin=GRID.origin, direction=GRID.direction)
    with ServiceProcess(tmp_path / "workspace") as service:
        small, task = service.fill("small", 1, 0), service.add_task("large")
        file = service.upload(nrrd(large, tmp_path, grid))
        case = {"name": "large", "subject": subjects("training", 1)[0], "images": [file]}
        revision = {"label": file, "classes": {"organ": 1, "lesion": 3}, "author": "reader", "origin": "manual"}
        kept = service.post(f"/tasks/{task['id']}/cases", case)
        service.post(f"/cases/{kept['id']}/revisions", revision)
        assert service.wait(service.train(small, 0.3), 300)["state"] == "succeeded"
        (worker,) = workers(service.process.pid, "training")
        pages = int(Path(f"/proc/{worker}/statm").read_text(encoding="ascii").split()[0])
        limits = resource.prlimit(worker, resource.RLIMIT_AS)
        resource.prlimit(worker, resource.RLIMIT_AS, (pages * resource.getpagesize(), limits[1]))
        failed = service.wait(service.train(task, 0.3), 300)
        assert failed["state"] == "failed"
        assert failed["error"]["type"] == "OutOfMemoryError", failed["error"]
        assert "did not suffice: Unable to allocate" in failed["error"]["message"]
        assert service.get("/health")
        resource.prlimit(worker, resource.RLIMIT_AS, limits)
        assert service.wait(service.train(small, 0.3), 300)["state"] == "succeeded"
        assert workers(service.process.pid, "training") == [worker]


@pytest.mark.skipif(not LIBRARIES, reason="Debian's package faketime is not installed")
def test_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0", encoding="utf-8")
    for name, value in {
        "LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    folder = tmp_path / "workspace"
    with ServiceProcess(folder) as service:
        task = service.fill("clock")
        case = service.get(f"/tasks/{task['id']}/cases")[0]
        for number, jump in enumerate(("-4000d", "+4000d"), 2):
            clock.write_text(jump, encoding="utf-8")
            time.sleep(1.1)  # the service looks at it once a second
            revision = service.submit(case, sample(number).label)
            assert revision["number"] == number, "the token holds, and the order is that of the calls"
        job = service.train(task, 300)
        service.post(f"/jobs/{job['id']}/cancel", {})
        job = service.wait(job, 300)
        assert job["state"] == "cancelled", job
        years = {r["created"][:4] for r in service.get(f"/cases/{case['id']}/revisions")}
        assert len(years) > 1, "the clock did jump"
        assert [r["number"] for r in service.get(f"/cases/{case['id']}/revisions")] == [1, 2, 3]
        before = _everything(service, task)
        clock.write_text("-4000d", encoding="utf-8")  # before the next service
    with ServiceProcess(folder) as again:
        assert _everything(again, task) == before
        assert again.get(f"/jobs/{job['id']}")["state"] == "cancelled"
    assert check_folder(folder).whole
