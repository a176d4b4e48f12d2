"""The endpoints through which images and label maps come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ufseg.service.decoding import accepts_zstd, compressed
from ufseg.service.resuming import OFFSET_HEADER, Resumable, UploadRequest, UploadState
from ufseg.service.spool import Spool
from ufseg.service.uploads import CHECKSUM_HEADER, Uploads
from ufseg.workspace.records import FileRecord
from ufseg.workspace.workspace import Workspace

_BINARY = "application/octet-stream"
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {_BINARY: {}}}}
_LOOPBACK = {"127.0.0.1", "::1"}

Durable = Annotated[
    bool,
    Query(
        description="Answer when the file is on the disk. With false, as soon as it was checked: a case or revision "
        "that names it is still answered only after it is on the disk."
    ),
]


class Reference(BaseModel):
    """A file in the spool folder; its SHA-256 is checked where it is given."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=100)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class Lent(BaseModel):
    """The name of a file in the spool folder, and its path; whoever has read it removes it."""

    name: str
    path: str


class SpoolFolder(BaseModel):
    """Where files of this machine are handed over; None if this service has no such folder."""

    folder: str | None


def file_routes(workspace: Workspace, uploads: Uploads, resumable: Resumable, spool: Spool | None) -> APIRouter:
    """Images and label maps by the hash of their bytes."""
    router = APIRouter(tags=["files"])

    @router.post("/files", status_code=201, openapi_extra=_BODY, responses={415: {}})
    async def upload(
        request: Request,
        durable: Durable = True,
        _encoding: Annotated[str | None, Header(alias="Content-Encoding", description="zstd, or left out.")] = None,
        _sha256: Annotated[str | None, Header(alias=CHECKSUM_HEADER, description="To be compared with.")] = None,
    ) -> FileRecord:
        """Keep a raw NRRD file with its header attached, sent as the body."""
        return await uploads.receive(request, durable=durable)

    @router.get("/spool")
    def spool_folder() -> SpoolFolder:
        """The folder, private to the user who runs the service, for files by reference."""
        return SpoolFolder(folder=None if spool is None else str(spool.folder))

    @router.post("/files/by-reference", status_code=201)
    def take(body: Reference, durable: Durable = True) -> FileRecord:
        """Keep a raw NRRD file that a program of this machine has put into the spool folder; it moves."""
        return uploads.take(body.name, body.sha256, durable=durable)

    @router.post("/files/{sha256}/by-reference", status_code=201)
    def lend(sha256: str) -> Lent:
        """Put a copy of a file into the spool folder, for a program of this machine to read and remove."""
        name = uploads.lend(sha256)
        assert spool is not None  # or it had been refused
        return Lent(name=name, path=str(spool.folder / name))

    @router.get("/files/{sha256}", response_class=FileResponse)
    @router.head("/files/{sha256}", response_class=FileResponse)
    def download(sha256: str, request: Request) -> Response:
        """The bytes of a file; by zstd for another machine that accepts it."""
        uploads.arrivals.settle([sha256])
        path: Path = workspace.files.path(sha256)
        local = request.client is not None and request.client.host in _LOOPBACK
        if request.method == "GET" and accepts_zstd(request.headers.get("accept-encoding", ""), local=local):
            return StreamingResponse(
                compressed(path), media_type=_BINARY, headers={"Content-Encoding": "zstd", "Vary": "Accept-Encoding"}
            )
        return FileResponse(path, media_type=_BINARY)

    @router.post("/uploads", status_code=201)
    def begin_upload(body: UploadRequest) -> UploadState:
        """Begin an upload that can be resumed."""
        return resumable.begin(body)

    @router.get("/uploads/{upload}")
    def upload_state(upload: str) -> UploadState:
        """How many bytes of an unfinished upload have arrived: where to go on."""
        return resumable.state(upload)

    @router.patch("/uploads/{upload}", openapi_extra=_BODY)
    async def append(
        upload: str, request: Request, offset: Annotated[int, Header(alias=OFFSET_HEADER, ge=0)]
    ) -> UploadState:
        """Append the body from an offset on; the last byte finishes the upload and `file` is there."""
        return await resumable.append(upload, offset, request)

    return router
