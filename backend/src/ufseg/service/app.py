"""The application: endpoints, error answers and access control put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from ufseg._version import __version__
from ufseg.engine.engine import Engine
from ufseg.service.access import Access
from ufseg.service.audit_routes import audit_routes
from ufseg.service.failures import install
from ufseg.service.file_routes import file_routes
from ufseg.service.finished_routes import finished_routes
from ufseg.service.job_routes import job_routes, model_routes
from ufseg.service.keys import Keys
from ufseg.service.metrics import RequestMetrics, new_registry
from ufseg.service.observation import Observation
from ufseg.service.openapi import document
from ufseg.service.resuming import Resumable
from ufseg.service.routes import case_routes, health_routes, task_routes
from ufseg.service.schemas import ERRORS
from ufseg.service.spool import Spool
from ufseg.service.uploads import Uploads
from ufseg.workspace.workspace import Workspace

MAX_FILE_BYTES = 8 << 30


def create_app(
    workspace: Workspace,
    engine: Engine,
    token: str,
    hosts: Collection[str],
    max_file_bytes: int = MAX_FILE_BYTES,
    model_folders: Sequence[Path] = (),
    spool: Spool | None = None,
    asked: Callable[[], None] | None = None,
    resumable: Resumable | None = None,
) -> ASGIApp:
    """The service as an ASGI application.

    Args:
        workspace: open workspace.
        engine: runs its jobs.
        token: a maintainer's; requests must carry it, or one of the workspace's tokens.
        hosts: the addresses (with port) under which the service may be spoken to.
        max_file_bytes: largest file that may be uploaded.
        model_folders: where finished models are looked for, beside the usual places.
        spool: where programs of this machine hand over files; None if only the network may.
        asked: called at each request with a valid token.
        resumable: takes uploads in parts; made if None.
    """
    app = FastAPI(
        title="UnifiedFocalSeg",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=ERRORS,
        # The check itself comes before routing, in `Access`; this documents it.
        dependencies=[Depends(HTTPBearer(auto_error=False))],
    )
    install(app)
    registry = new_registry(workspace, engine)
    resumable = resumable or Resumable(workspace, Uploads(workspace, spool, max_file_bytes), max_file_bytes)
    uploads = resumable.uploads
    routers = (
        health_routes(engine),
        file_routes(workspace, uploads, resumable, spool),
        task_routes(workspace),
        case_routes(workspace, uploads.arrivals),
        job_routes(engine),
        finished_routes(workspace, model_folders),  # before the others: no version's id is "available"
        model_routes(workspace),
        audit_routes(workspace, registry),
    )
    for router in routers:
        app.include_router(router)
    document(app)
    protected = Access(app, Keys(token, workspace.tokens), hosts, max_file_bytes)
    return Observation(protected, RequestMetrics(registry), asked)
