"""What the records of a workspace name: files in the store, and each other."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ufseg.workspace.store import StoredFile
from ufseg.workspace.tables import (
    AuditRow,
    Base,
    CaseImageRow,
    CaseRow,
    ClassRow,
    FileRow,
    GateRuleRow,
    JobRow,
    ModelVersionRow,
    PromotionRow,
    RevisionRow,
    TaskRow,
    TokenRow,
)

# What the audit log says was made, once for each entry.
_MADE = {
    "task created": TaskRow.id,
    "case added": CaseRow.id,
    "label submitted": RevisionRow.id,
    "label restored": RevisionRow.id,
    "training requested": JobRow.id,
    "prediction requested": JobRow.id,
    "version kept": ModelVersionRow.id,
    "version promoted": PromotionRow.model_version,
    "promotion rolled back": PromotionRow.model_version,
    "gate rule changed": GateRuleRow.task,
    "model installed": ModelVersionRow.id,
    "token added": TokenRow.id,
}


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
    yield from _lost_classes(session)
    yield from _told_and_missing(session)


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


def _lost_classes(session: Session) -> Iterator[str]:
    """Label maps and models name classes by name and value, which their task must have."""
    classes: dict[str, set[tuple[str, int]]] = {}
    for task, name, value in session.execute(select(ClassRow.task, ClassRow.name, ClassRow.value)):
        classes.setdefault(task, set()).add((name, value))
    revisions = select(CaseRow.task, RevisionRow.id, RevisionRow.classes).join(CaseRow, CaseRow.id == RevisionRow.case)
    named = [(task, f"label revision {own}", set(found.items())) for task, own, found in session.execute(revisions)]
    versions = session.execute(select(ModelVersionRow.task, ModelVersionRow.id, ModelVersionRow.classes))
    named += [(task, f"model version {own}", {(e["name"], e["value"]) for e in found}) for task, own, found in versions]
    for task, what, found in named:
        if missing := sorted(found - classes.get(task, set())):
            shown = ", ".join(f"{name!r} = {value}" for name, value in missing)
            yield f"The {what} has classes that its task {task} lacks: {shown}."


def _told_and_missing(session: Session) -> Iterator[str]:
    """What the audit log tells of was made in the same transaction, and is never removed."""
    told: dict[tuple[str, str], int] = {}
    for action, subject in session.execute(select(AuditRow.action, AuditRow.subject).order_by(AuditRow.id)):
        if action in _MADE:
            key = _MADE[action].class_.__tablename__, subject
            told[key] = told.get(key, 0) + 1
    for column in dict.fromkeys(_MADE.values()):
        table = column.class_.__tablename__
        there = {own: int(count) for own, count in session.execute(select(column, func.count()).group_by(column))}
        for (of, subject), count in told.items():
            if of == table and there.get(subject, 0) < count:
                yield (
                    f"The audit log tells of {count} entries of the table {table} about {subject}, and "
                    f"{there.get(subject, 0)} are there."
                )
