"""What is seen of every request: its number in the answer, a line in the log, and its share in the metrics."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ufseg.service.logs import REQUEST
from ufseg.service.metrics import RequestMetrics

_log = logging.getLogger("ufseg.requests")

# What a client writes in a path may be a name; only what looks like one of our ids goes into the log.
_ID = re.compile(r"[0-9a-f]{16}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"GET", "HEAD"})
# Of these one wants to know where they came from.
_REFUSALS = frozenset({401, 403, 421})


@dataclass
class Observed:
    """A request under way; ``scope["state"]["observed"]`` of it.

    Args:
        request_id: in the answer's header X-Request-ID, the log and the audit log.
        holder: name of its token, once known.
        status: of the answer, once begun.
    """

    request_id: str = field(default_factory=lambda: secrets.token_hex(8))
    holder: str | None = None
    status: int = 500


class Observation:
    """Passes every request on, and notes how it ended.

    Args:
        app: what is observed, access control included.
        metrics: where counts and times go.
        asked: called at each request with a valid token.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, asked: Callable[[], None] | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on and note."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = Observed()
        scope.setdefault("state", {})["observed"] = seen

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", seen.request_id.encode()))
            await send(message)

        token = REQUEST.set(seen.request_id)
        start = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            self._note(scope, seen, time.perf_counter() - start)
            REQUEST.reset(token)

    def _note(self, scope: Scope, seen: Observed, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.note(method, route, seen.status, seconds)
        if self._asked is not None and seen.holder is not None:
            self._asked()
        level = logging.DEBUG if method in _QUIET and seen.status < 400 else logging.INFO
        ids = {k: v for k, v in scope.get("path_params", {}).items() if isinstance(v, str) and _ID.fullmatch(v)}
        more = {"method": method, "route": route, "status": seen.status, "seconds": round(seconds, 4)}
        if seen.status in _REFUSALS and scope.get("client"):
            more["client"] = scope["client"][0]
        _log.log(
            level, "%s %s answered %d in %.0f ms", method, route, seen.status, 1000 * seconds,
            extra={"fields": {**more, "token": seen.holder, **ids}},
        )  # fmt: skip
