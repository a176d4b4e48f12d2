"""Cases: the studies of a task."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ufseg.errors import InputError, NotFoundError
from ufseg.images.geometry import Geometry
from ufseg.workspace import audit
from ufseg.workspace.database import Database, now
from ufseg.workspace.files import Files
from ufseg.workspace.records import Case
from ufseg.workspace.tables import CaseImageRow, CaseRow, RevisionRow, TaskRow
from ufseg.workspace.tasks import require as require_task
from ufseg.workspace.voxels import image_hash


class Cases:
    """The cases of a workspace."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    def add(self, task_id: str, name: str, subject: str, images: Sequence[str]) -> tuple[Case, bool]:
        """Make a case of stored images, or find the one that has the same images.

        Images are the same if their intensities and grid are, whatever program wrote the files. Those with equal
        intensities on another grid, such as a volume whose origin was moved, are another case of the same subject:
        otherwise a study could be in training and validation at once.

        Args:
            task_id: the task.
            name: shown to people.
            subject: who was imaged; cases of one subject share their membership. Where the images are known
                already, their subject stays.
            images: file hashes, together as many channels as the task has, in its order, all on one grid.

        Returns:
            The case, and whether it is new.

        Raises:
            NotFoundError: no such task or file.
            InputError: empty name or subject, or another number of channels.
            GeometryError: the files lie on different grids.
        """
        name, subject = name.strip(), subject.strip()
        if not name or not subject:
            raise InputError(f"A case needs a name and a subject; given were {name!r} and {subject!r}.")
        with self._database.reading() as session:
            task = require_task(session, task_id)
            if (existing := _same_files(session, task_id, images)) is not None:
                return _records(session, [existing])[0], False
            _common_geometry(session, task, images)
        # Before the transaction, for it takes a while.
        voxels = image_hash([channel for image in images for channel in self._files.voxels(image)])
        with self._database.writing() as session:
            task = require_task(session, task_id)
            if (existing := _same_files(session, task_id, images)) is not None:
                return _records(session, [existing])[0], False
            geometry = _common_geometry(session, task, images)
            for twin in _twins(session, task_id, voxels):
                if Geometry.model_validate(twin.geometry).difference(geometry) is None:
                    return _records(session, [twin])[0], False
                subject = twin.subject
            row = CaseRow(
                id=secrets.token_hex(8),
                task=task_id,
                name=name,
                subject=subject,
                images_key=",".join(images),
                voxels=voxels,
                geometry=geometry.model_dump(mode="json"),
                membership=None,
                created=now(),
            )
            session.add(row)
            session.flush()
            session.add_all(CaseImageRow(case=row.id, position=i, sha256=sha) for i, sha in enumerate(images))
            audit.append(session, "case added", row.id, task=task_id)
            session.flush()
            return _records(session, [row])[0], True

    def of_task(self, task_id: str) -> list[Case]:
        """The cases of a task, oldest first; raises NotFoundError."""
        with self._database.reading() as session:
            require_task(session, task_id)
            query = select(CaseRow).where(CaseRow.task == task_id).order_by(CaseRow.created, CaseRow.id)
            return _records(session, session.scalars(query).all())

    def get(self, case_id: str) -> Case:
        """The case with this id; raises NotFoundError."""
        with self._database.reading() as session:
            return _records(session, [require(session, case_id)])[0]

    def find(self, reference: str) -> Case:
        """The case with this id, or with this name if only one has it.

        Raises:
            NotFoundError: there is none.
            InputError: several cases have the name; their ids are listed.
        """
        with self._database.reading() as session:
            query = select(CaseRow).where((CaseRow.id == reference) | (CaseRow.name == reference))
            found = session.scalars(query.order_by(CaseRow.created, CaseRow.id)).all()
            exact = [row for row in found if row.id == reference] or found
            if len(exact) > 1:
                raise InputError(
                    f"{len(exact)} cases are named {reference!r}. Give the id of one: {', '.join(r.id for r in exact)}."
                )
            if not exact:
                raise NotFoundError(f"There is no case with the id or name {reference[:80]!r}.")
            return _records(session, exact)[0]


def require(session: Session, case_id: str) -> CaseRow:
    """The case's row; raises NotFoundError."""
    row = session.get(CaseRow, case_id)
    if row is None:
        raise NotFoundError(f"There is no case with the id {case_id[:80]!r}.")
    return row


def _same_files(session: Session, task_id: str, images: Sequence[str]) -> CaseRow | None:
    return session.scalar(select(CaseRow).where(CaseRow.task == task_id, CaseRow.images_key == ",".join(images)))


def _common_geometry(session: Session, task: TaskRow, images: Sequence[str]) -> Geometry:
    files = [Files.record(session, sha) for sha in images]
    channels = sum(f.channels for f in files)
    if channels != len(task.channels):
        raise InputError(
            f"The case has {channels} image channel{'s' if channels != 1 else ''}, and the task {task.name!r} has "
            f"{len(task.channels)} ({', '.join(task.channels)}). Give one image for each channel, in this order."
        )
    first = files[0].geometry
    for number, file in enumerate(files[1:], start=2):
        first.require_same(
            file.geometry,
            "Image 1",
            f"image {number} of the case",
            "Resample the images to one grid and add them again.",
        )
    return first


def _twins(session: Session, task_id: str, voxels: str) -> Sequence[CaseRow]:
    """Cases of the task with the same intensities."""
    query = select(CaseRow).where(CaseRow.task == task_id, CaseRow.voxels == voxels)
    return session.scalars(query.order_by(CaseRow.created, CaseRow.id)).all()


def _records(session: Session, rows: Sequence[CaseRow]) -> list[Case]:
    if not rows:
        return []
    ids = [row.id for row in rows]
    counted = session.execute(
        select(RevisionRow.case, func.count()).where(RevisionRow.case.in_(ids)).group_by(RevisionRow.case)
    ).all()
    revisions: dict[str, int] = {row[0]: row[1] for row in counted}
    return [
        Case.model_validate(
            {
                "id": row.id,
                "task": row.task,
                "name": row.name,
                "subject": row.subject,
                "images": tuple(row.images_key.split(",")),
                "geometry": row.geometry,
                "membership": row.membership,
                "revisions": revisions.get(row.id, 0),
                "created": row.created,
            }
        )
        for row in rows
    ]
