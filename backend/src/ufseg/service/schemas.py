"""Bodies of requests and answers that are not records of the workspace."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ufseg.evaluation.rule import GateRule
from ufseg.images.class_table import BACKGROUND, ClassEntry, ClassTable
from ufseg.images.words import Author, Name, Note
from ufseg.plans.plan import Modality
from ufseg.workspace.tasks import DEFAULT_VALIDATION_FRACTION


class Body(BaseModel):
    """Base of request bodies: what is not known is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid")


class TaskRequest(Body):
    """A new task."""

    name: Name
    modality: Modality
    channels: list[Name] = Field(min_length=1, max_length=16)
    classes: list[ClassEntry] = Field(min_length=1)
    validation_fraction: float = Field(default=DEFAULT_VALIDATION_FRACTION, ge=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.table()
        return self

    def table(self) -> ClassTable:
        """The classes as a table."""
        return ClassTable(entries=tuple(self.classes))


class ClassRequest(Body):
    """A class to add; without a value it gets the lowest one above all others."""

    name: Name
    value: int | None = Field(default=None, ge=1, le=255)
    color: tuple[int, int, int] | None = None
    terminology: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name.lower() == BACKGROUND:
            raise ValueError("background is always value 0 and must not be added")
        return self


class CaseRequest(Body):
    """A new case of uploaded image files, in the order of the task's channels."""

    name: Name
    subject: Name
    images: list[str] = Field(min_length=1, max_length=16)


class RestoreRequest(Body):
    """An earlier revision to be put back."""

    revision: str
    author: Author = Field(min_length=1)
    note: Note = ""


class GateRuleRequest(GateRule):
    """A rule for a task's gate; what is left out gets its default."""

    author: Author = Field(min_length=1)
    note: Note = Field(default="", max_length=2000)

    def rule(self) -> GateRule:
        """The rule alone."""
        return GateRule.model_validate(self.model_dump(exclude={"author", "note"}))


class PromotionRequest(Body):
    """A model version to put into use."""

    model_version: str
    reason: Note = Field(default="", max_length=2000)
    author: Author = ""


class RollbackRequest(Body):
    """Take the newest promotion back."""

    reason: Note = Field(default="", max_length=2000)
    author: Author = ""


class DeviceAnswer(BaseModel):
    """The computing device."""

    name: str
    kind: str
    note: str | None = None


class Health(BaseModel):
    """That the service lives; `device` is null until a worker has tried it."""

    status: str
    version: str
    device: DeviceAnswer | None
    running_jobs: int


class ErrorDetail(BaseModel):
    """The error's class and a sentence for people."""

    type: str
    message: str


class ErrorAnswer(BaseModel):
    """Every answer with a status of 400 or above."""

    error: ErrorDetail


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": text}
    for status, text in {
        401: "The token is missing or wrong.",
        403: "The token's role does not allow this.",
        404: "Nothing has this id.",
        409: "The request contradicts the present state.",
        413: "The body is too large.",
        421: "The Host header is not this service's address.",
        422: "The request or a file in it cannot be used.",
        429: "Too much is waiting; try again after the seconds in the header Retry-After.",
        503: "The computing device cannot be used.",
        507: "The workspace's disk is full or cannot be written.",
    }.items()
}
