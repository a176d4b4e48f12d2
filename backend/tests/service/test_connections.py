"""Connections of peers who send too much or too slowly, most of them without a token."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse

import pytest
import uvicorn
from service_process import ServiceProcess
from starlette.types import Receive, Scope, Send

from ufseg.service.connections import LARGEST_HEAD, MOST_PIPELINED, BoundedConnection

# Of the system, on both sides of a connection.
_BUFFERS = 16 << 20


class _Impatient(BoundedConnection):
    head_seconds = 0.4
    body_seconds = 0.4
    look_seconds = 0.1


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the number of bytes that came, and "cut off" is its error."""
    size = 0
    while scope["path"] != "/refused":
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RuntimeError("cut off")
        size += len(message["body"])
        if not message["more_body"]:
            break
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    body = str(size).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server with little patience."""
    config = uvicorn.Config(
        _echo, http=_Impatient, loop="asyncio", ws="none", lifespan="off", log_config=None, timeout_keep_alive=2
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _closed(connection: socket.socket) -> bool:
    """Whether the other side ends it within the timeout, whatever it says before."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def _answer(connection: socket.socket) -> bytes:
    """The body of the next answer, which is short."""
    answer = HTTPResponse(connection)
    answer.begin()
    return answer.read()


@pytest.mark.parametrize("start", [b"", b"\r\n", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_does_not_come_ends_the_connection(port: int, start: bytes) -> None:
    with _connect(port) as connection:
        began = time.monotonic()
        connection.sendall(start)
        assert _closed(connection)
        assert 0.3 < time.monotonic() - began < 5


def test_drops_do_not_keep_a_connection_open(port: int) -> None:
    began = time.monotonic()
    with _connect(port) as connection:
        connection.settimeout(0.05)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        while not _closed(connection):
            assert time.monotonic() - began < 5
            with suppress(ConnectionError):
                connection.sendall(b"A: b\r\n")


def test_a_body_that_stops_coming_ends_the_connection(port: int) -> None:
    with _connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
        assert _closed(connection)


def test_a_slow_body_a_slow_answer_and_a_pause_between_requests_are_waited_for(port: int) -> None:
    with _connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)
            connection.sendall(b"x")
        assert _answer(connection) == b"10"
        time.sleep(0.8)
        connection.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        assert _answer(connection) == b"0"
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET")  # and the next one begins
        assert _answer(connection) == b"1"
        connection.sendall(b" / HTTP/1.1\r\n\r\n")
        assert _answer(connection) == b"0"


def test_a_large_body_is_no_large_head(port: int) -> None:
    with _connect(port) as connection:
        size = 8 * LARGEST_HEAD
        head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size
        for _ in range(3):
            connection.sendall(head + bytes(size) + b"GET / HTTP/1.1\r\nX: " + b"a" * 1000)
            assert _answer(connection) == b"%d" % size
            connection.sendall(b"\r\n\r\n")
            assert _answer(connection) == b"0"


def test_the_rest_of_a_body_that_was_refused_is_read_for_a_while(port: int) -> None:
    size = 8 * LARGEST_HEAD
    with _connect(port) as connection:
        for _ in range(3):  # or the client would not hear of the answer, nor could it go on
            connection.sendall(b"POST /refused HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
            assert _answer(connection) == b"0"
            for _ in range(8):
                connection.sendall(bytes(size // 8))
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert _answer(connection) == b"0"
    with _connect(port) as connection:
        connection.settimeout(0.05)
        connection.sendall(b"POST /refused HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
        began = time.monotonic()
        while not _closed(connection):
            assert time.monotonic() - began < 5
            with suppress(ConnectionError):
                connection.sendall(b"x")


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /", b"a" * 65536),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 65536),
        (b"GET / HTTP/1.1\r\n", b"X: " + b"a" * 65531 + b"\r\n"),
    ],
)
def test_an_endless_head_is_not_read(service: ServiceProcess, start: bytes, more: bytes) -> None:
    assert _taken(service, start, more) < _BUFFERS
    assert service.get("/health")["status"] == "ok"


def test_requests_whose_answers_are_not_waited_for_are_not_read(service: ServiceProcess) -> None:
    assert _taken(service, b"", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 1000) < _BUFFERS
    assert service.get("/health")["status"] == "ok"


def test_a_few_requests_at_once_are_answered(port: int) -> None:
    with _connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * MOST_PIPELINED)
        answered = b""
        while answered.count(b"HTTP/1.1 200") < MOST_PIPELINED:
            answered += connection.recv(65536)


def _taken(service: ServiceProcess, start: bytes, more: bytes) -> int:
    """How many bytes can be sent until the service closes the connection, at most 100 MB."""
    sent = 0
    with _connect(int(service.url.rsplit(":", 1)[1])) as connection:
        connection.sendall(start)
        while sent < 100 << 20:
            try:
                connection.sendall(more)
            except ConnectionError:
                break
            sent += len(more)
    return sent
