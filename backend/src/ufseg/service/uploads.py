"""Taking a file from the network into the workspace."""

from __future__ import annotations

import functools
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from ufseg.errors import ImageError
from ufseg.service.nrrd_header import check_nrrd
from ufseg.workspace.disk import require_free, storage_errors
from ufseg.workspace.records import FileRecord
from ufseg.workspace.workspace import Workspace

_BLOCK = 4 << 20


async def receive_file(request: Request, workspace: Workspace) -> FileRecord:
    """Stream a request's body into a file, check it and keep it.

    Raises:
        ImageError: it is no raw NRRD image of finite values.
        StorageError: the disk has no room for it; said before anything is read where the size is known.
    """
    announced = int(request.headers.get("content-length", "0"))
    await run_in_threadpool(require_free, workspace.folder, announced)
    path = workspace.files.temporary()
    try:
        received = await _receive(request, path, workspace.folder)
        if received == 0:
            raise ImageError("The request has no body. Send the bytes of a raw NRRD file.")
        await run_in_threadpool(check_nrrd, path)
        return await run_in_threadpool(workspace.files.add_file, path)
    except ClientDisconnect as error:
        raise ImageError("The connection ended before the whole file had arrived. Send it again.") from error
    finally:
        await run_in_threadpool(functools.partial(path.unlink, missing_ok=True))


async def _receive(request: Request, path: Path, folder: Path) -> int:
    received = 0
    block = bytearray()
    async for chunk in request.stream():
        block += chunk
        if len(block) >= _BLOCK:
            received += await run_in_threadpool(_append, path, bytes(block), folder)
            block.clear()
    return received + await run_in_threadpool(_append, path, bytes(block), folder)


def _append(path: Path, block: bytes, folder: Path) -> int:
    with storage_errors(folder, len(block)), path.open("ab") as stream:
        return stream.write(block)
