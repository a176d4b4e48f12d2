"""Files that were answered for before they are on the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from ufseg.workspace.records import FileRecord


class Arrivals:
    """Puts files on the disk in the background, in order, and lets whoever names one wait for it.

    A client that asks for it hears of its file as soon as it was checked. Nothing that the workspace remembers may name
    the file before `settle` has returned; a service that dies before simply does not have the file.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "arrivals")
        self._pending: dict[str, Future[FileRecord]] = {}
        self._lock = threading.Lock()

    def later(self, sha256: str, store: Callable[[], FileRecord]) -> None:
        """Run `store`, which puts the file with this hash on the disk."""
        with self._lock:
            future = self._pending[sha256] = self._pool.submit(store)
        future.add_done_callback(lambda done: self._forget(sha256, done) if done.exception() is None else None)

    def settle(self, files: Iterable[str]) -> None:
        """Wait until these files are on the disk, or raise the error that kept one from it (once)."""
        for sha256 in files:
            with self._lock:
                future = self._pending.get(sha256)
            if future is None:
                continue
            try:
                future.result()
            finally:
                self._forget(sha256, future)

    def _forget(self, sha256: str, future: Future[FileRecord]) -> None:
        with self._lock:
            if self._pending.get(sha256) is future:
                del self._pending[sha256]
