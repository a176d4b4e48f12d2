"""Tasks and their class tables."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ufseg.errors import ConflictError, InputError, LabelError, NotFoundError
from ufseg.images.class_table import ClassEntry, ClassTable
from ufseg.images.words import require_line
from ufseg.plans.plan import Modality
from ufseg.workspace import audit
from ufseg.workspace.database import Database, now
from ufseg.workspace.records import CaseCounts, Task
from ufseg.workspace.tables import CaseRow, ClassRow, PromotionRow, TaskRow

DEFAULT_VALIDATION_FRACTION = 0.25


class Tasks:
    """The tasks of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        modality: Modality,
        channels: Sequence[str],
        classes: ClassTable,
        validation_fraction: float = DEFAULT_VALIDATION_FRACTION,
    ) -> Task:
        """Make a task.

        Args:
            name: unique in the workspace.
            modality: decides how intensities are normalised.
            channels: names of the image channels of every case, at least one, all different.
            classes: what is segmented.
            validation_fraction: expected share of subjects that only judge models, 0 to below 1.

        Raises:
            ConflictError: a task has this name.
            InputError: no or double channel names, a name with control characters, or a fraction outside the range.
        """
        name = name.strip()
        channels = [c.strip() for c in channels]
        if not name:
            raise InputError("A task needs a name; an empty one was given.")
        if not channels or not all(channels) or len(set(channels)) != len(channels):
            raise InputError(f"A task needs channels with different names; given were {list(channels)}.")
        for text, what in ((name, "The task"), *((c, "The channel") for c in channels)):
            require_line(text, what)
        for entry in classes.entries:
            require_line(entry.name, "The class")
        if not 0 <= validation_fraction < 1:
            raise InputError(
                f"The validation fraction must be at least 0 and below 1; given was {validation_fraction}."
            )
        row = TaskRow(
            id=secrets.token_hex(8),
            name=name,
            modality=modality,
            channels=channels,
            validation_fraction=validation_fraction,
            created=now(),
        )
        with self._database.writing() as session:
            if session.scalar(select(TaskRow.id).where(TaskRow.name == name)) is not None:
                raise ConflictError(f"There is a task named {name!r} already. Use it, or choose another name.")
            session.add(row)
            session.flush()
            session.add_all(_class_row(row.id, entry) for entry in classes.entries)
            audit.append(session, "task created", row.id, task=row.id)
            session.flush()
            return record(session, row)

    def all(self) -> list[Task]:
        """All tasks, oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(TaskRow).order_by(TaskRow.created, TaskRow.id)).all()
            return [record(session, row) for row in rows]

    def get(self, task_id: str) -> Task:
        """The task with this id; raises NotFoundError."""
        with self._database.reading() as session:
            return record(session, require(session, task_id))

    def find(self, name: str) -> Task:
        """The task with this name or id.

        Raises:
            NotFoundError: there is none; the names that exist are listed.
        """
        tasks = self.all()
        for task in tasks:
            if name in (task.name, task.id):
                return task
        known = ", ".join(repr(t.name) for t in tasks) or "none so far"
        raise NotFoundError(f"There is no task named {name!r}. The tasks of this workspace: {known}.")

    def add_class(
        self,
        task_id: str,
        name: str,
        value: int | None = None,
        color: tuple[int, int, int] | None = None,
        terminology: str | None = None,
    ) -> Task:
        """Add a class; the others keep their values.

        Args:
            task_id: the task.
            name: of the new class.
            value: of the new class; None takes the lowest one above all others.
            color, terminology: see `ClassEntry`.

        Raises:
            LabelError: value or name is taken, or no value is left.
            InputError: the name has control characters.
            NotFoundError: no such task.
        """
        with self._database.writing() as session:
            row = require(session, task_id)
            table = class_table(session, task_id)
            if value is None:
                value = next_value(table)
            entry = ClassEntry(value=value, name=name, color=color, terminology=terminology)
            require_line(entry.name, "The class")
            for old in table.entries:
                if old.value == entry.value or old.name == entry.name:
                    raise LabelError(
                        f"The class {entry.name!r} = {entry.value} cannot be added: the task has {old.name!r} = "
                        f"{old.value} already. Class values and names never change; choose others."
                    )
            session.add(_class_row(task_id, entry))
            audit.append(session, "class added", task_id, task=task_id)
            session.flush()
            return record(session, row)


def next_value(table: ClassTable) -> int:
    """The lowest class value above all that are used; raises LabelError if none is left."""
    value = max(table.values) + 1
    if value > 255:
        raise LabelError("The value 255 is in use, so no higher one is left. Give the new class an unused value.")
    return value


def require(session: Session, task_id: str) -> TaskRow:
    """The task's row; raises NotFoundError."""
    row = session.get(TaskRow, task_id)
    if row is None:
        raise NotFoundError(f"There is no task with the id {task_id[:80]!r}.")
    return row


def class_table(session: Session, task_id: str) -> ClassTable:
    """The classes of a task."""
    rows = session.scalars(select(ClassRow).where(ClassRow.task == task_id).order_by(ClassRow.value)).all()
    return ClassTable(
        entries=tuple(
            ClassEntry.model_validate(
                {"value": r.value, "name": r.name, "color": r.color, "terminology": r.terminology}
            )
            for r in rows
        )
    )


def promoted_version(session: Session, task_id: str) -> str | None:
    """Id of the model version in use, or None."""
    newest = select(PromotionRow.model_version).where(PromotionRow.task == task_id).order_by(PromotionRow.id.desc())
    return session.scalar(newest.limit(1))


def record(session: Session, row: TaskRow) -> Task:
    """The task as a record."""
    counted = session.execute(
        select(CaseRow.membership, func.count()).where(CaseRow.task == row.id).group_by(CaseRow.membership)
    ).all()
    counts: dict[str | None, int] = {row[0]: row[1] for row in counted}
    return Task.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "modality": row.modality,
            "channels": tuple(row.channels),
            "classes": class_table(session, row.id).entries,
            "validation_fraction": row.validation_fraction,
            "promoted": promoted_version(session, row.id),
            "cases": CaseCounts(
                total=sum(counts.values()),
                training=counts.get("training", 0),
                validation=counts.get("validation", 0),
                unlabelled=counts.get(None, 0),
            ),
            "created": row.created,
        }
    )


def _class_row(task_id: str, entry: ClassEntry) -> ClassRow:
    return ClassRow(
        task=task_id,
        value=entry.value,
        name=entry.name,
        color=None if entry.color is None else list(entry.color),
        terminology=entry.terminology,
    )
