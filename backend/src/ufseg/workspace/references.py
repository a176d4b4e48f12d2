"""What the records of a workspace name: files in the store, and each other."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from ufseg.workspace.store import StoredFile
from ufseg.workspace.tables import (
    Base,
    CaseImageRow,
    CaseRow,
    FileRow,
    JobRow,
    ModelVersionRow,
    RevisionRow,
)


def needed_files(session: Session) -> dict[StoredFile, str]:
    """Every file that a record names, with the record in words; by id, for names may tell who was imaged."""
    needed = {StoredFile(sha, ".nrrd"): "an uploaded file" for sha in session.scalars(select(FileRow.sha256))}
    for case, sha256 in session.execute(select(CaseImageRow.case, CaseImageRow.sha256)):
        needed[StoredFile(sha256, ".nrrd")] = f"an image of the case {case}"
    for revision in session.execute(select(RevisionRow.id, RevisionRow.case, RevisionRow.number, RevisionRow.label)):
        words = f"the label revision {revision.id} (number {revision.number} of the case {revision.case})"
        needed[StoredFile(revision.label, ".nrrd")] = words
    columns = (ModelVersionRow.task, ModelVersionRow.number, ModelVersionRow.weights, ModelVersionRow.description)
    for version in session.execute(select(*columns)):
        words = f"the model version {version.number} of the task {version.task}"
        needed[StoredFile(version.weights, ".safetensors")] = f"the weights of {words}"
        needed[StoredFile(version.description, ".json")] = f"the description of {words}"
    return needed


def broken_references(session: Session) -> Iterator[str]:
    """Sentences about records that name others which do not exist, and about records that must have been lost."""
    yield from _broken_keys(session)
    revisions = set(session.scalars(select(RevisionRow.id)))
    for version, trained_on in session.execute(select(ModelVersionRow.id, ModelVersionRow.trained_on)):
        missing = [r for r in trained_on if r not in revisions]
        if missing:
            yield f"The model version {version} was trained on label revisions that are missing: {', '.join(missing)}."
    files = set(session.scalars(select(FileRow.sha256)))
    for job, result in session.execute(select(JobRow.id, JobRow.result)):
        label = (result or {}).get("label")
        if label is not None and label not in files:
            yield f"The result of the job {job} names the file {label}, of which there is no record."
    yield from _images_of_cases(session)
    yield from _holes(session, "label revisions of the case", select(RevisionRow.case, RevisionRow.number))
    yield from _holes(session, "model versions of the task", select(ModelVersionRow.task, ModelVersionRow.number))


def _broken_keys(session: Session) -> Iterator[str]:
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            other = key.column.table.alias("referenced")
            named = other.c[key.column.name]
            columns = [*table.primary_key.columns, key.parent.label("named")]
            query = select(*columns).outerjoin(other, key.parent == named)
            for row in session.execute(query.where(key.parent.is_not(None), named.is_(None))):
                own = ", ".join(str(value) for value in row[:-1])
                yield (
                    f"The entry {own} of the table {table.name} names {row[-1]} as its {key.parent.name}, which is "
                    f"missing from the table {key.column.table.name}."
                )


def _images_of_cases(session: Session) -> Iterator[str]:
    images: dict[str, list[str]] = {}
    query = select(CaseImageRow.case, CaseImageRow.sha256).order_by(CaseImageRow.case, CaseImageRow.position)
    for case, sha256 in session.execute(query):
        images.setdefault(case, []).append(sha256)
    for case, key in session.execute(select(CaseRow.id, CaseRow.images_key)):
        if ",".join(images.get(case, [])) != key:
            yield f"The case {case} was made of the images {key}, but has {','.join(images.get(case, [])) or 'none'}."


def _holes(session: Session, what: str, numbered: object) -> Iterator[str]:
    """Numbers are given without gaps, so a gap is a record that was lost."""
    numbers: dict[str, list[int]] = {}
    for owner, number in session.execute(numbered):  # type: ignore[call-overload]
        numbers.setdefault(owner, []).append(number)
    for owner, found in numbers.items():
        missing = sorted(set(range(1, max(found) + 1)) - set(found))
        if missing:
            yield f"Of the {what} {owner} these numbers are missing: {', '.join(map(str, missing))}."
