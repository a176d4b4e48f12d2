"""Label revisions: what people say is where, kept for good."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ufseg.errors import GeometryError, InputError, NotFoundError
from ufseg.images.case_files import Region
from ufseg.images.class_table import BACKGROUND, ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap
from ufseg.images.words import Author, KeptName, Note
from ufseg.workspace import audit, cases, tasks
from ufseg.workspace.database import Database, now
from ufseg.workspace.files import Files, named
from ufseg.workspace.membership import membership_of
from ufseg.workspace.patches import Patch, part_of, put_over, require_base
from ufseg.workspace.records import LabelRevision, Membership, SubmittedOrigin
from ufseg.workspace.tables import CaseRow, ModelVersionRow, RevisionRow


class RevisionRequest(BaseModel):
    """A label map to be kept as the newest revision of a case.

    Args:
        label: hash of an uploaded file on the case's grid.
        classes: every class name that the file may hold, with its value **in this file**.
        author: who drew or approved it.
        origin: drawn by hand, a corrected prediction, or brought in from elsewhere.
        parent: the revision it was made from.
        model_version: the version whose prediction was corrected.
        region: the box that was annotated, voxels i, j(, k); None for everywhere.
        patch: `label` is only a part of the case's grid, put over an earlier label map; None if it is all of it.
    """

    model_config = ConfigDict(extra="forbid")

    label: str
    classes: dict[KeptName, int] = Field(min_length=1)
    author: Author = Field(min_length=1)
    note: Note = ""
    origin: SubmittedOrigin = "manual"
    parent: str | None = None
    model_version: str | None = None
    region: Region | None = None
    patch: Patch | None = None


class Revisions:
    """The label revisions of a workspace."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    def submit(self, case_id: str, request: RevisionRequest) -> LabelRevision:
        """Check a label map against its case and task, and keep it; when this returns it is on the disk.

        The first revision of a case decides, for good, whether the case trains or judges models.

        Raises:
            NotFoundError: no such case, file, parent or model version.
            GeometryError: the label map is not on the case's grid, or the region or the changed part lies outside.
            InputError: a patch's base is no label map of this case.
            LabelError: a class name that the task lacks, or a value without a name. Nothing is kept then.
        """
        from ufseg.images.reading import read_label_map

        with self._database.reading() as session:
            case = cases.require(session, case_id)
            grid = Geometry.model_validate(case.geometry)
            table = tasks.class_table(session, case.task)
            uploaded = Files.record(session, request.label)
            _check_references(session, case, request)
            if request.patch is not None:
                require_base(session, case, request.patch.base)
        expected = grid if request.patch is None else part_of(grid, request.patch.start, uploaded.geometry.size)
        what = f"The label map {request.label[:12]}…"
        uploaded.geometry.require_same(
            expected, what, f"the image of the case {case_id}", "Export the segmentation on the image's own grid."
        )
        _check_region(request.region, grid)
        path = self._files.path(request.label)
        with named(path, request.label[:12] + "…"):
            source = read_label_map(path)
        array = table.translate(source.array, request.classes, what)
        if request.patch is not None:
            base = read_label_map(self._files.verified(request.patch.base), None, grid)
            array = put_over(base.array, array, request.patch.start, table)
        label = LabelMap(array, grid)
        stored = self._files.add_label_map(label, table)
        return self._append(case_id, request, stored.sha256, _task_values(request.classes, table))

    def of_case(self, case_id: str) -> list[LabelRevision]:
        """The revisions of a case, oldest first; raises NotFoundError."""
        with self._database.reading() as session:
            cases.require(session, case_id)
            query = select(RevisionRow).where(RevisionRow.case == case_id).order_by(RevisionRow.number)
            return [record(row) for row in session.scalars(query)]

    def get(self, revision_id: str) -> LabelRevision:
        """The revision with this id; raises NotFoundError."""
        with self._database.reading() as session:
            return record(require(session, revision_id))

    def latest(self, task_id: str, membership: Membership) -> list[LabelRevision]:
        """The newest revision of every labelled case of a task on one side, oldest case first."""
        newest = (
            select(RevisionRow.case, func.max(RevisionRow.number).label("number")).group_by(RevisionRow.case).subquery()
        )
        query = (
            select(RevisionRow)
            .join(newest, (newest.c.case == RevisionRow.case) & (newest.c.number == RevisionRow.number))
            .join(CaseRow, CaseRow.id == RevisionRow.case)
            .where(CaseRow.task == task_id, CaseRow.membership == membership)
            .order_by(CaseRow.created, CaseRow.id)
        )
        with self._database.reading() as session:
            return [record(row) for row in session.scalars(query)]

    def _append(self, case_id: str, request: RevisionRequest, label: str, classes: dict[str, int]) -> LabelRevision:
        with self._database.writing() as session:
            case = cases.require(session, case_id)
            if case.membership is None:
                fraction = tasks.require(session, case.task).validation_fraction
                case.membership = membership_of(case.subject, fraction)
            row = RevisionRow(
                id=secrets.token_hex(8),
                case=case_id,
                number=next_number(session, case_id),
                label=label,
                classes=classes,
                author=request.author,
                note=request.note,
                origin=request.origin,
                parent=request.parent,
                model_version=request.model_version,
                region=None if request.region is None else request.region.model_dump(mode="json"),
                created=now(),
            )
            session.add(row)
            audit.append(session, "label submitted", row.id, task=case.task, author=request.author)
            session.flush()
            return record(row)


def require(session: Session, revision_id: str) -> RevisionRow:
    """The revision's row; raises NotFoundError."""
    row = session.get(RevisionRow, revision_id)
    if row is None:
        raise NotFoundError(f"There is no label revision with the id {revision_id[:80]!r}.")
    return row


def next_number(session: Session, case_id: str) -> int:
    """The number that the next revision of a case gets."""
    return 1 + (session.scalar(select(func.max(RevisionRow.number)).where(RevisionRow.case == case_id)) or 0)


def _check_references(session: Session, case: CaseRow, request: RevisionRequest) -> None:
    if request.parent is not None and require(session, request.parent).case != case.id:
        raise InputError(
            f"The parent revision {request.parent} belongs to another case. Give one of the case {case.id}."
        )
    if request.model_version is not None:
        version = session.get(ModelVersionRow, request.model_version)
        if version is None:
            raise NotFoundError(f"There is no model version with the id {request.model_version[:80]!r}.")
        if version.task != case.task:
            raise InputError(f"The model version {version.id} belongs to another task than the case {case.id}.")


def _check_region(region: Region | None, grid: Geometry) -> None:
    if region is None:
        return
    inside = len(region.start) == len(region.stop) == grid.ndim and all(
        0 <= a < b <= size for a, b, size in zip(region.start, region.stop, grid.size, strict=True)
    )
    if not inside:
        raise GeometryError(
            f"The annotated region from {region.start} to {region.stop} does not lie in the image of {grid.size} "
            "voxels (i, j, k). Give start and stop within the image, stop after the last voxel."
        )


def _task_values(names: Mapping[str, int], table: ClassTable) -> dict[str, int]:
    return {name: table.value_of(name) for name in names if name.lower() != BACKGROUND}


def record(row: RevisionRow) -> LabelRevision:
    """The revision as a record."""
    return LabelRevision.model_validate(
        {
            "id": row.id,
            "case": row.case,
            "number": row.number,
            "label": row.label,
            "classes": row.classes,
            "author": row.author,
            "note": row.note,
            "origin": row.origin,
            "parent": row.parent,
            "model_version": row.model_version,
            "region": row.region,
            "restored_from": row.restored_from,
            "created": row.created,
        }
    )
