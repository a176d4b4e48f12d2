"""Trainings on the service's side: what goes into one, and keeping what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ufseg.engine.requests import TrainingRequest
from ufseg.engine.specs import TrainingOutcome, TrainingSpec
from ufseg.errors import ConflictError
from ufseg.evaluation.summary import summarise
from ufseg.images.case_files import CaseFiles
from ufseg.networks.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE, read_description
from ufseg.workspace.models import NewVersion
from ufseg.workspace.records import Job, LabelRevision, ModelVersion, Scores, Task, VersionScores
from ufseg.workspace.workspace import Workspace

if TYPE_CHECKING:
    from ufseg.evaluation.gate import GateDecision


def require_training_cases(workspace: Workspace, task_id: str) -> list[LabelRevision]:
    """The newest label revisions of a task's training cases.

    Raises:
        NotFoundError: no such task.
        ConflictError: there are none.
    """
    task = workspace.tasks.get(task_id)
    revisions = workspace.revisions.latest(task_id, "training")
    if not revisions:
        raise ConflictError(
            f"The task {task.name!r} has no labelled training case: of its {task.cases.total} cases "
            f"{task.cases.validation} are labelled and kept for validation, {task.cases.unlabelled} have no label. "
            "Label cases of other subjects first."
        )
    return revisions


class Training:
    """One training job.

    Args:
        workspace: where its cases are and its model goes.
        job: the job.
    """

    def __init__(self, workspace: Workspace, job: Job) -> None:
        self._workspace = workspace
        self._job = job
        self._request = TrainingRequest.model_validate(job.request)
        self._model = workspace.job_folder(job.id) / "model"
        self._notes: list[str] = []
        self._task: Task | None = None
        self._revisions: list[LabelRevision] = []
        self._promoted: ModelVersion | None = None

    def prepare(self) -> dict[str, Any]:
        """The worker's specification, from the workspace as it is now."""
        workspace = self._workspace
        self._task = task = workspace.tasks.get(self._job.task)
        self._revisions = require_training_cases(workspace, task.id)
        self._promoted = promoted = workspace.models.promoted(task.id)
        self._model.parent.mkdir(parents=True, exist_ok=True)
        return TrainingSpec(
            name=task.name,
            task=task.name,
            modality=task.modality,
            channels=task.channels,
            classes=task.class_table,
            training=self._files(self._revisions),
            validation=self._files(workspace.revisions.latest(task.id, "validation")),
            revisions=tuple(r.id for r in self._revisions),
            promoted=None if promoted is None else workspace.model_folder(promoted.id),
            continue_from_promoted=self._continues(task, promoted),
            loss=self._request.loss,
            budget_seconds=self._request.budget_seconds,
            epochs=self._request.epochs,
            seed=self._request.seed,
            output=self._model,
            prepared=self._model.with_name("prepared"),
            new_cases=self._new_cases(promoted),
        ).model_dump(mode="json")

    def finish(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """Keep the model, let the gate decide, promote or not; returns the job's result.

        Raises:
            StorageError: the disk is full; no version is kept then.
        """
        from ufseg.evaluation.gate import decide  # brings scipy, which would double the service's start

        found = TrainingOutcome.model_validate(outcome)
        decision = decide(found.promoted_scores, found.candidate_scores)
        version, promoted = self._keep(found, decision)
        if decision.outcome == "promote" and not promoted:
            self._notes.append(
                "While this training ran, another version was put into use, with which this one was not compared. "
                "It is kept as a candidate; promote it yourself if it is better."
            )
        return {
            "model_version": version.id,
            "number": version.number,
            "promoted": promoted,
            "gate": version.gate,
            "case_scores": {"candidate": found.candidate_scores, "promoted": found.promoted_scores},
            "history": found.history,
            "seconds": found.seconds,
            "continued": found.continued,
            "notes": [*self._notes, *found.notes],
        }

    def _keep(self, found: TrainingOutcome, decision: GateDecision) -> tuple[ModelVersion, bool]:
        description = read_description(self._model)
        store = self._workspace.store
        promoted = self._promoted
        new = NewVersion(
            task=self._job.task,
            parent=promoted.id if promoted is not None and found.continued else None,
            weights=store.adopt(self._model / WEIGHTS_FILE, ".safetensors"),
            description=store.adopt(self._model / DESCRIPTION_FILE, ".json"),
            plan=description.plan,
            classes=description.classes.entries,
            trained_on=tuple(r.id for r in self._revisions),
            loss=found.loss,
            scores=VersionScores(validation=_scores(found)),
            gate=decision.model_dump(mode="json"),
            notes=(*self._notes, *found.notes),
            author=self._request.author,
            note=self._request.note,
        )
        reason = decision.reason if decision.outcome == "promote" else None
        return self._workspace.models.add(new, reason, None if promoted is None else promoted.id)

    def _continues(self, task: Task, promoted: ModelVersion | None) -> bool:
        if promoted is None or self._request.start == "scratch":
            return False
        old = {(e.value, e.name) for e in promoted.classes}
        added = [e.name for e in task.classes if (e.value, e.name) not in old]
        if added:
            self._notes.append(
                f"The task has gained the class{'es' if len(added) > 1 else ''} {', '.join(added)} since version "
                f"{promoted.number}, so the network has other outputs and was trained from scratch."
            )
        return not added

    def _new_cases(self, promoted: ModelVersion | None) -> tuple[str, ...]:
        """Cases whose newest revision the promoted version has not seen."""
        seen = set() if promoted is None else set(promoted.trained_on)
        return tuple(r.case for r in self._revisions if r.id not in seen)

    def _files(self, revisions: Sequence[LabelRevision]) -> tuple[CaseFiles, ...]:
        workspace = self._workspace
        files = []
        for revision in revisions:
            case = workspace.cases.get(revision.case)
            files.append(
                CaseFiles(
                    id=case.id,
                    subject=case.id,  # who it is does not concern the worker
                    images=tuple(workspace.files.path(sha) for sha in case.images),
                    label=workspace.files.path(revision.label),
                    region=revision.region,
                    classes=tuple(revision.classes),
                )
            )
        return tuple(files)


def _scores(found: TrainingOutcome) -> Scores | None:
    if not found.candidate_scores:
        return None
    summary = summarise(found.candidate_scores)
    return Scores(cases=summary.cases, mean=summary.mean, per_class=summary.per_class)
