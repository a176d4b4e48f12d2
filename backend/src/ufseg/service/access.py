"""Who may talk to the service, and how much they may send."""

from __future__ import annotations

import hmac
from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ufseg.service.failures import failure

MAX_JSON_BYTES = 4 << 20


class Access:
    """Checks every request before anything of it is read or routed.

    The Host header must be the service's own address, or a web page could reach it through a rebound DNS name; the
    token must match; the body must not be larger than allowed, neither by its header nor while it arrives.

    Args:
        app: what is protected.
        token: the secret.
        hosts: allowed Host headers, with port.
        max_file_bytes: largest body of ``POST /files`` and ``PATCH /uploads/…``; all other bodies are JSON of at most
            4 MiB.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str], max_file_bytes: int) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._hosts = {host.encode() for host in hosts}
        self._max_file_bytes = max_file_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed, answer the rest."""
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        limit = self._max_file_bytes if _takes_files(scope["path"]) else MAX_JSON_BYTES
        if headers.get(b"host", b"").lower() not in self._hosts:
            refusal = failure(421, "HostError", "The Host header is not this service's address. Use the reported one.")
        elif not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            message = (
                "The token is missing or wrong. Send the one from the service's first line: Authorization: Bearer …"
            )
            refusal = failure(401, "AuthenticationError", message)
            refusal.headers["WWW-Authenticate"] = "Bearer"
        elif int(headers.get(b"content-length", b"0")) > limit:
            refusal = failure(413, "TooLargeError", too_large(int(headers[b"content-length"]), limit))
        else:
            await self._app(scope, _limited(receive, limit), send)
            return
        await refusal(scope, receive, send)


def _takes_files(path: str) -> bool:
    return path == "/files" or path.startswith("/uploads/")


def too_large(size: int, limit: int) -> str:
    """What is said of a body of at least `size` bytes."""
    return f"The body has {size} bytes or more and at most {limit} are taken. Send less, such as a cropped image."


def _limited(receive: Receive, limit: int) -> Receive:
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, too_large(received, limit))
        return message

    return limited
