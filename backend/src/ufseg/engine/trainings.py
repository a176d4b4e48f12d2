"""Trainings on the service's side: what goes into one, and keeping what comes out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from ufseg.engine.kept import (
    CHECKPOINT_FILE,
    TrainingChoice,
    checkpoint_step,
    read_choice,
    read_outcome,
    write_choice,
    write_outcome,
)
from ufseg.engine.requests import TrainingRequest
from ufseg.engine.specs import TrainingOutcome, TrainingSpec
from ufseg.errors import ConflictError, InputError
from ufseg.evaluation.summary import summarise
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.networks.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE, read_description
from ufseg.workspace import audit
from ufseg.workspace.disk import storage_errors
from ufseg.workspace.models import NewVersion
from ufseg.workspace.records import Job, LabelRevision, ModelVersion, Scores, Task, VersionScores
from ufseg.workspace.workspace import Workspace

CHECKPOINT_SECONDS = 10.0
"""What an interruption costs at most, or 30 times what writing a checkpoint takes if that is more."""


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


def require_start(workspace: Workspace, task_id: str, start: str) -> ModelVersion | None:
    """The version from which a training is to go on by its id; None for ``"promoted"`` and ``"scratch"``.

    Raises:
        NotFoundError: no such version.
        InputError: it is of another task.
    """
    if start in ("promoted", "scratch"):
        return None
    version = workspace.models.get(start)
    if version.task != task_id:
        raise InputError(f"The model version {start} belongs to another task than {task_id}. Give one of its own.")
    return version


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
        self._folder = workspace.job_folder(job.id)
        self._model = self._folder / "model"
        self._choice: TrainingChoice | None = None
        self._notes: list[str] = []

    def prepare(self) -> dict[str, Any]:
        """The worker's specification: from the workspace as it is now, or as it was when the training began.

        Raises:
            ConflictError: no training case has a label.
            StorageError: a model's files are damaged.
        """
        workspace = self._workspace
        task = workspace.tasks.get(self._job.task)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._choice = choice = read_choice(self._folder) or self._choose(task)
        shutil.rmtree(self._model, ignore_errors=True)  # of an earlier start that was interrupted at its end
        return TrainingSpec(
            name=task.name,
            task=task.name,
            modality=task.modality,
            channels=task.channels,
            classes=ClassTable(entries=choice.classes),
            training=self._files(choice.training),
            validation=self._files(choice.validation),
            revisions=choice.training,
            promoted=None if choice.promoted is None else workspace.model_folder(choice.promoted),
            continue_from_promoted=choice.continued and choice.initial is None,
            initial=None if choice.initial is None else workspace.model_folder(choice.initial),
            loss=self._request.loss,
            budget_seconds=self._request.budget_seconds,
            epochs=self._request.epochs,
            seed=self._request.seed,
            output=self._model,
            checkpoint=self._folder / CHECKPOINT_FILE,
            checkpoint_seconds=CHECKPOINT_SECONDS,
            resume="if possible" if checkpoint_step(self._folder) is not None else False,
            prepared=self._folder / "prepared",
            new_cases=choice.new_cases,
        ).model_dump(mode="json")

    def finish(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """Keep the model, let the gate decide, promote or not; returns the job's result.

        Raises:
            StorageError: the disk is full; no version is kept then.
        """
        found = TrainingOutcome.model_validate(outcome)
        choice = self._begun()
        kept = self._workspace.models.of_job(self._job.id)
        if kept is None:
            with storage_errors(self._workspace.folder):
                write_outcome(self._folder, found)
            version, promoted = self._keep(choice, found)
        else:
            # A service that died right after it had kept the version must not keep it twice, and must not tell other
            # scores than those it was judged by.
            version, promoted = kept
            found = read_outcome(self._folder) or found
        notes = [*choice.notes, *found.notes]
        if version.gate is not None and version.gate["outcome"] == "promote" and not promoted:
            notes.append(
                "While this training ran, another version was put into use, with which this one was not compared. "
                "It is kept as a candidate; promote it yourself if it is better."
            )
        return {
            "model_version": version.id,
            "number": version.number,
            "promoted": promoted,
            "gate": version.gate,
            "case_scores": {"candidate": found.candidate_scores, "promoted": found.promoted_scores},
            "case_surface_scores": {"candidate": found.candidate_surface, "promoted": found.promoted_surface},
            "compared_with": choice.promoted,
            "validation_revisions": list(choice.validation),
            "history": found.history,
            "seconds": found.seconds,
            "continued": found.continued,
            "notes": notes,
        }

    def _keep(self, choice: TrainingChoice, found: TrainingOutcome) -> tuple[ModelVersion, bool]:
        from ufseg.evaluation.gate import decide  # brings scipy, which would double the service's start

        decision = decide(
            found.promoted_scores,
            found.candidate_scores,
            choice.rule or self._workspace.gate_rules.of_task(self._job.task),
            promoted_surface=found.promoted_surface,
            candidate_surface=found.candidate_surface,
        )
        description = read_description(self._model)
        store = self._workspace.store
        new = NewVersion(
            task=self._job.task,
            parent=(choice.initial or choice.promoted) if found.continued else None,
            weights=store.adopt(self._model / WEIGHTS_FILE, ".safetensors"),
            description=store.adopt(self._model / DESCRIPTION_FILE, ".json"),
            plan=description.plan,
            classes=description.classes.entries,
            trained_on=choice.training,
            loss=found.loss,
            scores=VersionScores(validation=_scores(found)),
            gate=decision.model_dump(mode="json"),
            notes=(*choice.notes, *found.notes),
            author=self._request.author,
            note=self._request.note,
            job=self._job.id,
        )
        reason = decision.reason if decision.outcome == "promote" else None
        with audit.acting(audit.GATE):
            return self._workspace.models.add(new, reason, choice.promoted)

    def _begun(self) -> TrainingChoice:
        assert self._choice is not None, "prepare comes before finish"
        return self._choice

    def _choose(self, task: Task) -> TrainingChoice:
        """What to train on, as the workspace is now; kept for a start after an interruption."""
        workspace = self._workspace
        revisions = require_training_cases(workspace, task.id)
        promoted = workspace.models.promoted(task.id)
        named = require_start(workspace, task.id, self._request.start)
        base = promoted if named is None else named
        self._notes = []
        continued = self._continues(task, base)
        choice = TrainingChoice(
            promoted=None if promoted is None else promoted.id,
            continued=continued,
            training=tuple(r.id for r in revisions),
            validation=tuple(r.id for r in workspace.revisions.latest(task.id, "validation")),
            classes=task.classes,
            new_cases=_new_cases(revisions, base),
            notes=tuple(self._notes),
            initial=named.id if continued and named is not None else None,
            rule=workspace.gate_rules.of_task(task.id),
        )
        # A checkpoint without its choice belongs to nothing.
        (self._folder / CHECKPOINT_FILE).unlink(missing_ok=True)
        write_choice(self._folder, choice)
        return choice

    def _continues(self, task: Task, base: ModelVersion | None) -> bool:
        if base is None or self._request.start == "scratch":
            return False
        old = {(e.value, e.name) for e in base.classes}
        added = [e.name for e in task.classes if (e.value, e.name) not in old]
        if added:
            self._notes.append(
                f"The task has gained the class{'es' if len(added) > 1 else ''} {', '.join(added)} since version "
                f"{base.number}, so the network has other outputs and was trained from scratch."
            )
        return not added

    def _files(self, revisions: Sequence[str]) -> tuple[CaseFiles, ...]:
        workspace = self._workspace
        # All at once: no cancel is heeded meanwhile, and there may be a thousand.
        cases = {case.id: case for case in workspace.cases.of_task(self._job.task)}
        files = []
        for revision in map(workspace.revisions.get, revisions):
            case = cases[revision.case]
            files.append(
                CaseFiles(
                    id=case.id,
                    subject=case.id,  # who it is does not concern the worker
                    images=tuple(map(workspace.store.path, case.images)),
                    label=workspace.store.path(revision.label),
                    region=revision.region,
                    classes=tuple(revision.classes),
                )
            )
        return tuple(files)


def _new_cases(revisions: Sequence[LabelRevision], base: ModelVersion | None) -> tuple[str, ...]:
    """Cases whose newest revision the version has not seen from which the training may go on."""
    seen = set() if base is None else set(base.trained_on)
    return tuple(r.case for r in revisions if r.id not in seen)


def _scores(found: TrainingOutcome) -> Scores | None:
    if not found.candidate_scores:
        return None
    dice, surface = summarise(found.candidate_scores), summarise(found.candidate_surface)
    return Scores(
        cases=dice.cases,
        mean=dice.mean,
        per_class=dice.per_class,
        surface_mean=surface.mean,
        surface_per_class=surface.per_class,
    )
