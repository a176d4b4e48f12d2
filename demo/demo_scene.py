"""The demo's user: loads volumes into a real MRML scene and works through the module's own logic."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import slicer
import slicer.util
from numpy.typing import NDArray

from ufseg.cli.console import ProgressDisplay
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap
from ufseg.progress import Progress
from UnifiedFocalSegLib.classes import read_classes
from UnifiedFocalSegLib.logic import FocalSegLogic
from UnifiedFocalSegLib.operation import Operation
from UnifiedFocalSegLib.scene import label_to_segmentation, labelmap_array, volume_geometry, volume_image
from UnifiedFocalSegLib.segmentation_export import segmentation_to_label

POLL_SECONDS = 0.02


class DemoUser:
    """One person at one computer, with a task.

    Args:
        logic: connected to a backend.
        task: as the backend describes it.
        classes: the task's class table.
        author: written into the label revisions.
    """

    def __init__(self, logic: FocalSegLogic, task: dict[str, Any], classes: ClassTable, author: str) -> None:
        self._logic = logic
        self._task = task
        self._classes = classes
        self._author = author

    def load(self, case: CaseFiles) -> list[Any]:
        """Volume nodes of the case's channels."""
        return [slicer.util.loadVolume(str(path), {"name": f"{case.id} {n}"}) for n, path in enumerate(case.images)]

    def reference(self, case: CaseFiles, volume: Any) -> LabelMap:
        """The case's reference label map, loaded by Slicer like the image it belongs to.

        Slicer turns the voxel axes of some files when it loads them; loaded alike, image and labels stay together.
        """
        node = slicer.util.loadLabelVolume(str(case.label))
        label = LabelMap(labelmap_array(node, volume), self._grid(volume))
        self._forget(node)
        self._classes.check_values(label.values(), f"The label map of {case.id}")
        return label

    def look(self, case: CaseFiles) -> tuple[NDArray[Any], LabelMap]:
        """First channel and reference label map of a case, as they lie in the scene."""
        volumes = self.load(case)
        seen = volume_image(volumes[0])[0].copy(), self.reference(case, volumes[0])
        self._forget(*volumes)
        return seen

    def submit_reference(self, case: CaseFiles) -> dict[str, Any]:
        """Put the reference into the scene as a segmentation and save it as the case's first label revision."""
        volumes = self.load(case)
        entries = read_classes(self._task["classes"])
        segmentation = label_to_segmentation(self.reference(case, volumes[0]).array, entries, volumes[0])
        saved = self._submit(segmentation, volumes, case, origin="imported", note="reference label")
        self._forget(segmentation, *volumes)
        return saved

    def segment(self, case: CaseFiles, show: ProgressDisplay | None = None) -> LabelMap:
        """Segment the case in the scene with the model in use; the label map is read back from the scene."""
        volumes = self.load(case)
        segmentation = self.watch(self._logic.segment(volumes, self._task, subject=case.subject), show)
        label = self._read(segmentation, volumes[0])
        self._forget(segmentation, *volumes)
        return label

    def segment_and_correct(self, case: CaseFiles) -> tuple[int, dict[str, Any]]:
        """Segment the case, replace the segments by the reference in the scene, and save that as a correction.

        Returns:
            Number of voxels whose class was changed, and the saved label revision.
        """
        volumes = self.load(case)
        segmentation = self.watch(self._logic.segment(volumes, self._task, subject=case.subject))
        before = self._read(segmentation, volumes[0]).array
        reference = self.reference(case, volumes[0]).array
        for entry in self._classes.entries:
            self._replace(segmentation, volumes[0], entry.name, reference == entry.value)
        after = self._read(segmentation, volumes[0]).array
        if not np.array_equal(after, reference):
            raise RuntimeError(f"The segments of {case.id} in the scene are not what was painted.")
        saved = self._submit(segmentation, volumes, case, note="correction taken from the reference label")
        self._forget(segmentation, *volumes)
        return int((before != after).sum()), saved

    def retrain(self, budget_seconds: float, show: ProgressDisplay) -> dict[str, Any]:
        """Train the next version; the job's result."""
        result: dict[str, Any] = self.watch(
            self._logic.retrain(self._task, budget_seconds=budget_seconds, author=self._author), show
        )
        return result

    def watch(self, operation: Operation, show: ProgressDisplay | None = None) -> Any:
        """Run the event loop, as Slicer's timer does, until the operation ends; its result."""
        while operation.running:
            self._logic.process_events()
            if show is not None:
                show(
                    Progress(operation.fraction, operation.stage or "waiting", operation.eta_seconds, operation.scalars)
                )
            time.sleep(POLL_SECONDS)
        return self._logic.wait(operation)

    def _submit(self, segmentation: Any, volumes: list[Any], case: CaseFiles, **options: str) -> dict[str, Any]:
        operation = self._logic.submit_correction(
            segmentation, volumes, task=self._task, subject=case.subject, author=self._author, **options
        )
        saved: dict[str, Any] = self.watch(operation)
        return saved

    def _read(self, segmentation: Any, volume: Any) -> LabelMap:
        label, _ = segmentation_to_label(segmentation, volume, read_classes(self._task["classes"]))
        return LabelMap(label, self._grid(volume))

    def _grid(self, volume: Any) -> Geometry:
        grid = volume_geometry(volume)
        return Geometry(size=grid.size, spacing=grid.spacing, origin=grid.origin, direction=grid.direction)

    def _replace(self, segmentation: Any, volume: Any, name: str, mask: NDArray[np.bool_]) -> None:
        segment = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), segmentation, segment, volume)

    def _forget(self, *nodes: Any) -> None:
        for node in nodes:
            slicer.mrmlScene.RemoveNode(node)
