"""What a workspace holds, as immutable records; the service sends them as they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ufseg.evaluation.rule import GateRule
from ufseg.images.case_files import Region
from ufseg.images.class_table import ClassEntry, ClassTable
from ufseg.images.geometry import Geometry
from ufseg.plans.plan import Modality, Plan

Membership = Literal["training", "validation"]
SubmittedOrigin = Literal["manual", "corrected", "imported"]
Origin = Literal["manual", "corrected", "imported", "restored"]
VersionStatus = Literal["promoted", "candidate", "retired"]
VersionOrigin = Literal["trained", "installed"]
Role = Literal["annotator", "maintainer", "metrics"]
AuditAction = Literal[
    "task created",
    "class added",
    "case added",
    "label submitted",
    "label restored",
    "training requested",
    "prediction requested",
    "cancellation requested",
    "cases exported",
    "version kept",
    "version promoted",
    "promotion rolled back",
    "gate rule changed",
    "model installed",
    "token added",
    "token revoked",
    "database rebuilt",
    "protection restored",
    "records restored",
    "file set aside",
    "file restored",
    "file record restored",
    "model folder set aside",
]
JobKind = Literal["training", "prediction"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]

FINAL_STATES: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled", "interrupted"})


class Record(BaseModel):
    """Base of all records."""

    # Without its input, which has names, for an error of it comes into the log.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class FileRecord(Record):
    """A content-addressed file that holds an image or a label map.

    Args:
        sha256: hex digest of the file's bytes, also its name.
        size_bytes: length of the file.
        channels: values per voxel.
        dtype: numpy's name of the voxel type.
        geometry: the grid.
    """

    sha256: str
    size_bytes: int
    channels: int
    dtype: str
    geometry: Geometry


class CaseCounts(Record):
    """Cases of a task: all of them, those in either set, and those without a label so far."""

    total: int = 0
    training: int = 0
    validation: int = 0
    unlabelled: int = 0


class Task(Record):
    """What is segmented. `promoted` is the id of the model version in use, None before the first."""

    id: str
    name: str
    modality: Modality
    channels: tuple[str, ...]
    classes: tuple[ClassEntry, ...]
    validation_fraction: float
    promoted: str | None
    cases: CaseCounts
    created: datetime

    @property
    def class_table(self) -> ClassTable:
        """The classes as a table."""
        return ClassTable(entries=self.classes)


class Case(Record):
    """One study. `images` are file hashes in channel order; `revisions` counts its label revisions."""

    id: str
    task: str
    name: str
    subject: str
    images: tuple[str, ...]
    geometry: Geometry
    membership: Membership | None
    revisions: int
    created: datetime


class LabelRevision(Record):
    """One saved label map of a case, never changed.

    Args:
        number: 1, 2, … within the case.
        label: hash of the stored label map, whose voxels are the task's class values.
        classes: names that the label map may hold, with the task's values.
        origin: drawn by hand, a corrected prediction, brought in from elsewhere, or an earlier revision put back.
        region: the box that was annotated, None for everywhere.
        parent: the revision this one was made from; of a restored one, the newest before it.
        model_version: the version whose prediction was corrected.
        restored_from: the revision that was put back, only of a restored one.
    """

    id: str
    case: str
    number: int
    label: str
    classes: dict[str, int]
    author: str
    note: str
    origin: Origin
    parent: str | None
    model_version: str | None
    region: Region | None
    restored_from: str | None = None
    created: datetime


class ClassChange(Record):
    """One class in two revisions of a case.

    Args:
        voxels: in the later one.
        before: in the earlier one.
        added: in the later one only.
        removed: in the earlier one only.
        dice: of the two; None where neither has the class.
    """

    voxels: int
    before: int
    added: int
    removed: int
    dice: float | None


class RevisionDiff(Record):
    """What one revision of a case changed in another.

    Args:
        revision: the later one.
        against: the earlier one; None if there is none, and all of `revision` is new.
        changed: voxels whose class differs.
        region: the smallest box that holds them, None if there are none.
        per_class: every class of the task by its name.
    """

    revision: str
    against: str | None
    changed: int
    region: Region | None
    per_class: dict[str, ClassChange]


class Loss(Record):
    """A loss by name and its options."""

    name: str
    options: dict[str, float] = Field(default_factory=dict)


class Scores(Record):
    """Whole-volume Dice and surface Dice on frozen validation cases; None where no case counts.

    The surface's are None, and empty, in versions from before ufseg measured them.
    """

    cases: int
    mean: float | None
    per_class: dict[str, float | None]
    surface_mean: float | None = None
    surface_per_class: dict[str, float | None] = Field(default_factory=dict)


class PublishedScores(Record):
    """Dice that came with an installed model, of cases that are not in the workspace; None where nothing came.

    Never compared with scores of the task's own validation cases.
    """

    cases: int | None
    mean: float | None
    per_class: dict[str, float | None]


class VersionScores(Record):
    """Scores of a model version by set of cases; `published` only, and always, of an installed one."""

    validation: Scores | None = None
    published: PublishedScores | None = None


class ModelVersion(Record):
    """Weights, plan and class table, what they were trained on and how they scored. Never changed.

    Args:
        number: 1, 2, … within the task.
        parent: the version whose weights training started from, None when from scratch.
        weights: hash of the safetensors file.
        description: hash of the model.json file.
        trained_on: ids of label revisions; none of an installed version, which was trained elsewhere.
        origin: trained in this workspace, or installed as a finished model.
        gate: the decision taken when it was made, None where none was taken.
        status: promoted = in use now, retired = was in use before, candidate = never was.
        job: the training that made it, None where none is known.
    """

    id: str
    task: str
    number: int
    parent: str | None
    weights: str
    description: str
    plan: Plan
    classes: tuple[ClassEntry, ...]
    trained_on: tuple[str, ...]
    origin: VersionOrigin
    loss: Loss
    scores: VersionScores
    gate: dict[str, Any] | None
    notes: tuple[str, ...]
    author: str
    note: str
    status: VersionStatus
    created: datetime
    job: str | None = None


class Promotion(Record):
    """One entry of the log that says which version is in use; the newest entry of a task counts.

    Args:
        rollback: whether the entry takes the promotion before it back.
    """

    id: int
    task: str
    model_version: str
    reason: str
    author: str
    rollback: bool
    created: datetime


class GateRuleChange(Record):
    """One entry of the log of a task's gate rules; the newest counts, and without any the default rule does."""

    id: int
    task: str
    rule: GateRule
    author: str
    note: str
    created: datetime


class JobProgress(Record):
    """Where a job is: `fraction` 0 to 1, a few words, expected seconds left, newest points of curves."""

    fraction: float = 0.0
    stage: str = "waiting"
    eta_seconds: float | None = None
    scalars: dict[str, float] = Field(default_factory=dict)


class JobError(Record):
    """Why a job did not succeed: the error's class and a sentence."""

    type: str
    message: str


class Job(Record):
    """Training or prediction under way or done.

    Args:
        version: grows with every change, for long polls.
        resumes: of an interrupted one: it goes on by itself when the service starts again.
        interruptions: how often in a row it was interrupted without having come further.
        resumed_from: step of the checkpoint from which a training went on, None if it began anew.
        notes: what happened to it on its way, in sentences.
    """

    id: str
    task: str
    kind: JobKind
    state: JobState
    progress: JobProgress
    request: dict[str, Any]
    result: dict[str, Any] | None
    error: JobError | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    version: int
    resumes: bool = False
    interruptions: int = 0
    resumed_from: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether nothing about the job will change any more."""
        return self.state in FINAL_STATES


class AuditEntry(Record):
    """Who did what.

    Args:
        id: number in the order of the log.
        action: what was done.
        subject: id of what it was done to: task, case, revision, model version, job, token, stored file or workspace.
        task: id of its task.
        author: whom the actor named as author; empty where nobody was named.
        actor: name of the access token, ``local:LOGIN`` of a command, or ``gate``.
        role: of the actor.
        request: id of the request, which the service's log has too.
        created: when.
    """

    id: int
    action: AuditAction
    subject: str
    task: str | None
    author: str
    actor: str
    role: str
    request: str | None
    created: datetime


class AccessToken(Record):
    """An access token, without the token itself."""

    id: str
    name: str
    role: Role
    created: datetime
    revoked: datetime | None
