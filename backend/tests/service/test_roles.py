"""Tokens of a department's server, and what each role may do."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from service_process import Json, ServiceProcess
from test_access import GONE

from ufseg.service.roles import may


def tokens(service: ServiceProcess, *arguments: str) -> str:
    """What ``ufseg tokens`` prints on standard output, beside the running service."""
    command = [sys.executable, "-m", "ufseg.cli.main", "tokens", *arguments, "--workspace", str(service.workspace)]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


@pytest.fixture(scope="session")
def annotator(service: ServiceProcess) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {tokens(service, 'add', 'ward 3').strip()}"
    time.sleep(1.1)
    return session


@pytest.fixture(scope="session")
def operations(service: ServiceProcess) -> list[tuple[str, str, Json]]:
    """Method, path and description of everything in the OpenAPI document."""
    paths: Json = service.get("/openapi.json")["paths"]
    return [(method.upper(), path, about) for path, item in paths.items() for method, about in item.items()]


def _concrete(path: str) -> str:
    for name, value in GONE.items():
        path = path.replace(name, value)
    return path


def test_every_maintainers_endpoint_refuses_an_annotator(
    service: ServiceProcess, annotator: requests.Session, operations: list[tuple[str, str, Json]]
) -> None:
    before = service.get("/tasks")
    refused = set()
    for method, path, about in operations:
        # Not read to its end, which an event stream does not have.
        answer = annotator.request(method, service.url + _concrete(path), json={}, timeout=10, stream=True)
        assert (answer.status_code == 403) == ("annotator" not in about["x-roles"]), (method, path)
        if answer.status_code == 403:
            refused.add(f"{method} {path}")
            assert "needs maintainer" in answer.json()["error"]["message"]
        answer.close()
    assert refused >= {
        "POST /tasks", "POST /tasks/{task}/classes", "POST /tasks/{task}/trainings", "POST /tasks/{task}/promotions",
        "POST /tasks/{task}/rollback", "POST /tasks/{task}/gate", "POST /models/install", "GET /audit", "GET /metrics",
    }  # fmt: skip
    assert service.get("/tasks") == before


def test_an_annotator_labels_and_is_named_in_the_audit_log(
    service: ServiceProcess, annotator: requests.Session, tmp_path: Path
) -> None:
    task = service.add_task("annotated")
    before = service.get("/audit?limit=10000")[-1]["id"]
    own = service.session
    service.session = annotator
    try:
        case = service.add_case(task, 60, "subject 60")
        from workspace_samples import sample

        revision = service.submit(case, sample(60).label)
    finally:
        service.session = own
    entries = service.get(f"/audit?after={before}")
    assert [e["action"] for e in entries] == ["case added", "label submitted"]
    assert entries[1]["subject"] == revision["id"]
    assert {(e["actor"], e["role"]) for e in entries} == {("ward 3", "annotator")}


def test_an_annotator_stops_no_training(service: ServiceProcess, annotator: requests.Session) -> None:
    job = service.train(service.fill("stopped by a maintainer"), 30)
    answer = annotator.post(f"{service.url}/jobs/{job['id']}/cancel", timeout=10)
    assert answer.status_code == 403
    assert "maintainer only" in answer.json()["error"]["message"]
    service.answer("POST", f"/jobs/{job['id']}/cancel")
    assert service.wait(job)["state"] == "cancelled"
    of_job = [e for e in service.get("/audit?limit=10000") if e["subject"] == job["id"]]
    assert [(e["action"], e["actor"]) for e in of_job] == [
        ("training requested", "start line"), ("cancellation requested", "start line"),
    ]  # fmt: skip


def test_a_revoked_token_is_refused_within_a_second(service: ServiceProcess) -> None:
    headers = {"Authorization": f"Bearer {tokens(service, 'add', 'monitor', '--role', 'metrics').strip()}"}
    time.sleep(1.1)
    assert requests.get(f"{service.url}/metrics", headers=headers, timeout=10).status_code == 200
    assert requests.get(f"{service.url}/tasks", headers=headers, timeout=10).status_code == 403
    tokens(service, "revoke", "monitor")
    time.sleep(1.1)
    assert requests.get(f"{service.url}/metrics", headers=headers, timeout=10).status_code == 401
    listed = tokens(service, "list")
    assert "monitor\tmetrics" in listed
    assert headers["Authorization"].split()[1] not in listed


def test_no_token_is_in_what_is_written(service: ServiceProcess, annotator: requests.Session) -> None:
    secrets = [service.hello["token"].encode(), str(annotator.headers["Authorization"]).split()[1].encode()]
    for path in service.workspace.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [path for secret in secrets if secret in content]
    command = Path(f"/proc/{service.process.pid}/cmdline")
    if command.exists():
        assert not [s for s in secrets if s in command.read_bytes()]


def test_what_nobody_listed_is_the_maintainers() -> None:
    assert may("maintainer", "DELETE", "/new")
    assert not may("annotator", "DELETE", "/files/x")
    assert not may("annotator", "POST", "/new")
    assert not may("annotator", "POST", "/tasks/t/cases/trainings")
