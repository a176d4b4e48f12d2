"""Who may talk to the service, and how much they may send."""

from __future__ import annotations

from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ufseg.errors import StorageError
from ufseg.service.failures import failure, known_failure
from ufseg.service.keys import Keys
from ufseg.service.observation import Observed
from ufseg.service.roles import may, roles_of
from ufseg.workspace.audit import Actor, acting

MAX_JSON_BYTES = 4 << 20


class Access:
    """Checks every request before anything of it is read or routed.

    The Host header must be the service's own address, or a web page could reach it through a rebound DNS name; the
    token must match, and its role allow the request; the body must not be larger than allowed, neither by its header
    nor while it arrives.

    Args:
        app: what is protected.
        keys: tells whose token it is.
        hosts: allowed Host headers, with port.
        max_file_bytes: largest body of ``POST /files`` and ``PATCH /uploads/…``; all other bodies are JSON of at most
            4 MiB.
    """

    def __init__(self, app: ASGIApp, keys: Keys, hosts: Collection[str], max_file_bytes: int) -> None:
        self._app = app
        self._keys = keys
        self._hosts = {host.lower().encode() for host in hosts}
        self._max_file_bytes = max_file_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed, answer the rest."""
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method, path = scope["method"], scope["path"]
        limit = self._max_file_bytes if _takes_files(path) else MAX_JSON_BYTES
        if headers.get(b"host", b"").lower() not in self._hosts:
            refusal = failure(421, "HostError", "The Host header is not this service's address. Use the reported one.")
            await refusal(scope, receive, send)
            return
        try:
            holder = await self._keys.holder(headers.get(b"authorization", b""))
        except StorageError as error:
            await known_failure(error)(scope, receive, send)
            return
        seen: Observed = scope["state"]["observed"]
        if holder is None:
            message = (
                "The token is missing or wrong. Send the one from the service's first line, or one from "
                "'ufseg tokens add': Authorization: Bearer …"
            )
            refusal = failure(401, "AuthenticationError", message)
            refusal.headers["WWW-Authenticate"] = "Bearer"
        elif not may(holder[1], method, path):
            allowed = " or ".join(roles_of(method, path))
            refusal = failure(
                403, "PermissionError", f"This token is of the role {holder[1]}, and this needs {allowed}. Ask one."
            )
            seen.holder = holder[0]
        elif int(headers.get(b"content-length", b"0")) > limit:
            refusal = failure(413, "TooLargeError", too_large(int(headers[b"content-length"]), limit))
        else:
            seen.holder = holder[0]
            with acting(Actor(holder[0], holder[1], seen.request_id)):
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
