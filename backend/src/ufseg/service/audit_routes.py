"""Endpoints for those who look after the service: audit log and metrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from prometheus_client import CollectorRegistry

from ufseg.service import metrics
from ufseg.workspace.records import AuditEntry
from ufseg.workspace.workspace import Workspace

After = Annotated[int, Query(ge=0, lt=2**31, description="Number of the last entry known already.")]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many entries.")]


def audit_routes(workspace: Workspace, registry: CollectorRegistry) -> APIRouter:
    """Who did what, and how the service is."""
    router = APIRouter(tags=["administration"])

    @router.get("/audit")
    def audit(after: After = 0, limit: Limit = 1000) -> list[AuditEntry]:
        """The audit log, oldest entry first: who labelled, predicted, trained, promoted, installed, made tokens."""
        return workspace.audit.entries(after, limit)

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}}}},
    )
    def numbers() -> Response:
        """The service in numbers, in Prometheus' text format."""
        return Response(metrics.text(registry), headers={"Content-Type": metrics.CONTENT_TYPE})

    return router


_EXAMPLE = 'ufseg_requests_total{method="GET",route="/tasks",status="200"} 12.0\n'
