"""Uploads that go on where they broke off, also after the service was started again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ufseg.errors import ConflictError, ImageError, InputError, NotFoundError
from ufseg.service.access import too_large
from ufseg.service.uploads import Uploads, stream_body
from ufseg.workspace.disk import discard, require_free, storage_errors
from ufseg.workspace.records import FileRecord
from ufseg.workspace.store import ABANDONED_SECONDS, sha256_of
from ufseg.workspace.workspace import Workspace

OFFSET_HEADER = "Upload-Offset"
_ID = re.compile(r"[0-9a-f]{24}\Z")


class UploadRequest(BaseModel):
    """A file to come in several requests: its size in bytes and its SHA-256."""

    model_config = ConfigDict(extra="forbid")

    size_bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class UploadState(UploadRequest):
    """An upload: `offset` bytes have arrived. `file` is the finished file, None until all have."""

    id: str
    offset: int
    file: FileRecord | None = None


class Resumable:
    """The unfinished uploads of a workspace, each a file in ``incoming`` beside its request.

    What nobody has added to for `ABANDONED_SECONDS` is removed: when a service starts, and by `discard_abandoned`.

    Args:
        workspace: where they go.
        uploads: keeps a finished file.
        max_bytes: largest file that is taken.
    """

    def __init__(self, workspace: Workspace, uploads: Uploads, max_bytes: int) -> None:
        self._workspace = workspace
        self._uploads = uploads
        self._max_bytes = max_bytes
        self._busy: set[str] = set()
        self._busy_lock = threading.Lock()

    @property
    def uploads(self) -> Uploads:
        """Keeps a finished file."""
        return self._uploads

    def begin(self, request: UploadRequest) -> UploadState:
        """Make an upload.

        Raises:
            HTTPException: 413, it would be larger than allowed.
            StorageError: the disk has no room for it.
        """
        if request.size_bytes > self._max_bytes:
            raise HTTPException(413, too_large(request.size_bytes, self._max_bytes))
        require_free(self._workspace.folder, request.size_bytes)
        upload = secrets.token_hex(12)
        description, part = self._paths(upload)
        with storage_errors(self._workspace.folder):
            part.touch(exist_ok=False)
            description.write_text(request.model_dump_json(), encoding="utf-8")
        return UploadState(id=upload, offset=0, **request.model_dump())

    def state(self, upload: str) -> UploadState:
        """How far an upload is; raises NotFoundError."""
        if _ID.match(upload):
            description, part = self._paths(upload)
            try:
                request = UploadRequest.model_validate_json(description.read_bytes())
                return UploadState(id=upload, offset=part.stat().st_size, **request.model_dump())
            except (FileNotFoundError, ValidationError, json.JSONDecodeError):
                pass  # it was finished, or its service died while it was begun
        raise NotFoundError(f"There is no unfinished upload {upload[:80]!r}. Begin a new one with POST /uploads.")

    async def append(self, upload: str, offset: int, request: Request) -> UploadState:
        """Append a request's body; the last byte finishes the upload. What has arrived stays, also if the client goes.

        Raises:
            NotFoundError: no such upload.
            ConflictError: `offset` is not where it broke off, or another request is adding to it.
            InputError: more bytes than were announced.
            ImageError: the finished file is not the announced one, or no image; it must be sent anew.
        """
        with self._claimed(upload):
            state = await run_in_threadpool(self.state, upload)
            if offset != state.offset:
                raise ConflictError(
                    f"The upload {upload} has {state.offset} bytes, but these would start at {offset}. Go on from "
                    f"{state.offset}."
                )
            part = self._paths(upload)[1]

            def write(blocks: list[bytes]) -> int:
                return self._write(part, state.size_bytes, blocks)

            await stream_body(request, write)
            return await asyncio.shield(run_in_threadpool(self._finish_if_whole, upload))

    def discard_abandoned(self) -> int:
        """Remove what nobody has added to for `ABANDONED_SECONDS` nor is adding to now; returns how many uploads."""
        before = time.time() - ABANDONED_SECONDS
        removed = 0
        for description in sorted((self._workspace.folder / "incoming").glob("*.upload.json")):
            upload = description.name.partition(".")[0]
            try:
                with self._claimed(upload):
                    part = self._paths(upload)[1]
                    if max(description.stat().st_mtime, part.stat().st_mtime) < before:
                        description.unlink()
                        part.unlink()
                        removed += 1
            except (ConflictError, FileNotFoundError):  # in use, or finished just now
                continue
        return removed

    @contextmanager
    def _claimed(self, upload: str) -> Iterator[None]:
        with self._busy_lock:
            if upload in self._busy:
                raise ConflictError(f"Another request is adding to the upload {upload}. Wait until it has ended.")
            self._busy.add(upload)
        try:
            yield
        finally:
            self._busy.discard(upload)

    def _write(self, part: Path, size: int, blocks: list[bytes]) -> int:
        count = sum(map(len, blocks))
        have = part.stat().st_size
        if have + count > size:
            raise InputError(f"The upload was announced with {size} bytes, and {have + count} came. Begin a new one.")
        with storage_errors(self._workspace.folder, count), part.open("ab") as stream:
            stream.writelines(blocks)
            stream.flush()
            os.fsync(stream.fileno())
        return count

    def _finish_if_whole(self, upload: str) -> UploadState:
        state = self.state(upload)
        if state.offset < state.size_bytes:
            return state
        description, part = self._paths(upload)
        found = sha256_of(part)
        try:
            if found != state.sha256:
                raise ImageError(
                    f"The {state.size_bytes} bytes that arrived have the SHA-256 {found}, not {state.sha256}. Send the "
                    "file again from its beginning."
                )
            file = self._uploads.keep(part, found, durable=True)
        finally:
            discard(part)
            discard(description)
        return state.model_copy(update={"file": file})

    def _paths(self, upload: str) -> tuple[Path, Path]:
        folder = self._workspace.folder / "incoming"
        return folder / f"{upload}.upload.json", folder / f"{upload}.upload.nrrd"
