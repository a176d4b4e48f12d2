"""Checks that run inside the application too: on its scene, and the loop with the backend that is set up."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util

from .classes import read_classes
from .errors import SceneError
from .geometry import Geometry, to_vtk
from .nrrd import decode, encode
from .scene import label_to_segmentation, volume_image
from .scripting import OFFERED
from .segmentation_export import segmentation_to_label
from .self_test_loop import the_loop

_CLASSES = read_classes([{"value": 4, "name": "one"}, {"value": 2, "name": "two"}])


def _oblique_volume():
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    geometry = Geometry((12, 10, 8), (0.7, 0.7, 3.0), (-20.0, 31.0, 5.5), tuple(turn.reshape(-1)))
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "oblique")
    slicer.util.updateVolumeFromArray(volume, np.arange(960, dtype=np.int16).reshape(8, 10, 12))
    volume.SetIJKToRASMatrix(to_vtk(geometry.ijk_to_ras))
    return volume


def wire_keeps_voxels_and_grid():
    """An oblique volume is the same after it was sent and received."""
    array, geometry = volume_image(_oblique_volume())
    again, where = decode(encode(array, geometry))
    np.testing.assert_array_equal(again, array)
    assert where.difference(geometry) is None


def label_returns_to_the_same_voxels():
    """A label map becomes a segmentation and the same label map again, whatever the order of the segments."""
    volume = _oblique_volume()
    label = np.zeros((8, 10, 12), np.uint8)
    label[2:5, 3:6, 4:9], label[6, 7, 8] = 4, 2
    node = label_to_segmentation(label, _CLASSES, volume)
    data = node.GetSegmentation()
    data.SetSegmentIndex(data.GetSegmentIdBySegmentName("one"), 0)
    exported, _ = segmentation_to_label(node, volume, _CLASSES)
    np.testing.assert_array_equal(exported, label)


def unknown_segment_is_refused():
    """A segment whose name is no class is not saved silently as something else."""
    volume = _oblique_volume()
    node = label_to_segmentation(np.zeros((8, 10, 12), np.uint8), _CLASSES, volume)
    node.GetSegmentation().AddEmptySegment("", "Segment_3")
    try:
        segmentation_to_label(node, volume, _CLASSES)
    except SceneError as error:
        if "Segment_3" in str(error):
            return
        raise
    raise AssertionError("the segment was not refused")


def functions_for_scripts_are_there():
    """`slicer.modules.unifiedfocalseg.logic()` has the functions of the Python logic."""
    logic = slicer.modules.unifiedfocalseg.logic()
    missing = [name for name in OFFERED if not callable(getattr(logic, name, None))]
    if missing:
        raise AssertionError(f"not there: {', '.join(missing)}")


CHECKS = (
    wire_keeps_voxels_and_grid,
    label_returns_to_the_same_voxels,
    unknown_segment_is_refused,
    functions_for_scripts_are_there,
    the_loop,
)


def run_all(show) -> None:
    """Run every check on an empty scene; `show` takes a sentence for the person who watches."""
    for check in CHECKS:
        slicer.mrmlScene.Clear()
        show(f"{check.__name__}: {check.__doc__.splitlines()[0]}")
        left_out = check()
        if left_out:
            show(left_out)
    show("All checks passed")
