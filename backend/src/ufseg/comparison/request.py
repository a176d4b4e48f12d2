"""What is compared, and how: all that every run has in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from ufseg.comparison.entrants import Entrant
from ufseg.comparison.files import read_bytes, write_text
from ufseg.errors import ConflictError, InputError, StorageError
from ufseg.images.class_table import ClassTable
from ufseg.plans.plan import Architecture, Modality
from ufseg.training.settings import ScheduleName

REQUEST_FILE = "comparison.json"


class ComparisonRequest(BaseModel):
    """A comparison, readable JSON.

    Args:
        dataset: its name.
        modality: of its images.
        channel_names: of its images.
        classes: its class table.
        training, test: ids of the cases.
        validation: ids of those that the schedule "paper" goes by; none under "one-cycle".
        split: who divided them.
        entrants: the losses.
        seeds: trainings of each loss, with the seeds 0, 1, …
        budget_seconds, epochs: of each training; exactly one is given.
        architecture, schedule: of every training.
        device: name of the device, since a time budget means something else on another one.
        sweep: whether the entrants are one loss with several γ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    dataset: str
    modality: Modality
    channel_names: tuple[str, ...]
    classes: ClassTable
    training: tuple[str, ...] = Field(min_length=1)
    test: tuple[str, ...] = Field(min_length=1)
    validation: tuple[str, ...] = ()
    split: str
    entrants: tuple[Entrant, ...] = Field(min_length=1)
    seeds: int = Field(ge=1)
    budget_seconds: float | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, ge=1)
    architecture: Architecture = "dynunet"
    schedule: ScheduleName = "one-cycle"
    device: str
    sweep: bool = False

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.budget_seconds is None) == (self.epochs is None):
            raise ValueError("give either budget_seconds or epochs")
        return self

    @property
    def runs(self) -> Iterator[tuple[int, Entrant]]:
        """Every training in its order: all losses with one seed before any with the next, so that an interrupted
        comparison is balanced."""
        return ((seed, entrant) for seed in range(self.seeds) for entrant in self.entrants)

    @property
    def effort(self) -> str:
        """How long each training is, in words."""
        return f"{self.budget_seconds:g} s" if self.budget_seconds else f"{self.epochs} epoch{'s' * (self.epochs != 1)}"


def begin(request: ComparisonRequest, output: Path, resume: bool) -> None:
    """Claim the output folder for a comparison.

    Resumed with other losses or more seeds, it does what is missing; all else must be as it was.

    Raises:
        InputError: the folder holds a comparison and `resume` is off, or holds none and it is on.
        ConflictError: what every run has in common differs.
        StorageError: the folder cannot be written or the comparison in it is damaged.
    """
    path = output / REQUEST_FILE
    if path.exists() and not resume:
        raise InputError(f"{output} holds a comparison already. Add --resume to go on with it, or name another folder.")
    if resume and not path.exists():
        raise InputError(f"There is no comparison to resume in {output}. Start without --resume.")
    if resume:
        _require_same(request, read_request(output), output)
    write_text(path, request.model_dump_json(indent=2) + "\n")


def read_request(output: Path) -> ComparisonRequest:
    """Read what `begin` wrote; raises StorageError."""
    path = output / REQUEST_FILE
    try:
        return ComparisonRequest.model_validate_json(read_bytes(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise StorageError(
            f"{path} is damaged or was written by a newer version: {'.'.join(map(str, first['loc']))}: {first['msg']}. "
            "Start in another folder."
        ) from error


def _require_same(request: ComparisonRequest, before: ComparisonRequest, output: Path) -> None:
    free = {"entrants", "seeds", "split"}
    differ = [
        name
        for name in type(request).model_fields
        if name not in free and getattr(request, name) != getattr(before, name)
    ]
    if differ:
        what = "; ".join(f"{n}: {_short(getattr(before, n))}, now {_short(getattr(request, n))}" for n in differ)
        raise ConflictError(
            f"The comparison in {output} was begun differently ({what}). Runs under other conditions cannot be "
            "compared: repeat the command as it was, or name another folder."
        )


def _short(value: object) -> str:
    return f"{len(value)} cases" if isinstance(value, tuple) and len(value) > 4 else str(value)
