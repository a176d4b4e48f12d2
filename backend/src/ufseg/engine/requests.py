"""What can be asked of the engine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ufseg.images.words import Author, Note
from ufseg.workspace.records import Loss

DEFAULT_BUDGET_SECONDS = 60.0


class TrainingRequest(BaseModel):
    """Train the next model version of a task on the newest label revision of every training case.

    Args:
        budget_seconds: time for the optimisation; the default is a minute.
        epochs: train for so many epochs instead.
        loss: a name of `ufseg.losses` and options; None takes the asymmetric Unified Focal loss.
        start: ``"promoted"`` goes on from the version in use (from scratch if there is none), ``"scratch"`` does not,
            and the id of a version of the task goes on from that one.
        seed: of every random choice.
        author: who asked.
        note: why.
    """

    model_config = ConfigDict(extra="forbid")

    budget_seconds: float | None = Field(default=None, gt=0, le=30 * 86400)
    epochs: int | None = Field(default=None, ge=1, le=1_000_000)
    loss: Loss | None = None
    start: str = Field(default="promoted", pattern=r"^(promoted|scratch|[0-9a-f]{16})$")
    seed: int = Field(default=0, ge=0, lt=2**31)
    author: Author = ""
    note: Note = ""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.budget_seconds is not None and self.epochs is not None:
            raise ValueError("give budget_seconds or epochs, not both")
        if self.budget_seconds is None and self.epochs is None:
            self.budget_seconds = DEFAULT_BUDGET_SECONDS
        return self


class PredictionRequest(BaseModel):
    """Segment a case with a model version; None takes the one in use."""

    model_config = ConfigDict(extra="forbid")

    case: str
    model_version: str | None = None
