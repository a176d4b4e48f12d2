"""Whose token a request carries."""

from __future__ import annotations

import asyncio
import hmac
import time

from starlette.concurrency import run_in_threadpool

from ufseg.workspace.records import AccessToken, Role
from ufseg.workspace.tokens import Tokens, token_hash

FRESH_SECONDS = 1.0
START_TOKEN = "start line"


class Keys:
    """The token of the start line, which is a maintainer's, and those of the workspace.

    Args:
        start_token: the secret of the start line.
        tokens: of the workspace; looked at anew when a request comes later than `FRESH_SECONDS` after the last look.
    """

    def __init__(self, start_token: str, tokens: Tokens) -> None:
        self._start = token_hash(start_token)
        self._tokens = tokens
        self._known: dict[str, AccessToken] = {}
        self._looked = float("-inf")
        self._looking = asyncio.Lock()

    async def holder(self, authorization: bytes) -> tuple[str, Role] | None:
        """Name and role of the holder of an Authorization header's token; None if it is missing or wrong.

        Raises:
            StorageError: the tokens cannot be read.
        """
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        given = token_hash(token)
        if hmac.compare_digest(given, self._start):
            return START_TOKEN, "maintainer"
        async with self._looking:  # who comes meanwhile waits for what is found, and does not judge by what was
            if time.monotonic() - self._looked > FRESH_SECONDS:
                now = time.monotonic()
                self._known = await run_in_threadpool(self._tokens.valid)
                self._looked = now
        found = None
        for known, record in self._known.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(given, known):
                found = record
        return None if found is None else (found.name, found.role)
