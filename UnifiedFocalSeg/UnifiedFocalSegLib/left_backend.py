"""A backend that an earlier Slicer has left behind to finish its trainings, found and used again.

Such a backend leaves its address and token in the workspace, in a file that only its user may read. It ends by itself
a minute after nobody has asked it anything and no training is unfinished; so whoever uses it asks now and then.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from .client import BackendClient
from .errors import BackendError
from .translation import tr as _

_FILE = "service.json"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_ASK_SECONDS = 15.0
_POLL_SECONDS = 0.1


class LeftBackend:
    """A backend found in a workspace; used like a `BackendProcess`.

    Args:
        url: its address.
        token: its secret.
        version: its version.
        pid: its process id.
    """

    def __init__(self, url: str, token: str, version: str, pid: int) -> None:
        self.url, self.token, self.version, self.pid = url, token, version, pid
        self._client = BackendClient(url, token)
        self._over = threading.Event()
        self._lost = False
        threading.Thread(target=self._keep_asking, daemon=True).start()

    @classmethod
    def find(cls, workspace: str | os.PathLike) -> LeftBackend | None:
        """The backend that was left behind in a workspace; None if there is none, or it does not answer.

        Blocks for up to some seconds: call it from a worker thread.

        Raises:
            BackendError: its address is in a file that others could have written or may read.
        """
        hello = _read_address(Path(workspace) / _FILE)
        if hello is None:
            return None
        try:
            BackendClient(hello["url"], hello["token"]).health()
        except BackendError:
            return None  # it is gone; the next one removes the file
        return cls(hello["url"], hello["token"], str(hello.get("version", "")), int(hello["pid"]))

    def is_running(self) -> bool:
        """Whether it answered when it was asked last."""
        return not self._lost

    def ending(self) -> str:
        """That it is gone, in a sentence; empty while it lives."""
        return _("The backend that went on in the background does not answer any more.") if self._lost else ""

    def last_words(self) -> str:
        """Why it is gone and what to do, in sentences; empty while it lives."""
        if not self._lost:
            return ""
        return _("{ending} Start it again; nothing is lost.").format(ending=self.ending())

    def hand_over(self) -> None:
        """Leave it behind again, to finish its trainings."""
        self._over.set()

    def stop(self, seconds: float = 10.0) -> None:
        """End it: a training under way is interrupted and goes on when the next backend starts."""
        self._over.set()
        if self._answers():  # so it is this process that has its id
            os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self._answers() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def stop_later(self) -> None:
        """`stop` without waiting for it."""
        threading.Thread(target=self.stop, daemon=True).start()

    def _keep_asking(self) -> None:
        while not self._over.wait(_ASK_SECONDS):
            self._lost = not self._answers()

    def _answers(self) -> bool:
        try:
            self._client.health()
        except BackendError:
            return False
        return True


def _read_address(path: Path) -> dict | None:
    """What the file says; None if there is none, or it is no such file.

    Raises:
        BackendError: the file is not this user's alone, so it may lead to a stranger's program.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="utf-8") as file:
        found = os.fstat(file.fileno())
        foreign = hasattr(os, "getuid") and (found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077)
        if foreign or not stat.S_ISREG(found.st_mode):
            raise BackendError(
                _(
                    "{path} should be readable by you alone, and is not: its access rights are {rights:o}. "
                    "Somebody may have put it there; remove it and start again."
                ).format(path=path, rights=stat.S_IMODE(found.st_mode))
            )
        try:
            hello = json.load(file)
        except ValueError:
            return None
    complete = isinstance(hello, dict) and {"url", "token", "pid"} <= set(hello)
    return hello if complete and urlsplit(str(hello["url"])).hostname in _LOOPBACK else None
