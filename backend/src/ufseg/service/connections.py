"""Connections on which nobody, with or without a token, can hold memory or a place for long.

uvicorn itself bounds neither the head of a request nor the time that a request takes to arrive, and both are taken in
before a token can be looked at.
"""

from __future__ import annotations

import asyncio
import logging

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_log = logging.getLogger(__name__)

LARGEST_HEAD = 64 << 10
"""Bytes of a request line with its headers. As much again as comes in one piece may be read before it is noticed."""
MOST_PIPELINED = 16
"""Requests that may wait for the answer of the one before them on a connection."""


class BoundedConnection(HttpToolsProtocol):
    """Closes a connection whose request is too large or too slow in coming.

    Attributes:
        head_seconds: within which a request line with its headers must have arrived, from the connection or the first
            byte on.
        body_seconds: so long nothing of a body may arrive, such as from a computer that was cut off: its half-sent file
            would keep its place on the disk, and its upload could not be resumed. As long the rest of a body that was
            answered already, such as with 401, may go on arriving.
        look_seconds: between two looks at the time.
    """

    head_seconds = 10.0
    body_seconds = 60.0
    look_seconds = 5.0

    _look: asyncio.TimerHandle | None = None
    _head_since: float | None = None
    _head_bytes = 0
    _begun_in_piece = False
    _in_body = False
    _answered_since: float | None = None
    _heard = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch the clock."""
        super().connection_made(transport)
        self._head_since = self._heard = self.loop.time()
        self._look = self.loop.call_later(self.look_seconds, self._look_at_clock)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of what arrives."""
        self._heard = self.loop.time()
        if self._answered and not self._in_body and self._head_since is None:
            self._head_since = self._heard
        self._begun_in_piece = False
        super().data_received(data)
        if self._head_since is None or self.transport.is_closing():
            return
        # Where in a piece a request began is not told; the next piece counts.
        self._head_bytes += 0 if self._begun_in_piece else len(data)
        if self._head_bytes > LARGEST_HEAD:
            self._refuse(f"a request's head had more than {LARGEST_HEAD} bytes")

    def on_message_begin(self) -> None:
        """The parser has met a request."""
        super().on_message_begin()
        self._begun_in_piece = True
        self._head_bytes = 0
        if self._head_since is None:
            self._head_since = self._heard

    def on_headers_complete(self) -> None:
        """The parser has read its head."""
        self._head_since = None
        self._in_body = True
        if len(self.pipeline) >= MOST_PIPELINED:
            self.pipeline.clear()
            raise HttpParserError(f"more than {MOST_PIPELINED} requests wait for an answer")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser has read its body."""
        self._in_body = False
        super().on_message_complete()

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _look_at_clock(self) -> None:
        now = self.loop.time()
        if self.transport.is_closing():
            return
        if not (self._answered and self._in_body):
            self._answered_since = None
        elif self._answered_since is None:
            self._answered_since = now
        if self._head_since is not None and now - self._head_since > self.head_seconds:
            self._refuse(f"a request's head did not arrive within {self.head_seconds:.0f} s")
        elif self._answered_since is not None and now - self._answered_since > self.body_seconds:
            self._refuse(f"a body went on arriving for {self.body_seconds:.0f} s after its answer")
        elif (
            not self._answered
            and self._in_body
            and not self.flow.read_paused  # else it is us who take nothing
            and now - self._heard > self.body_seconds
        ):
            self._refuse(f"nothing of a request's body arrived for {self.body_seconds:.0f} s")
        else:
            self._look = self.loop.call_later(self.look_seconds, self._look_at_clock)

    def _refuse(self, why: str) -> None:
        _log.warning("a connection was closed: %s", why)
        self.transport.abort()
