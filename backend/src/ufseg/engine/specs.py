"""What a worker is given for a job and what it gives back; self-contained, so that it needs no database."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.plans.plan import Architecture, Modality, PatientAxis, Plan
from ufseg.training.settings import ScheduleName
from ufseg.workspace.records import JobKind, Loss


class Spec(BaseModel):
    """Base of specifications and outcomes."""

    # Without its input in errors, which has names of tasks and models, for they come into the worker's log.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TrainingSpec(Spec):
    """A training.

    Args:
        name: of the model, for people.
        task: name of the task.
        training: labelled cases to learn from; ``CaseFiles.id`` is the case's id.
        validation: labelled cases to score on, never learned from.
        revisions: ids of the label revisions of `training`.
        promoted: folder of the version in use, to be scored beside the candidate; None if there is none.
        continue_from_promoted: start from its weights and keep its plan.
        initial: folder of another version from whose weights to start, keeping its plan; None if there is none.
        output: folder that the model is written to.
        checkpoint: file that the state of the training is written to now and then, or None.
        checkpoint_seconds: time between two checkpoints.
        resume: go on from `checkpoint`; "if possible": begin anew, with a note, where it cannot be used.
        prepared: folder where prepared cases are kept if they are too large for the memory; whoever made the
            specification removes it.
        new_cases: ids of the cases whose newest label the promoted version has not seen; they are sampled more often.
        schedule: of the learning rate.
        deep_supervision: whether the loss also judges coarser levels.
        mirror: axes along which patches are mirrored at random; a version that is continued keeps its own as well.
        plan: take this plan instead of making one; it must fit the data.
        architecture, dimension, memory_gb: of the plan to be made; None leaves the choice to the data and the device.
        dataset: name of the data set, by which the paper's settings are found.
        skip_unreadable: leave out cases that cannot be read, and name them in the notes.
    """

    name: str
    task: str
    modality: Modality
    channels: tuple[str, ...]
    classes: ClassTable
    training: tuple[CaseFiles, ...] = Field(min_length=1)
    validation: tuple[CaseFiles, ...]
    revisions: tuple[str, ...]
    promoted: Path | None
    continue_from_promoted: bool
    loss: Loss | None
    budget_seconds: float | None
    epochs: int | None
    seed: int
    output: Path
    checkpoint: Path | None = None
    checkpoint_seconds: float = 60.0
    resume: bool | Literal["if possible"] = False
    prepared: Path | None = None
    initial: Path | None = None
    new_cases: tuple[str, ...] = ()
    schedule: ScheduleName = "one-cycle"
    deep_supervision: bool = True
    mirror: tuple[PatientAxis, ...] = ()
    plan: Plan | None = None
    architecture: Architecture = "dynunet"
    dimension: Literal[2, 3] | None = None
    memory_gb: float | None = None
    dataset: str | None = None
    skip_unreadable: bool = False


class TrainingOutcome(Spec):
    """What a training found.

    Args:
        loss: what it was trained with.
        history: the training curve: step, seconds, loss, learning_rate, perhaps validation_loss.
        candidate_scores: case id → class → Dice of the new model; None where a class is not counted.
        promoted_scores: the same of the version in use, or None if there is none.
        candidate_surface, promoted_surface: the same of surface Dice.
        seconds: by step: prepare, train, score.
        continued: whether it started from the promoted version's weights.
        notes: what the person should know, in sentences.
    """

    loss: Loss
    history: list[dict[str, float]]
    candidate_scores: dict[str, dict[str, float | None]]
    promoted_scores: dict[str, dict[str, float | None]] | None
    candidate_surface: dict[str, dict[str, float | None]]
    promoted_surface: dict[str, dict[str, float | None]] | None
    seconds: dict[str, float]
    continued: bool
    notes: list[str]


class PredictionSpec(Spec):
    """A prediction.

    Args:
        images: one file per channel.
        model: folder of the model version.
        model_version: its id, under which a worker keeps the loaded network.
        output: NRRD file that the label map is written to.
    """

    images: tuple[Path, ...]
    model: Path
    model_version: str
    output: Path


class PredictionOutcome(Spec):
    """What a prediction took, in seconds by step: load (the model), read, predict, write."""

    seconds: dict[str, float]


class RunMessage(Spec):
    """Run a job of this kind with this specification."""

    job: str
    kind: JobKind
    spec: dict[str, Any]


class ServiceMessage(Spec):
    """To the worker: `run` a job, or `cancel` the job of this id at its next step."""

    run: RunMessage | None = None
    cancel: str | None = None


class WorkerMessage(Spec):
    """From the worker; exactly one of the fields beside `job` and `last` is set.

    Args:
        job: the job it is about; None for `ready`.
        ready: the device, once when the worker can take jobs.
        progress: fraction, stage, eta_seconds, scalars.
        outcome: the job is done.
        error: type and message: the job ended without success.
        last: the worker takes no more jobs and ends.
    """

    job: str | None = None
    ready: dict[str, Any] | None = None
    progress: dict[str, Any] | None = None
    outcome: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    last: bool = False
