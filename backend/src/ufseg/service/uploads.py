"""Taking files into the workspace: from the network, and from the spool folder."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ufseg.errors import ImageError, InputError, NotFoundError
from ufseg.service.access import too_large
from ufseg.service.arrivals import Arrivals
from ufseg.service.decoding import Write, writer
from ufseg.service.nrrd_header import check_nrrd
from ufseg.service.sink import Sink
from ufseg.service.spool import Spool, open_taken
from ufseg.workspace.disk import discard, require_free
from ufseg.workspace.files import named
from ufseg.workspace.records import FileRecord
from ufseg.workspace.store import DamagedFileError
from ufseg.workspace.workspace import Workspace

_BLOCK = 4 << 20
CHECKSUM_HEADER = "X-Content-SHA256"


class Uploads:
    """Takes files into a workspace.

    Args:
        workspace: where they go.
        spool: the folder for files of this machine; None where there is none.
        max_bytes: largest file that is taken.
    """

    def __init__(self, workspace: Workspace, spool: Spool | None, max_bytes: int) -> None:
        self.arrivals = Arrivals()
        self._workspace = workspace
        self._spool = spool
        self._max_bytes = max_bytes

    async def receive(self, request: Request, *, durable: bool) -> FileRecord:
        """Stream a request's body into a file, check it and keep it.

        Args:
            request: its body is the file, raw or by its Content-Encoding zstd; `CHECKSUM_HEADER` may hold its SHA-256.
            durable: answer when it is on the disk, and not as soon as it was checked.

        Raises:
            ImageError: it is no raw NRRD image of finite values, or not the one that the checksum tells.
            StorageError: the disk has no room for it; said before anything is read where the size is known.
            HTTPException: 413, it is larger than allowed; 415, an unknown encoding.
        """
        encoding = request.headers.get("content-encoding", "").strip().lower()
        announced = 0 if encoding else int(request.headers.get("content-length", "0"))
        await run_in_threadpool(require_free, self._workspace.folder, announced)
        path = self._workspace.files.temporary()
        try:
            sink = await run_in_threadpool(Sink, path, self._workspace.folder, self._max_bytes, announced)
            with sink:
                await stream_body(request, writer(encoding, sink))
                digest = await run_in_threadpool(sink.close)
            if sink.received == 0:
                raise ImageError("The request has no body. Send the bytes of a raw NRRD file.")
            _require_checksum(digest, request.headers.get(CHECKSUM_HEADER))
            return await run_in_threadpool(self.keep, path, digest, durable=durable)
        except BaseException:
            await run_in_threadpool(discard, path)
            raise

    def take(self, name: str, sha256: str | None, *, durable: bool) -> FileRecord:
        """Keep a file from the spool folder; it is gone from there afterwards.

        Args:
            name: of the file, without any path.
            sha256: of its bytes, which are compared with it; needed where `durable` is False.
            durable: answer when it is on the disk, and not as soon as its header was checked.

        Raises:
            InputError: it is no plain file of this user, or this service has no spool folder.
            NotFoundError: there is no such file.
            ImageError, StorageError, HTTPException: as in `receive`.
        """
        if self._spool is None:
            raise InputError("This service takes no files by reference. Send the file as the body of POST /files.")
        if not durable and sha256 is None:
            raise InputError("A file that need not be on the disk yet must come with its sha256. Give it.")
        taken = self._spool.take(name)
        try:
            size = taken.lstat().st_size
            if size > self._max_bytes:
                raise HTTPException(413, too_large(size, self._max_bytes))
            require_free(self._workspace.folder, size)
            check_nrrd(taken)
            if sha256 is not None and (known := self._known(sha256)) is not None:
                taken.unlink()
                return known
            if durable or sha256 is None:
                return self._copy_and_keep(taken, sha256)
            from ufseg.images.summary import summarise  # SimpleITK is slow to import

            with named(taken, "The uploaded file"):
                found = summarise(taken)
            self.arrivals.later(sha256, functools.partial(self._copy_and_keep, taken, sha256))
        except BaseException:
            taken.unlink(missing_ok=True)
            raise
        return FileRecord(
            sha256=sha256, size_bytes=size, channels=found.channels, dtype=found.dtype, geometry=found.geometry
        )

    def keep(self, path: Path, sha256: str, *, durable: bool) -> FileRecord:
        """Check a file that lies on the workspace's disk and move it into the store; see `receive`."""
        check_nrrd(path)
        if durable:
            return self._workspace.files.add_file(path, sha256)
        from ufseg.images.summary import summarise  # SimpleITK is slow to import

        with named(path, "The uploaded file"):
            found = summarise(path)
        size = path.stat().st_size
        self.arrivals.later(sha256, functools.partial(self._workspace.files.add_file, path, sha256))
        return FileRecord(
            sha256=sha256, size_bytes=size, channels=found.channels, dtype=found.dtype, geometry=found.geometry
        )

    def lend(self, sha256: str) -> str:
        """Put a copy of a stored file into the spool folder; returns its name. Whoever reads it removes it.

        Raises:
            NotFoundError: no such file.
            InputError: this service has no spool folder.
        """
        if self._spool is None:
            raise InputError("This service gives no files by reference. Fetch it with GET /files/{sha256}.")
        self.arrivals.settle([sha256])
        return self._spool.lend(self._workspace.files.path(sha256))

    def _known(self, sha256: str) -> FileRecord | None:
        self.arrivals.settle([sha256])
        try:
            self._workspace.files.verified(sha256)
            return self._workspace.files.get(sha256)
        except (NotFoundError, DamagedFileError):  # one that was damaged since is mended by what was handed over
            return None

    def _copy_and_keep(self, taken: Path, sha256: str | None) -> FileRecord:
        """What is hashed is what is written: the client may still have the file open and change it."""
        path = self._workspace.files.temporary()
        try:
            size = taken.lstat().st_size
            with (
                os.fdopen(open_taken(taken), "rb", buffering=0) as source,
                Sink(path, self._workspace.folder, self._max_bytes, size) as sink,
            ):
                while block := source.read(_BLOCK):
                    sink.write(block)
                digest = sink.close()
            _require_checksum(digest, sha256)
            check_nrrd(path)
            return self._workspace.files.add_file(path, digest)
        finally:
            discard(path)
            taken.unlink(missing_ok=True)


async def stream_body(request: Request, write: Write) -> None:
    """Give a request's body to `write` in large blocks; while one is written the next one comes in.

    Raises:
        ImageError: the client went away.
    """
    writing: asyncio.Task[int] | None = None
    blocks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            blocks.append(chunk)
            size += len(chunk)
            if size >= _BLOCK:
                if writing is not None:
                    await writing
                writing = asyncio.create_task(_in_thread(write, blocks))
                blocks, size = [], 0
        if writing is not None:
            await writing
        writing = None
        await run_in_threadpool(write, blocks)
    except ClientDisconnect as error:
        raise ImageError("The connection ended before the whole file had arrived. Send it again.") from error
    finally:
        # The file must not be closed under the thread that writes to it.
        if writing is not None:
            await asyncio.wait([writing])
            if not writing.cancelled():
                writing.exception()


async def _in_thread(write: Callable[[list[bytes]], int], blocks: list[bytes]) -> int:
    return await run_in_threadpool(write, blocks)


def _require_checksum(found: str, expected: str | None) -> None:
    if expected is not None and expected.strip().lower() != found:
        raise ImageError(
            f"The file that arrived has the SHA-256 {found}, not {expected[:80]}: it was changed while it was sent. "
            "Send it again."
        )
