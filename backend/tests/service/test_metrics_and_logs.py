"""What those who run the service see of it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import requests
from openapi_fuzzing import existing_ids, start
from prometheus_client.parser import text_string_to_metric_families
from service_process import Json, ServiceProcess

from ufseg.engine.engine import QUEUE_LIMITS


def _numbers(service: ServiceProcess) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = service.answer("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def _value(numbers: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return numbers.get((name, frozenset(labels.items())), 0.0)


def _log(service: ServiceProcess, count: int, **wanted: str) -> list[Json]:
    """The lines with these values once there are `count`, for a line is written after its answer."""
    path = service.workspace / "logs" / "service.jsonl"
    deadline = time.monotonic() + 30
    while True:
        # The last one may be half written.
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()]
        found = [line for line in lines if wanted.items() <= line.items()]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def test_requests_are_counted_by_route_and_status(service: ServiceProcess) -> None:
    before = _numbers(service)
    for number in range(3):
        service.refused("GET", f"/tasks/nobody-{number}", 404)
    requests.get(f"{service.url}/tasks", timeout=10)
    after = _numbers(service)
    labels = {"method": "GET", "route": "/tasks/{task}"}
    for name, more in (("ufseg_requests_total", {"status": "404"}), ("ufseg_request_seconds_count", {})):
        assert _value(after, name, **labels, **more) - _value(before, name, **labels, **more) == 3
    assert _value(after, "ufseg_requests_total", method="GET", route="none", status="401") > 0
    assert not [labels for _, labels in after if "nobody" in str(labels)]


def test_jobs_queues_disk_device_and_memory_are_told(service: ServiceProcess) -> None:
    task = service.fill("measured", training=1, validation=0)
    job = service.train(task, 300)
    service.answer("POST", f"/jobs/{job['id']}/cancel")
    assert service.wait(job)["state"] == "cancelled"
    numbers = _numbers(service)
    assert _value(numbers, "ufseg_jobs", kind="training", state="cancelled") >= 1
    assert _value(numbers, "ufseg_queue_length", kind="prediction") == 0
    assert _value(numbers, "ufseg_disk_free_bytes") > 0
    assert next(dict(labels)["kind"] for name, labels in numbers if name == "ufseg_info") in ("cpu", "unknown")
    if Path("/proc/self/stat").exists():
        assert _value(numbers, "process_resident_memory_bytes") > 10e6


def test_each_answer_has_an_id_that_the_log_and_the_audit_log_have_too(service: ServiceProcess) -> None:
    body = {"name": "numbered", "modality": "CT", "channels": ["a"], "classes": [{"value": 1, "name": "o"}]}
    answer = service.answer("POST", "/tasks", json=body)
    request = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", request)
    (line,) = _log(service, 1, request=request)
    assert (line["method"], line["route"], line["status"], line["token"]) == ("POST", "/tasks", 201, "start line")
    (entry,) = [e for e in service.get("/audit?limit=10000") if e["request"] == request]
    assert (entry["action"], entry["subject"]) == ("task created", answer.json()["id"])


def test_a_refusal_is_in_the_log_with_where_it_came_from(service: ServiceProcess) -> None:
    answer = requests.get(f"{service.url}/tasks", headers={"Authorization": "Bearer planted"}, timeout=10)
    (line,) = _log(service, 1, request=answer.headers["x-request-id"])
    assert (line["status"], line["client"], line.get("token")) == (401, "127.0.0.1", None)


def test_jobs_are_in_the_log_with_their_ids(tmp_path: Path) -> None:
    with start(tmp_path) as service:
        ids = existing_ids(service)
        lines = [line for state in ("running", "succeeded") for line in _log(service, 1, job=ids["job"], state=state)]
    assert [line["state"] for line in lines] == ["running", "succeeded"]
    assert {(line["task"], line["case"], line["kind"]) for line in lines} == {(ids["task"], ids["case"], "prediction")}


def test_what_a_client_writes_into_a_path_is_not_logged(service: ServiceProcess) -> None:
    for path in ("/cases/Ottokar-Zwiebelfisch", "/Ottokar-Zwiebelfisch"):
        answer = service.answer("GET", path)
        assert answer.status_code == 404
        assert len(_log(service, 1, request=answer.headers["x-request-id"])) == 1
    assert "Zwiebelfisch" not in (service.workspace / "logs" / "service.jsonl").read_text(encoding="utf-8")


def test_a_full_queue_answers_429_with_the_seconds_to_wait(service: ServiceProcess) -> None:
    task = service.fill("crowded", training=1, validation=0)
    answers = [
        service.answer("POST", f"/tasks/{task['id']}/trainings", json={"budget_seconds": 300})
        for _ in range(QUEUE_LIMITS["training"] + 3)
    ]
    jobs = [answer.json() for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code != 202]
    try:
        assert len(jobs) in (QUEUE_LIMITS["training"], QUEUE_LIMITS["training"] + 1)  # one may be running
        for answer in refused:
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["type"] == "BusyError"
        assert [j["id"] for j in service.get(f"/jobs?task={task['id']}&newest=0")] == [j["id"] for j in jobs]
    finally:
        for job in reversed(jobs):
            service.answer("POST", f"/jobs/{job['id']}/cancel")
    assert {service.wait(job)["state"] for job in jobs} == {"cancelled"}
    assert len(service.get(f"/jobs?task={task['id']}")) == len(jobs)
    assert [j["id"] for j in service.get(f"/jobs?task={task['id']}&newest=2")] == [j["id"] for j in jobs[-2:]]
    assert service.get(f"/jobs?task={task['id']}&newest=0") == []
