"""Server-sent events, read as a browser would."""

from __future__ import annotations

import json
from collections.abc import Iterator

import requests
from service_process import Json, ServiceProcess

Event = tuple[str, Json]


def _stream(service: ServiceProcess, path: str, last: str | None = None) -> requests.Response:
    headers = {} if last is None else {"Last-Event-ID": last}
    return service.session.get(service.url + path, headers=headers, stream=True, timeout=60)


def _events(answer: requests.Response) -> Iterator[Event]:
    """Id and job of each event; comments are passed over."""
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    fields: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if not line and fields:
            assert fields["event"] == "job"
            yield fields["id"], json.loads(fields["data"])
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def test_a_job_is_followed_to_its_end_and_again_from_where_a_client_was(service: ServiceProcess) -> None:
    task = service.fill("events")
    job = service.train(task, 1)
    seen = list(_events(_stream(service, f"/jobs/{job['id']}/events")))
    assert seen[-1][1] == service.get(f"/jobs/{job['id']}")
    assert seen[-1][1]["state"] == "succeeded", seen[-1][1]["error"]
    versions = [int(number) for number, _ in seen]
    assert versions == sorted(set(versions))
    assert "training" in {j["progress"]["stage"] for _, j in seen}
    last = str(versions[-1])
    assert list(_events(_stream(service, f"/jobs/{job['id']}/events", str(versions[-1] - 1)))) == seen[-1:]
    assert _stream(service, f"/jobs/{job['id']}/events", last).status_code == 204  # a browser stays away then
    service.refused("GET", "/jobs/nobody/events", 404)


def test_all_jobs_are_followed_and_none_is_missed_while_away(service: ServiceProcess) -> None:
    task = service.fill("all events")
    first = service.train(task, 300)
    with _stream(service, "/events") as answer:
        for number, job in _events(answer):
            last = number
            if job["id"] == first["id"] and job["progress"]["stage"] == "training":
                break
    # The job changes several times while the client is away.
    assert service.get(f"/jobs/{first['id']}?wait=30&after={job['version'] + 2}")["version"] > job["version"] + 2
    service.wait(service.post(f"/jobs/{first['id']}/cancel", None))
    ended = {}
    with _stream(service, "/events?seconds=2", last) as answer:
        ended = {job["id"]: job["state"] for _, job in _events(answer)}  # and the stream ends by itself
    assert ended == {first["id"]: "cancelled"}
    # What another run of the service numbered means nothing here, and no job is unfinished now.
    with _stream(service, "/events?seconds=1", "00000000-7") as answer:
        assert [job["state"] for _, job in _events(answer) if job["state"] not in ("queued", "running")] == []


def test_it_is_documented(service: ServiceProcess) -> None:
    paths = service.get("/openapi.json")["paths"]
    for path in ("/events", "/jobs/{job}/events"):
        assert "text/event-stream" in paths[path]["get"]["responses"]["200"]["content"]
        assert "last-event-id" in {p["name"] for p in paths[path]["get"]["parameters"]}
