"""Import of dataset folders beside a running service."""

from __future__ import annotations

import sys

import pytest

import phantom
from datasets import write_dataset
from submissions import new_task
from UnifiedFocalSegLib.errors import FocalSegError, OperationCancelled
from UnifiedFocalSegLib.logic import FocalSegLogic


def test_a_backend_that_somebody_else_started_reads_no_folders(logic, tmp_path):
    task = new_task(logic, phantom.CLASSES)
    with pytest.raises(FocalSegError, match=f"ufseg cases import {task['id']} FOLDER"):
        logic.import_folder(task, tmp_path, wait=True)


def test_what_was_imported_before_a_cancel_stays_and_the_rest_follows(scene, tmp_path):
    logic = FocalSegLogic()
    logic.start_backend(tmp_path / "workspace", sys.executable, device="cpu", wait=True)
    task = new_task(logic, phantom.CLASSES)
    folder = write_dataset(tmp_path / "data", 12)
    operation = logic.import_folder(task, folder, author="A. Reader")
    operation.changed.connect(lambda o: o.cancel() if o.stage.startswith("Importing case 3") else None)
    with pytest.raises(OperationCancelled):
        logic.wait(operation, 120)
    before = logic.case_rows(task, wait=True).result
    assert 2 <= len(before) <= 12
    outcome = logic.import_folder(task, folder, author="A. Reader", wait=True).result
    assert outcome == {"imported": 12, "of": 12, "refused": [], "warnings": []}
    rows = logic.case_rows(task, wait=True).result
    assert [(row.revisions, row.author) for row in rows] == [(1, "A. Reader")] * 12
    for _again in range(2):
        node = logic.open_case(rows[0].id, wait=True).result
    saved = logic.submit_correction(node, author="B. Reader", wait=True).result
    assert (saved["case"], saved["number"]) == (rows[0].id, 2)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
    with pytest.raises(FocalSegError, match="There is no dataset folder"):
        logic.import_folder(task, tmp_path / "nowhere", wait=True)
    logic.close(wait=True)
