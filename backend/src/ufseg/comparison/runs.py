"""Finished runs: one training and its scores, kept so that an interrupted comparison repeats none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ufseg.comparison.entrants import Entrant
from ufseg.comparison.files import read_bytes, write_text
from ufseg.comparison.request import ComparisonRequest
from ufseg.errors import ConflictError, StorageError
from ufseg.evaluation.case_scores import ClassScores

RUN_FILE = "run.json"


class Run(BaseModel):
    """One training of one loss.

    Args:
        entrant: the loss.
        seed: of everything random.
        steps, seconds: of the optimisation; 0 if it failed.
        scores: test case → class → scores; empty if it failed.
        failure: why there is no model, or None.
        notes: what the training had to say, such as a smaller batch for lack of memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    entrant: Entrant
    seed: int
    steps: int
    seconds: float
    scores: dict[str, dict[str, ClassScores]]
    failure: str | None = None
    notes: list[str] = []


@dataclass(frozen=True)
class RunStore:
    """The runs of a comparison, each in a folder ``runs/LOSS/seed-0`` with ``run.json`` and the model.

    Args:
        output: of the comparison.
    """

    output: Path

    def folder(self, entrant: Entrant, seed: int) -> Path:
        """Where a run lies."""
        return self.output / "runs" / entrant.folder / f"seed-{seed}"

    def find(self, entrant: Entrant, seed: int) -> Run | None:
        """A finished run, None if it is not there.

        Raises:
            StorageError: it is damaged.
            ConflictError: the loss had other options then.
        """
        path = self.folder(entrant, seed) / RUN_FILE
        if not path.exists():
            return None
        try:
            run = Run.model_validate_json(read_bytes(path))
        except ValidationError as error:
            raise StorageError(
                f"{path} is damaged: {error.errors()[0]['msg']}. Remove it to repeat this run."
            ) from error
        if run.entrant != entrant:
            raise ConflictError(
                f"{path} was trained with {run.entrant.loss} {run.entrant.options}, but now {entrant.label} means "
                f"{entrant.options}. Remove it, or name another folder."
            )
        return run

    def write(self, run: Run) -> None:
        """Keep a finished run; raises StorageError."""
        write_text(self.folder(run.entrant, run.seed) / RUN_FILE, run.model_dump_json() + "\n")

    def finished(self, request: ComparisonRequest) -> list[Run]:
        """The runs of the seeds that every loss has finished."""
        complete: list[Run] = []
        for seed in range(request.seeds):
            found = [self.find(entrant, seed) for entrant in request.entrants]
            if any(run is None for run in found):
                break
            complete += [run for run in found if run is not None]
        return complete
