"""Endpoints of jobs and model versions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from ufseg.engine.engine import Engine
from ufseg.engine.requests import PredictionRequest, TrainingRequest
from ufseg.errors import RefusedError
from ufseg.evaluation.rule import GateRule
from ufseg.service.events import EventStream, JobEvents
from ufseg.service.schemas import GateRuleRequest, PromotionRequest, RollbackRequest
from ufseg.service.watching import JobWatch
from ufseg.workspace.audit import current_actor
from ufseg.workspace.records import GateRuleChange, Job, ModelVersion, Promotion
from ufseg.workspace.workspace import Workspace

WaitSeconds = Annotated[float, Query(ge=0, le=60, description="Long poll: answer when the job has changed.")]
KnownVersion = Annotated[int | None, Query(description="The version known already; the present one if left out.")]

Newest = Annotated[int, Query(ge=0, le=10_000, description="So many, beside those that are unfinished.")]

LastEventId = Annotated[str | None, Header(description="The id of the last event that was received.")]
StreamSeconds = Annotated[float | None, Query(gt=0, le=86400, description="End the stream after so long.")]

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "Events named `job`, whose data is a job as `GET /jobs/{job}` answers it, and a comment every 15 s. "
            "Of changes in quick succession only the last is sent."
        ),
        "content": {
            EventStream.media_type: {
                "example": 'id: 5\nevent: job\ndata: {"id": "4f2a", "state": "running", "version": 5}\n\n',
            }
        },
    },
    204: {"description": "The job has ended and its last event was received; do not connect again."},
}


def job_routes(engine: Engine) -> APIRouter:
    """Training and prediction."""
    router = APIRouter(tags=["jobs"])
    watch = JobWatch(engine)
    events = JobEvents(engine)

    @router.post("/tasks/{task}/predictions", status_code=202)
    def predict(task: str, body: PredictionRequest) -> Job:
        """Segment a case with the model in use, or with a given version."""
        return engine.submit_prediction(task, body)

    @router.post("/tasks/{task}/trainings", status_code=202)
    def train(task: str, body: TrainingRequest) -> Job:
        """Train the next model version; the gate decides whether it comes into use."""
        return engine.submit_training(task, body)

    @router.get("/jobs")
    def jobs(task: str | None = None, newest: Newest = 1000) -> list[Job]:
        """The newest jobs and all unfinished ones, perhaps of one task only; oldest first."""
        return engine.jobs(task, newest)

    @router.get("/jobs/{job}")
    async def job(job: str, wait: WaitSeconds = 0, after: KnownVersion = None) -> Job:
        """One job, at once or when it has changed."""
        return await watch.job(job, wait, after)

    @router.get("/jobs/{job}/events", response_class=EventStream, responses=STREAM)
    async def job_events(job: str, last_event_id: LastEventId = None) -> Response:
        """Server-sent events: the job now and after each change, until it has ended."""
        return await events.of_job(job, last_event_id)

    @router.get("/events", response_class=EventStream, responses=STREAM)
    async def all_events(last_event_id: LastEventId = None, seconds: StreamSeconds = None) -> Response:
        """Server-sent events: every unfinished job now, and every job after each change."""
        return events.of_all(last_event_id, seconds)

    @router.post("/jobs/{job}/cancel")
    def cancel(job: str) -> Job:
        """Stop a job; one that has ended stays as it is. Trainings are stopped by maintainers only."""
        if engine.job(job).kind == "training" and current_actor().role != "maintainer":
            raise RefusedError("A training is stopped by a maintainer only. Ask one.")
        return engine.cancel(job)

    return router


def model_routes(workspace: Workspace) -> APIRouter:
    """Model versions and which of them is in use."""
    router = APIRouter(tags=["models"])

    @router.get("/tasks/{task}/models")
    def models(task: str) -> list[ModelVersion]:
        """The versions of a task, oldest first."""
        return workspace.models.of_task(task)

    @router.get("/models/{model}")
    def model(model: str) -> ModelVersion:
        """One version."""
        return workspace.models.get(model)

    @router.get("/tasks/{task}/promotions")
    def promotions(task: str) -> list[Promotion]:
        """The log of promotions, oldest first; the newest entry is in use."""
        return workspace.models.promotions(task)

    @router.post("/tasks/{task}/promotions", status_code=201)
    def promote(task: str, body: PromotionRequest) -> Promotion:
        """Put a version into use."""
        return workspace.models.promote(task, body.model_version, body.reason, body.author)

    @router.get("/tasks/{task}/gate")
    def gate(task: str) -> GateRule:
        """The rule by which the task's gate decides now."""
        return workspace.gate_rules.of_task(task)

    @router.get("/tasks/{task}/gate/changes")
    def gate_changes(task: str) -> list[GateRuleChange]:
        """Every change of the rule, oldest first; empty while the default counts."""
        return workspace.gate_rules.changes(task)

    @router.post("/tasks/{task}/gate", status_code=201)
    def change_gate(task: str, body: GateRuleRequest) -> GateRuleChange:
        """Let another rule count from the next training on."""
        return workspace.gate_rules.change(task, body.rule(), body.author, body.note)

    @router.post("/tasks/{task}/rollback", status_code=201)
    def rollback(task: str, body: RollbackRequest) -> Promotion:
        """Put the version that was in use before into use again."""
        return workspace.models.rollback(task, body.reason, body.author)

    return router
