"""A service that outlives the program that started it, until its trainings are done.

Whoever starts a service holds its standard input. Writing the line `FINISH_TRAININGS` before closing it asks the
service to finish what it trains. It then leaves its address and token in the workspace, in a file that only its own
user may read, so that the next start of that program finds it; and it ends by itself once no training is unfinished
and nobody with a token has asked anything for a minute.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from ufseg.engine.engine import Engine

_log = logging.getLogger(__name__)

FINISH_TRAININGS = b"finish trainings"
FILE = "service.json"

_LOOK_SECONDS = 0.5


class LeftBehind:
    """What a service does once nobody holds its standard input any more.

    Args:
        engine: whose trainings are to be finished.
        folder: the workspace.
        quiet_seconds: how long nobody may have asked anything before it ends.
    """

    def __init__(self, engine: Engine, folder: Path, quiet_seconds: float = 60.0) -> None:
        self._engine = engine
        self._path = folder / FILE
        self._quiet_seconds = quiet_seconds
        self._asked = time.monotonic()

    def asked(self) -> None:
        """Somebody with a valid token has asked something."""
        self._asked = time.monotonic()

    def remove_address(self) -> None:
        """Take away the address of a service that is gone, or that ends now."""
        self._path.unlink(missing_ok=True)

    def stay(self, hello: dict[str, object], ending: Callable[[], bool]) -> None:
        """Return when the service may end; at once if no training is unfinished.

        Args:
            hello: address and token, as in the service's first line.
            ending: whether it ends already, for another reason.

        Raises:
            OSError: the workspace cannot be written.
        """
        if not self._unfinished():
            return
        self._leave_address(hello)
        _log.info("standard input has ended; the service stays until its trainings are done")
        self.asked()
        while not ending() and (self._unfinished() or time.monotonic() - self._asked < self._quiet_seconds):
            time.sleep(_LOOK_SECONDS)

    def _unfinished(self) -> bool:
        return any(job.kind == "training" and not job.is_final for job in self._engine.unfinished())

    def _leave_address(self, hello: dict[str, object]) -> None:
        self.remove_address()
        # Made anew and for the owner only: never written into a file that somebody else has put there.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(hello, file)
            file.flush()
            os.fsync(file.fileno())
