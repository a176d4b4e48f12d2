"""The whole loop on synthetic volumes, with a real backend in a workspace of its own; also inside the application."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import slicer
import slicer.util

from .backend_process import default_python
from .case_nodes import CASE
from .client import Json
from .logic import FocalSegLogic

_SHAPE = (16, 20, 24)
_CLASSES = [{"name": "bright", "value": 1}, {"name": "dark", "value": 4}]
_EPOCHS = 2


def the_loop(python: str | os.PathLike | None = None) -> str:
    """Label, train, segment, correct, save, retrain, promote, roll back and reopen, with the backend that is set up.

    Args:
        python: the backend's interpreter; `default_python` if None.

    Returns:
        Why it was left out; empty if it was not.

    Raises:
        FocalSegError: a step failed, with its sentence.
        AssertionError: a step gave something else than it should.
    """
    chosen = python or default_python()
    if chosen is None:
        return "Left out: the backend is not set up. Press “Download and install” in the module, then test again."
    with tempfile.TemporaryDirectory(prefix="UnifiedFocalSegTest-") as folder:
        logic = FocalSegLogic()
        try:
            logic.start_backend(os.path.join(folder, "workspace"), chosen, wait=True)
            _run(logic)
        finally:
            logic.close(wait=True)
    return ""


def _run(logic: FocalSegLogic) -> None:
    # Without validation cases the choice is the person's, so that promotion and rollback can be asked for.
    task = logic.create_task("Self-test", "MRI", _CLASSES, validation_fraction=0.0, wait=True).result
    for seed in range(2):
        _label(logic, task, seed)
    first = logic.retrain(task, epochs=_EPOCHS, wait=True).result
    _expect(_used(logic, task), first["model_version"])

    volume, label = _study(2)
    segmentation = logic.segment(volume, task, wait=True).result
    names = [segment["name"] for segment in _CLASSES]
    data = segmentation.GetSegmentation()
    _expect([data.GetNthSegment(n).GetName() for n in range(data.GetNumberOfSegments())], names)
    _paint(segmentation, volume, label)
    saved = logic.submit_correction(segmentation, volume, author="self-test", wait=True).result
    _expect((saved["number"], saved["origin"]), (1, "corrected"))

    second = logic.retrain(task, epochs=_EPOCHS, wait=True).result
    if not second["promoted"]:
        logic.promote(task, second["model_version"], reason="self-test", wait=True)
    _expect(_used(logic, task), second["model_version"])
    logic.rollback(task, reason="self-test", wait=True)
    _expect(_used(logic, task), first["model_version"])

    opened = logic.open_case(segmentation.GetAttribute(CASE), saved["id"], wait=True).result
    for entry in _CLASSES:
        np.testing.assert_array_equal(_mask(opened, volume, entry["name"]), label == entry["value"])


def _study(seed: int) -> tuple[object, np.ndarray]:
    """A volume node with a bright and a dark box in noise, and its label map."""
    random = np.random.default_rng(seed)
    label = np.zeros(_SHAPE, np.uint8)
    k, j, i = random.integers(2, 6, 3)
    label[k : k + 6, j : j + 6, i : i + 6] = 1
    label[k : k + 6, j + 7 : j + 12, i + 7 : i + 12] = 4
    image = random.normal(400, 20, _SHAPE) + 200.0 * (label == 1) - 200.0 * (label == 4)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"self-test {seed}")
    slicer.util.updateVolumeFromArray(volume, image.astype(np.int16))
    return volume, label


def _label(logic: FocalSegLogic, task: Json, seed: int) -> None:
    volume, label = _study(seed)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"self-test {seed} by hand")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    _paint(node, volume, label)
    logic.submit_correction(node, volume, author="self-test", task=task, subject=str(seed), wait=True)


def _paint(node: object, volume: object, label: np.ndarray) -> None:
    """Put the true label in, by Slicer's own call."""
    data = node.GetSegmentation()
    for entry in _CLASSES:
        segment = data.GetSegmentIdBySegmentName(entry["name"]) or data.AddEmptySegment("", entry["name"])
        mask = (label == entry["value"]).astype(np.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)


def _mask(node: object, volume: object, name: str) -> np.ndarray:
    segment = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume).astype(bool)


def _used(logic: FocalSegLogic, task: Json) -> str:
    return logic.fetch("task", task["id"], wait=True).result["promoted"]


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{found} instead of {wanted}")
