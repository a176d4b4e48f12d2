"""How the service begins and ends, also badly."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests
from processes import running, until, workers
from service_process import Json, ServiceProcess, nrrd
from small_disk import small_disk_at
from workspace_samples import sample

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="watches processes in /proc")


def _train_on(service: ServiceProcess, task: Json) -> Json:
    """A training in full swing."""
    job = service.train(task, 300)
    until(lambda: service.get(f"/jobs/{job['id']}")["progress"]["stage"] == "training")
    return job


def test_a_service_killed_in_mid_training_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "workspace", warm=True)
    task = service.fill("killed")
    assert service.wait(service.train(task, 0.5))["state"] == "succeeded"
    job = _train_on(service, task)
    cases = service.get(f"/tasks/{task['id']}/cases")
    revisions = [service.get(f"/cases/{c['id']}/revisions") for c in cases]
    labels = {r["label"]: service.answer("GET", f"/files/{r['label']}").content for rs in revisions for r in rs}
    models = service.get(f"/tasks/{task['id']}/models")
    processes = workers(service.process.pid)
    assert len(processes) == 2

    service.process.send_signal(signal.SIGKILL)
    service.process.wait()
    until(lambda: not any(running(pid) for pid in processes), 5)

    start = time.monotonic()
    with ServiceProcess(tmp_path / "workspace") as again:
        assert time.monotonic() - start < 15
        taken_up = again.get(f"/jobs/{job['id']}")
        assert taken_up["state"] in ("queued", "running")
        assert taken_up["notes"] == ["The service ended while this training was under way; it begins anew."]
        assert taken_up["interruptions"] == 1
        assert again.get(f"/tasks/{task['id']}/cases") == cases
        assert [again.get(f"/cases/{c['id']}/revisions") for c in cases] == revisions
        assert {sha: again.answer("GET", f"/files/{sha}").content for sha in labels} == labels
        assert again.get(f"/tasks/{task['id']}/models") == models
        again.post(f"/jobs/{job['id']}/cancel", None)
        assert again.wait(again.train(task, 0.5))["state"] == "succeeded"
    with closing(sqlite3.connect(tmp_path / "workspace" / "workspace.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_end_of_its_input_ends_everything_within_5_seconds(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "workspace", warm=True)
    job = _train_on(service, service.fill("ended"))
    processes = workers(service.process.pid)
    assert len(processes) == 2
    start = time.monotonic()
    assert service.end() == b""  # the first line was the only one
    assert time.monotonic() - start < 5
    assert service.process.returncode == 0
    assert not any(running(pid) for pid in processes)
    with closing(sqlite3.connect(tmp_path / "workspace" / "workspace.sqlite")) as connection:
        (state,) = connection.execute("SELECT state FROM jobs WHERE id = ?", (job["id"],)).fetchone()
    assert state == "interrupted"


def test_sigterm_ends_everything_in_order(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "workspace", warm=True)
    until(lambda: len(workers(service.process.pid)) == 1)
    processes = workers(service.process.pid)
    service.process.terminate()
    assert service.process.wait(5) == 0
    assert not any(running(pid) for pid in processes)
    service.end()


def test_a_service_manager_needs_no_input_and_gets_no_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ufseg.cli.main"]
    serving = [*command, "serve", "-w", str(tmp_path / "w"), "--device", "cpu", "--no-warm", "--unattended"]
    with subprocess.Popen(serving, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        hello = json.loads(run.stdout.readline())
        assert set(hello) == {"url", "version", "pid", "spool"}
        adding = [*command, "tokens", "add", "ward", "-w", str(tmp_path / "w")]
        token = subprocess.run(adding, check=True, capture_output=True, encoding="utf-8").stdout.strip()
        answer = requests.get(f"{hello['url']}/tasks", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert answer.json() == []
        run.terminate()
        assert run.wait(5) == 0


def test_the_first_line_says_where_it_is(service: ServiceProcess) -> None:
    assert set(service.hello) == {"url", "token", "version", "pid", "spool"}
    assert service.hello["pid"] == service.process.pid
    assert len(service.hello["token"]) >= 32
    arguments = Path(f"/proc/{service.process.pid}/cmdline").read_bytes()
    assert service.hello["token"].encode() not in arguments
    logs = b"".join(p.read_bytes() for p in (service.workspace / "logs").iterdir())
    assert service.hello["token"].encode() not in logs


def test_a_second_service_on_the_same_workspace_is_refused(service: ServiceProcess) -> None:
    command = [sys.executable, "-m", "ufseg.cli.main", "serve", "--workspace", str(service.workspace)]
    done = subprocess.run(command, input="", capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"process id {service.process.pid}" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert service.get("/health")["status"] == "ok"


def test_a_taken_port_is_refused(service: ServiceProcess, tmp_path: Path) -> None:
    port = service.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "ufseg.cli.main", "serve", "--workspace", str(tmp_path / "w"), "--port", port]
    done = subprocess.run(command, input="", capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"port {port}" in " ".join(done.stderr.split())


def test_a_full_disk_is_answered_with_507_and_the_service_goes_on(tmp_path: Path) -> None:
    with small_disk_at(tmp_path / "disk", "1500k") as disk:
        _on_a_small_disk(disk, tmp_path)


def _on_a_small_disk(disk: Path, tmp_path: Path) -> None:
    with ServiceProcess(disk / "workspace") as service:
        service.workspace = tmp_path / "client"  # where this test makes its files
        task = service.add_task("full")
        case = service.add_case(task, 0, "s")
        kept = service.submit(case, sample(0).label)
        content = nrrd(sample(1).image, tmp_path)
        ballast = disk / "ballast"
        with ballast.open("wb") as stream:
            stream.write(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize - 4096))
        message = service.refused("POST", "/files", 507, data=content)
        assert f"{len(content)} bytes are needed and 4096 bytes are free" in message
        # Also without a length, where only the writing itself can find out.
        message = service.refused("POST", "/files", 507, data=iter([content]))
        assert "bytes are free" in message
        assert service.get("/health")["status"] == "ok"
        assert service.get(f"/cases/{case['id']}/revisions") == [kept]
        ballast.unlink()
        service.upload(content)
        assert service.submit(case, sample(2).label)["number"] == 2
    with closing(sqlite3.connect(disk / "workspace" / "workspace.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
