"""Endpoints of finished models that can be installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from ufseg.images.class_table import ClassEntry
from ufseg.images.words import Author, Name
from ufseg.networks.available import AvailableModel, available_models, find_model
from ufseg.plans.plan import Modality
from ufseg.service.schemas import Body
from ufseg.workspace.installing import install_model, published_scores
from ufseg.workspace.records import ModelVersion, PublishedScores, Task
from ufseg.workspace.workspace import Workspace


class InstallRequest(Body):
    """A model to install.

    Args:
        name: one of `GET /models/available`; never a path.
        task: name of the task; the model's own if left out.
        author: who installs it.
    """

    name: str = Field(min_length=1, max_length=100)
    task: Name | None = None
    author: Author = ""


class AvailableAnswer(BaseModel):
    """A model that can be installed. `summary` and `licence` are null where it has no card."""

    name: str
    task: str
    modality: Modality
    channels: list[str]
    classes: tuple[ClassEntry, ...]
    summary: str | None
    licence: str | None
    scores: PublishedScores
    size_bytes: int


class AvailableAnswers(BaseModel):
    """The models that can be installed, and a sentence for each that cannot be read."""

    models: list[AvailableAnswer]
    problems: list[str]


class InstalledAnswer(BaseModel):
    """What an installation did; `new` is false where the task had the model already."""

    task: Task
    model_version: ModelVersion
    new: bool
    message: str


def finished_routes(workspace: Workspace, folders: Sequence[Path]) -> APIRouter:
    """Finished models.

    Args:
        workspace: open workspace.
        folders: of model folders, beside those that `ufseg.networks.available` looks through anyway.
    """
    router = APIRouter(tags=["models"])

    @router.get("/models/available")
    def available() -> AvailableAnswers:
        """The finished models that can be installed by name."""
        models, problems = available_models(folders)
        return AvailableAnswers(models=[_answer(model) for model in models], problems=problems)

    @router.post("/models/install", status_code=201, responses={200: {"model": InstalledAnswer}})
    def install(body: InstallRequest, response: Response) -> InstalledAnswer:
        """Make a task of a finished model, ready to segment; status 200 if it is there already."""
        folder = find_model(body.name, folders).folder
        done = install_model(workspace, folder, task_name=body.task, author=body.author)
        response.status_code = 201 if done.new else 200
        return InstalledAnswer(task=done.task, model_version=done.version, new=done.new, message=done.sentence)

    return router


def _answer(model: AvailableModel) -> AvailableAnswer:
    description = model.description
    facts = description.card.facts if description.card else None
    return AvailableAnswer(
        name=model.name,
        task=description.task,
        modality=description.plan.modality,
        channels=description.channel_names,
        classes=description.classes.entries,
        summary=facts.summary if facts else None,
        licence=facts.licence if facts else None,
        scores=published_scores(description),
        size_bytes=model.size_bytes,
    )
