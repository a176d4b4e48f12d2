"""What was changed between revisions of a case, and going back to an earlier one."""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from ufseg.errors import ConflictError, InputError
from ufseg.images.case_files import Region
from ufseg.images.class_table import ClassTable
from ufseg.workspace import audit, cases, tasks
from ufseg.workspace.database import Database, now
from ufseg.workspace.files import Files
from ufseg.workspace.records import ClassChange, LabelRevision, RevisionDiff
from ufseg.workspace.revisions import next_number, record, require
from ufseg.workspace.tables import RevisionRow

_VALUES = 256


class History:
    """The revisions of cases, one beside another."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    def diff(self, revision_id: str, against: str | None = None) -> RevisionDiff:
        """What a revision changed.

        Args:
            revision_id: the later revision.
            against: the earlier one, of the same case; None takes the parent, the revision before it where it has no
                parent, and an empty label map where it is the first.

        Raises:
            NotFoundError: no such revision.
            InputError: they are of different cases.
            DamagedFileError: a stored label map is damaged.
        """
        with self._database.reading() as session:
            later = require(session, revision_id)
            earlier = _earlier(session, later, against)
            case = cases.require(session, later.case)
            table = tasks.class_table(session, case.task)
            labels = (later.label, None if earlier is None else earlier.label)
        new = self._read(labels[0])
        old = np.zeros_like(new) if labels[1] is None else self._read(labels[1])
        changed, region = _changed(old, new)
        return RevisionDiff(
            revision=revision_id,
            against=None if earlier is None else earlier.id,
            changed=changed,
            region=region,
            per_class=_per_class(old, new, table),
        )

    def restore(self, revision_id: str, author: str, note: str = "") -> LabelRevision:
        """Put an earlier revision back: as a new, newest one with the same label map. Nothing is taken away.

        Args:
            revision_id: what to put back.
            author: who does so.
            note: why.

        Raises:
            NotFoundError: no such revision.
            ConflictError: it is the newest already.
            DamagedFileError: its stored label map is damaged.
        """
        with self._database.reading() as session:
            label = require(session, revision_id).label
        self._files.verified(label)
        with self._database.writing() as session:
            source = require(session, revision_id)
            number = next_number(session, source.case)
            newest = select(RevisionRow).where(RevisionRow.case == source.case, RevisionRow.number == number - 1)
            parent = session.scalars(newest).one()
            if parent.label == source.label and parent.classes == source.classes and parent.region == source.region:
                raise ConflictError(
                    f"The revision {source.number} of the case {source.case} is what its newest one, "
                    f"{parent.number}, says already; nothing was changed."
                )
            row = RevisionRow(
                id=secrets.token_hex(8),
                case=source.case,
                number=number,
                label=source.label,
                classes=source.classes,
                author=author,
                note=note,
                origin="restored",
                parent=parent.id,
                model_version=source.model_version,
                region=source.region,
                created=now(),
                restored_from=source.id,
            )
            session.add(row)
            task = cases.require(session, source.case).task
            audit.append(session, "label restored", row.id, task=task, author=author)
            session.flush()
            return record(row)

    def _read(self, sha256: str) -> NDArray[np.uint8]:
        from ufseg.images.reading import read_label_map  # SimpleITK is slow to import

        array: NDArray[np.uint8] = read_label_map(self._files.verified(sha256)).array
        return array


def _earlier(session: Session, later: RevisionRow, against: str | None) -> RevisionRow | None:
    if against is not None or later.parent is not None:
        earlier = require(session, against or later.parent or "")
        if earlier.case != later.case:
            raise InputError(
                f"The revisions {later.id} and {earlier.id} belong to different cases. Compare two of one case."
            )
        return earlier
    before = select(RevisionRow).where(RevisionRow.case == later.case, RevisionRow.number == later.number - 1)
    return session.scalars(before).first()


def _changed(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> tuple[int, Region | None]:
    """How many voxels differ, and the box around them in voxels i, j(, k)."""
    differs = old != new
    count = int(np.count_nonzero(differs))
    if not count:
        return 0, None
    start, stop = [], []
    for axis in reversed(range(differs.ndim)):
        others = tuple(a for a in range(differs.ndim) if a != axis)
        places = np.flatnonzero(differs.any(axis=others))
        start.append(int(places[0]))
        stop.append(int(places[-1]) + 1)
    return count, Region(start=tuple(start), stop=tuple(stop))


def _per_class(old: NDArray[np.uint8], new: NDArray[np.uint8], table: ClassTable) -> dict[str, ClassChange]:
    # Voxels by their class before and after: [before, after], slice by slice, for bincount makes 8-byte copies.
    counts = np.zeros(_VALUES * _VALUES, np.int64)
    for one, other in zip(old, new, strict=True):
        counts += np.bincount((one.astype(np.int64) * _VALUES + other).reshape(-1), minlength=_VALUES * _VALUES)
    pairs = counts.reshape(_VALUES, _VALUES)
    changes = {}
    for entry in table.entries:
        before, voxels = int(pairs[entry.value].sum()), int(pairs[:, entry.value].sum())
        both = int(pairs[entry.value, entry.value])
        changes[entry.name] = ClassChange(
            voxels=voxels,
            before=before,
            added=voxels - both,
            removed=before - both,
            dice=2 * both / (before + voxels) if before + voxels else None,
        )
    return changes
