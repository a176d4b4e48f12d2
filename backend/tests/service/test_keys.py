"""Whose token it is, while tokens are made and many ask at once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from ufseg.service.keys import START_TOKEN, Keys
from ufseg.workspace import Workspace
from ufseg.workspace.records import AccessToken
from ufseg.workspace.tokens import Tokens


class _SlowTokens(Tokens):
    """Those of a database that takes a while."""

    def valid(self) -> dict[str, AccessToken]:
        time.sleep(0.1)
        return super().valid()


def test_who_asks_while_the_tokens_are_looked_up_waits_for_them(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w") as workspace:
        _, token = workspace.tokens.add("ward", "annotator")
        keys = Keys("secret", _SlowTokens(workspace.database))

        async def ask(many: int) -> list[tuple[str, str] | None]:
            return list(await asyncio.gather(*(keys.holder(f"Bearer {token}".encode()) for _ in range(many))))

        assert asyncio.run(ask(20)) == [("ward", "annotator")] * 20


def test_the_scheme_is_bearer_in_any_case_and_nothing_else(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w") as workspace:
        keys = Keys("secret", workspace.tokens)
        for header in (b"Bearer secret", b"bearer secret"):
            assert asyncio.run(keys.holder(header)) == (START_TOKEN, "maintainer")
        for header in (b"", b"secret", b"Basic secret", b"Bearer  secret", b"Bearer secret ", b"Bearer \xff"):
            assert asyncio.run(keys.holder(header)) is None
