"""Writes a small workspace of the installed ufseg as an SQL dump and its files, for the tests of migrations.

Run once for every released schema version, ``python make.py NUMBER``; what it has written is never changed again.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.plans.plan import Plan, ZScore
from ufseg.workspace import Workspace
from ufseg.workspace.models import NewVersion
from ufseg.workspace.records import Loss, Scores, VersionScores
from ufseg.workspace.revisions import RevisionRequest

GRID = Geometry(size=(5, 4), spacing=(1.0, 1.5), origin=(5.0, -7.0), direction=(1.0, 0.0, 0.0, 1.0))
PLAN = Plan(
    dimension=2, modality="other", spacing=(1, 1), patch_size=(8, 8), batch_size=1, features=(4, 8),
    kernel_sizes=((3, 3), (3, 3)), strides=((1, 1), (2, 2)), normalisation=(ZScore(),), classes=3,
)  # fmt: skip


def fill(workspace: Workspace) -> None:
    """Two tasks, four cases on both sides, five revisions, three versions, four promotions, one job."""
    classes = ClassTable.of({"organ": 1, "lesion": 3})
    rng = np.random.default_rng(4)
    for number, name in enumerate(("Knee", "Hip")):
        task = workspace.tasks.create(name, "other", ["image"], classes, 0.5)
        revisions = []
        for subject in ("Anna", "Bert"):
            image = workspace.files.add_image(Image(rng.normal(size=(1, 4, 5)).astype(np.float32), GRID))
            case, _ = workspace.cases.add(task.id, f"case of {subject}", subject, [image.sha256])
            for author in ("reader", "expert")[: 1 + (number == 0 and subject == "Anna")]:
                label = workspace.files.add_image(Image(rng.choice(np.uint8([0, 1, 3]), (1, 4, 5)), GRID))
                request = RevisionRequest(
                    label=label.sha256,
                    classes={"organ": 1, "lesion": 3},
                    author=author,
                    parent=revisions[-1] if author == "expert" else None,
                    origin="corrected" if author == "expert" else "manual",
                )
                revisions.append(workspace.revisions.submit(case.id, request).id)
        parent = None
        for step in range(2 - number):
            content = f"weights {number} {step}".encode()
            new = NewVersion(
                task=task.id,
                parent=parent,
                weights=workspace.store.add_bytes(content, ".safetensors"),
                description=workspace.store.add_bytes(b'{"about": "' + content + b'"}', ".json"),
                plan=PLAN,
                classes=classes.entries,
                trained_on=tuple(revisions),
                loss=Loss(name="asymmetric-unified-focal", options={"weight": 0.5}),
                scores=VersionScores(validation=Scores(cases=1, mean=0.8, per_class={"organ": 0.9, "lesion": None})),
                gate={"outcome": "promote", "reason": "better"},
            )
            parent = workspace.models.add(new, "better", parent)[0].id
        if number == 0:
            workspace.models.rollback(task.id, "worse on my cases", "expert")
            workspace.jobs.create(task.id, "training", {"epochs": 1})


def main() -> None:
    """Write ``NUMBER.sql`` and its files beside this program."""
    target = Path(__file__).parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Workspace(folder) as workspace:
            fill(workspace)
        with closing(sqlite3.connect(folder / "workspace.sqlite")) as connection:
            (target / f"{sys.argv[1]}.sql").write_text("\n".join(connection.iterdump()) + "\n", encoding="utf-8")
        shutil.copytree(folder / "files", target / "files", dirs_exist_ok=True)


if __name__ == "__main__":
    main()
