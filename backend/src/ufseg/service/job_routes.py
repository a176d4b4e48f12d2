"""Endpoints of jobs and model versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ufseg.engine.engine import Engine
from ufseg.engine.requests import PredictionRequest, TrainingRequest
from ufseg.service.schemas import PromotionRequest, RollbackRequest
from ufseg.service.watching import JobWatch
from ufseg.workspace.records import Job, ModelVersion, Promotion
from ufseg.workspace.workspace import Workspace

WaitSeconds = Annotated[float, Query(ge=0, le=60, description="Long poll: answer when the job has changed.")]
KnownVersion = Annotated[int | None, Query(description="The version known already; the present one if left out.")]


def job_routes(engine: Engine) -> APIRouter:
    """Training and prediction."""
    router = APIRouter(tags=["jobs"])
    watch = JobWatch(engine)

    @router.post("/tasks/{task}/predictions", status_code=202)
    def predict(task: str, body: PredictionRequest) -> Job:
        """Segment a case with the model in use, or with a given version."""
        return engine.submit_prediction(task, body)

    @router.post("/tasks/{task}/trainings", status_code=202)
    def train(task: str, body: TrainingRequest) -> Job:
        """Train the next model version; the gate decides whether it comes into use."""
        return engine.submit_training(task, body)

    @router.get("/jobs")
    def jobs(task: str | None = None) -> list[Job]:
        """All jobs, or those of a task, oldest first."""
        return engine.jobs(task)

    @router.get("/jobs/{job}")
    async def job(job: str, wait: WaitSeconds = 0, after: KnownVersion = None) -> Job:
        """One job, at once or when it has changed."""
        return await watch.job(job, wait, after)

    @router.post("/jobs/{job}/cancel")
    def cancel(job: str) -> Job:
        """Stop a job; one that has ended stays as it is."""
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

    @router.post("/tasks/{task}/rollback", status_code=201)
    def rollback(task: str, body: RollbackRequest) -> Promotion:
        """Put the version that was in use before into use again."""
        return workspace.models.rollback(task, body.reason, body.author)

    return router
