"""The rules by which the gates of tasks decide."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ufseg.errors import InputError
from ufseg.evaluation.rule import GateRule
from ufseg.workspace import audit, tasks
from ufseg.workspace.database import Database, now
from ufseg.workspace.records import GateRuleChange
from ufseg.workspace.tables import GateRuleRow


class GateRules:
    """The gate rules of a workspace's tasks, with their history."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_task(self, task_id: str) -> GateRule:
        """The rule that counts now; raises NotFoundError."""
        changes = self.changes(task_id)
        return changes[-1].rule if changes else GateRule()

    def changes(self, task_id: str) -> list[GateRuleChange]:
        """Every change of a task's rule, oldest first; none while the default counts. Raises NotFoundError."""
        with self._database.reading() as session:
            tasks.require(session, task_id)
            return [_record(row) for row in _log(session, task_id)]

    def change(self, task_id: str, rule: GateRule, author: str, note: str = "") -> GateRuleChange:
        """Let another rule count for trainings that begin from now on; those under way are judged by the one before.

        Raises:
            NotFoundError: no such task.
            InputError: nobody signs for it.
        """
        if not author.strip():
            raise InputError("A change of the gate's rule needs an author; an empty name was given.")
        with self._database.writing() as session:
            tasks.require(session, task_id)
            row = GateRuleRow(task=task_id, rule=rule.model_dump(mode="json"), author=author, note=note, created=now())
            session.add(row)
            audit.append(session, "gate rule changed", task_id, task=task_id, author=author)
            session.flush()
            return _record(row)


def _log(session: Session, task_id: str) -> list[GateRuleRow]:
    query = select(GateRuleRow).where(GateRuleRow.task == task_id).order_by(GateRuleRow.id)
    return list(session.scalars(query))


def _record(row: GateRuleRow) -> GateRuleChange:
    return GateRuleChange(
        id=row.id,
        task=row.task,
        rule=GateRule.model_validate(row.rule),
        author=row.author,
        note=row.note,
        created=row.created,
    )
