"""A file that is written and hashed in one go."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from starlette.exceptions import HTTPException
from typing_extensions import Self

from ufseg.service.access import too_large
from ufseg.workspace.disk import storage_errors

# Hashing and writing let Python's lock go, so that both, and the network, run at once.
_HASHING = ThreadPoolExecutor(4, "hashing")
Block = bytes | bytearray | memoryview


class Sink:
    """Takes the bytes of a new file in their order; may be used from one thread at a time.

    Args:
        path: of the file; it must not exist.
        folder: the workspace, for messages about its disk.
        limit: most bytes that are taken.
        size: bytes to come, if known: their place on the disk is taken at once.

    Raises:
        StorageError: the disk is full or cannot be written.
        HTTPException: 413, more than `limit` bytes.
    """

    def __init__(self, path: Path, folder: Path, limit: int, size: int = 0) -> None:
        self._folder = folder
        self._limit = limit
        self._digest = hashlib.sha256()
        self.received = 0
        with storage_errors(folder, size):
            self._file = path.open("xb", buffering=0)
            if size and hasattr(os, "posix_fallocate"):
                try:
                    os.posix_fallocate(self._file.fileno(), 0, size)
                except BaseException:
                    self._file.close()
                    raise

    def write(self, block: Block) -> int:
        """Append `block`; returns its length."""
        return self.write_all([block])

    def write_all(self, blocks: Iterable[Block]) -> int:
        """Append `blocks`; returns their length."""
        blocks = list(blocks)
        size = sum(len(block) for block in blocks)
        if self.received + size > self._limit:
            raise HTTPException(413, too_large(self.received + size, self._limit))
        hashing = _HASHING.submit(self._hash, blocks)
        try:
            with storage_errors(self._folder, size):
                for block in blocks:
                    _write_whole(self._file.fileno(), block)
        finally:
            hashing.result()
        self.received += size
        return size

    def close(self) -> str:
        """End the file where its bytes end; returns their sha256."""
        if not self._file.closed:
            with storage_errors(self._folder):
                # Less may have come than was announced.
                os.ftruncate(self._file.fileno(), self.received)
                self._file.close()
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _hash(self, blocks: list[Block]) -> None:
        for block in blocks:
            self._digest.update(block)


def _write_whole(descriptor: int, block: Block) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
