"""Nobody in who should not be."""

from __future__ import annotations

import socket

import pytest
import requests
from service_process import Json, ServiceProcess

GONE = {"{task}": "t", "{case}": "c", "{job}": "j", "{model}": "m", "{revision}": "r", "{sha256}": "0" * 64}

WITHOUT_IDS = {"/openapi.json", "/health", "/tasks", "/jobs", "/events", "/models/available", "/audit", "/metrics"}
WITHOUT_IDS |= {"/spool"}


def _endpoints(service: ServiceProcess) -> list[tuple[str, str]]:
    """Every documented method and path, with ids that do not exist."""
    document: Json = service.get("/openapi.json")
    found = [("GET", "/openapi.json")]
    for path, methods in document["paths"].items():
        concrete = path
        for name, value in GONE.items():
            concrete = concrete.replace(name, value)
        found += [(method.upper(), concrete) for method in methods]
    assert len(found) > 20
    return found


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x"])
def test_every_endpoint_wants_the_token(service: ServiceProcess, header: str | None) -> None:
    before = service.get("/tasks")
    headers = {} if header is None else {"Authorization": header.replace("{token}", service.hello["token"])}
    for method, path in _endpoints(service):
        answer = requests.request(method, service.url + path, headers=headers, json={}, timeout=10)
        assert answer.status_code == 401, (method, path)
        if method != "HEAD":
            assert answer.json()["error"]["type"] == "AuthenticationError"
    assert service.get("/tasks") == before


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:{port}"])
def test_another_host_header_is_refused(service: ServiceProcess, host: str) -> None:
    port = service.url.rsplit(":", 1)[1]
    message = service.refused("GET", "/health", 421, headers={"Host": host.replace("{port}", port)})
    assert "Host header" in message
    assert service.answer("GET", "/health", headers={"Host": f"localhost:{port}"}).ok


def test_no_other_web_page_may_read_answers(service: ServiceProcess) -> None:
    answer = service.answer("GET", "/health", headers={"Origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert service.answer("OPTIONS", "/health", headers={"Origin": "http://evil.example"}).status_code == 405


def test_it_listens_on_loopback_only(service: ServiceProcess) -> None:
    port = int(service.url.rsplit(":", 1)[1])
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this machine has no other address by its name")
    with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        socket.create_connection((own, port), timeout=2)


def test_unknown_ids_are_not_found(service: ServiceProcess) -> None:
    for method, path in _endpoints(service):
        if method in ("GET", "HEAD") and path not in WITHOUT_IDS:
            assert service.answer(method, path).status_code == 404, path
    assert "'nobody'" in service.refused("GET", "/jobs?task=nobody", 404)
    for path in ("/jobs/nobody/cancel", "/tasks/nobody/rollback"):
        service.refused("POST", path, 404, json={})


def test_an_unknown_path_or_method_is_said_in_words(service: ServiceProcess) -> None:
    assert "/openapi.json" in service.refused("GET", "/nowhere", 404)
    assert "DELETE /tasks" in service.refused("DELETE", "/tasks", 405)
    assert "GET /tasks/." in service.refused("GET", "/tasks/", 404, allow_redirects=False)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "name: Field required"),
        ({"name": "x", "modality": "PET", "channels": ["a"], "classes": [{"value": 1, "name": "o"}]}, "modality"),
        ({"name": "x", "modality": "CT", "channels": ["a"], "classes": [{"value": 0, "name": "o"}]}, "classes.0.value"),
        (
            {"name": "x", "modality": "CT", "channels": ["a"],
             "classes": [{"value": 1, "name": "o"}, {"value": 1, "name": "p"}]},
            "two classes have the same value: 1",
        ),
        ({"name": "x", "modality": "CT", "channels": [], "classes": [{"value": 1, "name": "o"}], "z": 1}, "z: Extra"),
    ],
)  # fmt: skip
def test_a_request_that_is_not_valid_is_answered_with_a_sentence(
    service: ServiceProcess, body: Json, words: str
) -> None:
    message = service.refused("POST", "/tasks", 422, json=body)
    assert words in message
    assert message.startswith("The request cannot be used: ")


def test_both_lengths_of_a_training_are_too_many(service: ServiceProcess) -> None:
    message = service.refused("POST", "/tasks/t/trainings", 422, json={"budget_seconds": 1, "epochs": 1})
    assert "budget_seconds or epochs, not both" in message


def test_a_large_json_body_is_refused_unread(service: ServiceProcess) -> None:
    assert "5000000 bytes" in service.refused("POST", "/tasks", 413, data=b" " * 5_000_000)
    # Without a length it is counted while it arrives.
    assert "4194304" in service.refused("POST", "/tasks", 413, data=iter([b" " * 1_000_000] * 5))


def test_a_file_beyond_the_limit_is_refused_by_its_length(service: ServiceProcess) -> None:
    port = int(service.url.rsplit(":", 1)[1])
    head = (
        f"POST /files HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {service.hello['token']}\r\n"
        f"Content-Length: {9 << 30}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
