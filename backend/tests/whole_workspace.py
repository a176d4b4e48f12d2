"""A workspace with something of everything, and ways to hurt it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from workspace_samples import CLASSES, add_case, add_label, add_task, sample, subjects

from ufseg.plans.plan import Plan, ZScore
from ufseg.workspace import ModelVersion, Task, Workspace
from ufseg.workspace.models import NewVersion
from ufseg.workspace.records import Loss, Scores, VersionScores
from ufseg.workspace.store import StoredFile

PLAN = Plan(
    dimension=2, modality="other", spacing=(1, 1), patch_size=(8, 8), batch_size=1, features=(4, 8),
    kernel_sizes=((3, 3), (3, 3)), strides=((1, 1), (2, 2)), normalisation=(ZScore(),), classes=3,
)  # fmt: skip


def fill_with_everything(workspace: Workspace) -> Task:
    """Two cases, three revisions, two versions, two promotions and a job."""
    task = add_task(workspace)
    first, second = (add_case(workspace, task, n, s) for n, s in enumerate(subjects("training", 2)))
    add_label(workspace, first, sample(0).label)
    add_label(workspace, first, sample(2).label)
    add_label(workspace, second, sample(1).label)
    trained_on = tuple(r.id for r in workspace.revisions.latest(task.id, "training"))
    parent = None
    for content in (b"first", b"second"):
        parent = add_version(workspace, task, content, parent, trained_on).id
    workspace.jobs.create(task.id, "training", {})
    return task


def add_version(
    workspace: Workspace, task: Task, content: bytes, parent: str | None = None, trained_on: tuple[str, ...] = ()
) -> ModelVersion:
    """A promoted model version with `content` as its weights."""
    new = NewVersion(
        task=task.id,
        parent=parent,
        weights=workspace.store.add_bytes(content, ".safetensors"),
        description=workspace.store.add_bytes(b"about " + content, ".json"),
        plan=PLAN,
        classes=CLASSES.entries,
        trained_on=trained_on,
        loss=Loss(name="asymmetric-unified-focal"),
        scores=VersionScores(validation=Scores(cases=0, mean=None, per_class={})),
        gate=None,
    )
    return workspace.models.add(new, "better", parent)[0]


def records(workspace: Workspace) -> list[object]:
    """Everything that a workspace says it holds, but for the files."""
    found: list[object] = [*workspace.tasks.all(), *workspace.jobs.all()]
    for task in workspace.tasks.all():
        for case in workspace.cases.of_task(task.id):
            found += [case, *workspace.revisions.of_case(case.id)]
        found += [*workspace.models.of_task(task.id), *workspace.models.promotions(task.id)]
    return found


def flip_a_bit(path: Path, place: int = -1) -> None:
    """Damage a file as a failing disk does: its size stays."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.unlink()  # it may be linked to the workers' copies
    path.write_bytes(content)


def stored(workspace: Workspace, sha256: str, suffix: str = ".nrrd") -> Path:
    """Where a stored file lies."""
    return workspace.store.place(StoredFile(sha256, suffix))


def unprotected(folder: Path, *statements: str) -> None:
    """Run SQL on the SQLite file of a closed workspace after taking every protection away, as a bad tool would."""
    with closing(sqlite3.connect(folder / "workspace.sqlite")) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
