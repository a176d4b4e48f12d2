"""Model versions and which of them is in use."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ufseg.errors import ConflictError, InputError, NotFoundError
from ufseg.images.class_table import ClassEntry
from ufseg.plans.plan import Plan
from ufseg.workspace import audit, tasks
from ufseg.workspace.database import Database, now
from ufseg.workspace.records import AuditAction, Loss, ModelVersion, Promotion, VersionScores, VersionStatus
from ufseg.workspace.tables import ModelVersionRow, PromotionRow


@dataclass(frozen=True)
class NewVersion:
    """A trained model that is to be kept; see `ModelVersion` for the fields."""

    task: str
    parent: str | None
    weights: str
    description: str
    plan: Plan
    classes: tuple[ClassEntry, ...]
    trained_on: tuple[str, ...]
    loss: Loss
    scores: VersionScores
    gate: dict[str, Any] | None
    notes: tuple[str, ...] = ()
    author: str = ""
    note: str = ""
    job: str | None = None


class Models:
    """The model versions of a workspace and their promotions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_task(self, task_id: str) -> list[ModelVersion]:
        """The versions of a task, oldest first; raises NotFoundError."""
        with self._database.reading() as session:
            tasks.require(session, task_id)
            query = select(ModelVersionRow).where(ModelVersionRow.task == task_id).order_by(ModelVersionRow.number)
            return _records(session, session.scalars(query).all())

    def get(self, version_id: str) -> ModelVersion:
        """The version with this id; raises NotFoundError."""
        with self._database.reading() as session:
            return _records(session, [_require(session, version_id)])[0]

    def find(self, task_id: str, reference: str) -> ModelVersion:
        """The version of a task with this number (``"3"``) or id; raises NotFoundError and lists what there is."""
        versions = self.of_task(task_id)
        for version in versions:
            if reference in (str(version.number), version.id):
                return version
        known = ", ".join(str(v.number) for v in versions) or "none so far"
        raise NotFoundError(f"The task has no model version {reference!r}. Its versions: {known}.")

    def promoted(self, task_id: str) -> ModelVersion | None:
        """The version in use, or None before the first; raises NotFoundError for an unknown task."""
        with self._database.reading() as session:
            tasks.require(session, task_id)
            version = tasks.promoted_version(session, task_id)
            return None if version is None else _records(session, [_require(session, version)])[0]

    def require_promoted(self, task_id: str) -> ModelVersion:
        """The version in use.

        Raises:
            ConflictError: the task has none yet.
        """
        version = self.promoted(task_id)
        if version is None:
            with self._database.reading() as session:
                name = tasks.require(session, task_id).name
            raise ConflictError(
                f"The task {name!r} has no model yet. Train one first; that needs at least one labelled training case."
            )
        return version

    def add(self, new: NewVersion, promote: str | None, compared_with: str | None) -> tuple[ModelVersion, bool]:
        """Keep a version and, where the gate said so, its promotion: both or neither.

        Args:
            new: the version.
            promote: the reason to promote it, None to keep it as a candidate.
            compared_with: the version it was found better than; if another one is in use by now, the comparison
                says nothing about that one and the new version stays a candidate.

        Returns:
            The version, and whether it was promoted.
        """
        with self._database.writing() as session:
            tasks.require(session, new.task)
            row = _insert(session, new)
            audit.append(session, "version kept", row.id, task=new.task, author=new.author)
            promoted = promote is not None and tasks.promoted_version(session, new.task) == compared_with
            if promoted and promote is not None:
                _append(session, new.task, row.id, promote, "gate", rollback=False)
            return _records(session, [row])[0], promoted

    def of_job(self, job_id: str) -> tuple[ModelVersion, bool] | None:
        """The version that a training made, and whether the gate promoted it; None if it has made none."""
        with self._database.reading() as session:
            row = session.scalar(select(ModelVersionRow).where(ModelVersionRow.job == job_id))
            if row is None:
                return None
            by_gate = select(PromotionRow.id).where(
                PromotionRow.model_version == row.id, PromotionRow.author == "gate", PromotionRow.rollback.is_(False)
            )
            return _records(session, [row])[0], session.scalar(by_gate) is not None

    def add_installed(self, new: NewVersion, reason: str) -> tuple[ModelVersion, bool]:
        """Keep a finished model, unless the task has it already, and promote it where the task has none in use.

        Args:
            new: the version, with published scores.
            reason: of the promotion.

        Returns:
            The version, and whether it is new.
        """
        with self._database.writing() as session:
            tasks.require(session, new.task)
            query = select(ModelVersionRow).where(ModelVersionRow.task == new.task)
            for known in session.scalars(query.where(ModelVersionRow.weights == new.weights)):
                return _records(session, [known])[0], False
            row = _insert(session, new)
            audit.append(session, "model installed", row.id, task=new.task, author=new.author)
            if tasks.promoted_version(session, new.task) is None:
                _append(session, new.task, row.id, reason, new.author, rollback=False)
            return _records(session, [row])[0], True

    def promotions(self, task_id: str) -> list[Promotion]:
        """The log of a task, oldest first; raises NotFoundError."""
        with self._database.reading() as session:
            tasks.require(session, task_id)
            return [_promotion(row) for row in _log(session, task_id)]

    def promote(self, task_id: str, version_id: str, reason: str, author: str) -> Promotion:
        """Put a version into use.

        Raises:
            NotFoundError: no such task or version.
            InputError: the version belongs to another task.
            ConflictError: it is in use already.
        """
        with self._database.writing() as session:
            tasks.require(session, task_id)
            version = _require(session, version_id)
            if version.task != task_id:
                raise InputError(f"The model version {version_id} belongs to another task and cannot be promoted here.")
            if tasks.promoted_version(session, task_id) == version_id:
                raise ConflictError(f"Version {version.number} is in use already; nothing was changed.")
            return _promotion(_append(session, task_id, version_id, reason, author, rollback=False))

    def rollback(self, task_id: str, reason: str, author: str) -> Promotion:
        """Put the version that was in use before into use again; repeated, it goes further back.

        Raises:
            NotFoundError: no such task.
            ConflictError: there was none before.
        """
        with self._database.writing() as session:
            name = tasks.require(session, task_id).name
            in_use: list[str] = []
            for row in _log(session, task_id):
                if row.rollback:
                    del in_use[-1:]
                # After a rollback it is there already, unless entries were lost with a damaged database.
                if in_use[-1:] != [row.model_version]:
                    in_use.append(row.model_version)
            if len(in_use) < 2:
                raise ConflictError(
                    f"The task {name!r} has no earlier model to go back to: "
                    f"{'its first one is in use' if in_use else 'none was promoted so far'}."
                )
            return _promotion(_append(session, task_id, in_use[-2], reason, author, rollback=True))


def _insert(session: Session, new: NewVersion) -> ModelVersionRow:
    query = select(func.max(ModelVersionRow.number)).where(ModelVersionRow.task == new.task)
    row = ModelVersionRow(
        id=secrets.token_hex(8),
        task=new.task,
        number=(session.scalar(query) or 0) + 1,
        parent=new.parent,
        weights=new.weights,
        description=new.description,
        plan=new.plan.model_dump(mode="json"),
        classes=[e.model_dump(mode="json") for e in new.classes],
        trained_on=list(new.trained_on),
        loss=new.loss.model_dump(mode="json"),
        scores=new.scores.model_dump(mode="json"),
        gate=new.gate,
        notes=list(new.notes),
        author=new.author,
        note=new.note,
        created=now(),
        job=new.job,
    )
    session.add(row)
    session.flush()
    return row


def _require(session: Session, version_id: str) -> ModelVersionRow:
    row = session.get(ModelVersionRow, version_id)
    if row is None:
        raise NotFoundError(f"There is no model version with the id {version_id[:80]!r}.")
    return row


def _log(session: Session, task_id: str) -> Sequence[PromotionRow]:
    return session.scalars(select(PromotionRow).where(PromotionRow.task == task_id).order_by(PromotionRow.id)).all()


def _append(
    session: Session, task_id: str, version_id: str, reason: str, author: str, *, rollback: bool
) -> PromotionRow:
    row = PromotionRow(
        task=task_id, model_version=version_id, reason=reason, author=author, rollback=rollback, created=now()
    )
    session.add(row)
    action: AuditAction = "promotion rolled back" if rollback else "version promoted"
    audit.append(session, action, version_id, task=task_id, author=author)
    session.flush()
    return row


def _promotion(row: PromotionRow) -> Promotion:
    return Promotion(
        id=row.id,
        task=row.task,
        model_version=row.model_version,
        reason=row.reason,
        author=row.author,
        rollback=row.rollback,
        created=row.created,
    )


def _records(session: Session, rows: Sequence[ModelVersionRow]) -> list[ModelVersion]:
    if not rows:
        return []
    task = rows[0].task
    current = tasks.promoted_version(session, task)
    used = set(session.scalars(select(PromotionRow.model_version).where(PromotionRow.task == task)))

    def status(version: str) -> VersionStatus:
        if version == current:
            return "promoted"
        return "retired" if version in used else "candidate"

    return [
        ModelVersion.model_validate(
            {
                "id": row.id,
                "task": row.task,
                "number": row.number,
                "parent": row.parent,
                "weights": row.weights,
                "description": row.description,
                "plan": row.plan,
                "classes": row.classes,
                "trained_on": row.trained_on,
                "origin": "installed" if row.scores.get("published") else "trained",
                "loss": row.loss,
                "scores": row.scores,
                "gate": row.gate,
                "notes": row.notes,
                "author": row.author,
                "note": row.note,
                "status": status(row.id),
                "created": row.created,
                "job": row.job,
            }
        )
        for row in rows
    ]
