"""A disk that is really full: a tmpfs of a few hundred kilobytes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from small_disk import small_disk_at
from workspace_samples import CLASSES, GRID, add_case, add_label, add_task, sample

from ufseg.errors import StorageError
from ufseg.images.image import Image
from ufseg.workspace import Workspace


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", "600k") as folder:
        yield folder


def _fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb") as stream:
        stream.write(b"0" * shutil.disk_usage(folder).free)
    return ballast


def _add_tasks(workspace: Workspace, count: int) -> None:
    for number in range(count):  # several, since the write-ahead log may have some room left
        workspace.tasks.create(f"Task {number}", "other", ["x" * 4000], CLASSES)


def test_a_full_disk_refuses_files_and_rows_with_the_numbers_and_loses_nothing(small_disk: Path) -> None:
    with Workspace(small_disk / "workspace") as workspace:
        task = add_task(workspace)
        case = add_case(workspace, task, 0, "s")
        kept = add_label(workspace, case, sample(0).label)
        ballast = _fill(small_disk)
        for number in range(3):
            with pytest.raises(StorageError, match=r"full"):
                workspace.files.add_image(Image(sample(10 + number).image, GRID))
        with pytest.raises(StorageError, match=r"are needed and \d+ bytes are free"):
            _add_tasks(workspace, 200)
        assert workspace.revisions.of_case(case.id) == [kept]
        ballast.unlink()
        second = add_label(workspace, case, sample(1).label)
        assert [r.id for r in workspace.revisions.of_case(case.id)] == [kept.id, second.id]
    with closing(sqlite3.connect(small_disk / "workspace" / "workspace.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_what_does_not_fit_leaves_nothing_behind(small_disk: Path) -> None:
    with Workspace(small_disk / "workspace") as workspace:
        too_large = Image(np.zeros((1, 2000, 2000), np.float32), GRID.model_copy(update={"size": (2000, 2000)}))
        with pytest.raises(StorageError, match=r"full: 160\d{5} bytes are needed and \d+ bytes are free"):
            workspace.files.add_image(too_large)
        assert list((workspace.folder / "incoming").iterdir()) == []
        assert workspace.tasks.all() == []
