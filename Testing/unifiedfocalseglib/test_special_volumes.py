"""Volumes that are not one plain grid of grey voxels: time series, colour, cropped, moved, files of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

import phantom
from geometries import FILES, SYNTHETIC, read_file, scribble
from nodes import add_segmentation, add_volume, paint, painted
from UnifiedFocalSegLib.classes import read_classes
from UnifiedFocalSegLib.errors import FocalSegError, SceneError
from UnifiedFocalSegLib.geometry import to_vtk
from UnifiedFocalSegLib.scene import label_to_segmentation, labelmap_array, volume_image
from UnifiedFocalSegLib.segmentation_export import segmentation_to_label

CLASSES = read_classes([{"value": 1, "name": "cord"}, {"value": 2, "name": "other"}])
# Label maps of the folder, each with its image.
MASKS = {"sct_t1_cord.nii.gz": "sct_t1.nii.gz", "sct_t2_cord.nii.gz": "sct_t2.nii.gz"}
MASKS["sct_t2s_gm.nii.gz"] = "sct_t2s.nii.gz"
# ITK, and so Slicer, reads no NIfTI-2.
UNREADABLE = {"example_nifti2.nii.gz"}


@pytest.fixture
def series(scene):
    """A time series as Slicer loads it: the sequence, its browser and the volume that shows one time point."""
    sequences = slicer.vtkSlicerSequencesLogic()
    sequences.SetMRMLScene(scene)  # makes its nodes known
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "4D")
    for time in range(3):
        volume = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(volume, phantom.study(time)[0])
        volume.SetIJKToRASMatrix(to_vtk(phantom.study(time)[2].ijk_to_ras))
        sequence.SetDataNodeAtValue(volume, str(time))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.AddSynchronizedSequenceNode(sequence)

    def show(time: int):
        browser.SetSelectedItemNumber(time)
        sequences.UpdateProxyNodesFromSequences(browser)
        return browser.GetProxyNode(sequence)

    return sequence, show


def test_every_file_of_the_folder_is_looked_at(shared_data):
    assert {path.name for path in (shared_data / "geometry").glob("*.n*")} == {*FILES, *MASKS, *UNREADABLE}


@pytest.mark.parametrize("name", MASKS)
def test_a_label_file_lands_on_its_image(scene, shared_data, name):
    folder = shared_data / "geometry"
    array, geometry = read_file(folder / MASKS[name])
    volume = add_volume(scene, array, geometry)
    mask, where = read_file(folder / name)
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "mask")
    slicer.util.updateVolumeFromArray(labelmap, mask)
    labelmap.SetIJKToRASMatrix(to_vtk(where.ijk_to_ras))
    node = label_to_segmentation(labelmap_array(labelmap, volume), CLASSES, volume)
    np.testing.assert_array_equal(painted(node, volume, "cord"), mask == 1)
    exported, _ = segmentation_to_label(node, volume, CLASSES)
    np.testing.assert_array_equal(exported, mask)


@pytest.mark.parametrize("name", ["oblique, anisotropic, left-handed", "axes permuted (sagittal)"])
def test_a_cropped_volume_and_the_whole_agree(scene, name):
    """What is segmented on a part lies in the same place of the whole."""
    geometry = SYNTHETIC[name]
    image = np.random.default_rng(0).integers(0, 99, geometry.array_shape).astype(np.int16)
    whole = add_volume(scene, image, geometry, "whole")
    start, stop = (3, 2, 1), (11, 9, 8)
    box = tuple(slice(a, b) for a, b in zip(reversed(start), reversed(stop), strict=True))
    part = add_volume(scene, image[box].copy(), geometry.part(start, stop), "part")
    label = (scribble(volume_image(part)[0].shape, 2) > 0).astype(np.uint8)
    node = label_to_segmentation(label, CLASSES, part)
    seen = np.zeros(geometry.array_shape, bool)
    seen[box] = label > 0
    np.testing.assert_array_equal(painted(node, whole, "cord"), seen)
    exported, _ = segmentation_to_label(node, whole, CLASSES)
    np.testing.assert_array_equal(exported > 0, seen)


def test_a_volume_under_two_transforms(scene):
    """Turned, stretched and sheared by parents: the voxels are the volume's own."""
    image, label, geometry = phantom.study(0)
    volume = add_volume(scene, image, geometry)
    outer = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "outer")
    inner = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "inner")
    inner.SetAndObserveTransformNodeID(outer.GetID())
    matrix = np.array([[0.9, -0.3, 0.1, 8.0], [0.2, 1.2, 0.0, -3.0], [0.0, 0.1, 0.8, 40.0], [0, 0, 0, 1.0]])
    for transform in (outer, inner):
        transform.SetMatrixTransformToParent(to_vtk(matrix))
    volume.SetAndObserveTransformNodeID(inner.GetID())
    classes = read_classes(phantom.CLASSES)
    node = label_to_segmentation(label, classes, volume)
    assert node.GetTransformNodeID() == inner.GetID()
    np.testing.assert_array_equal(painted(node, volume, "dark"), label == 4)
    exported, where = segmentation_to_label(node, volume, classes)
    np.testing.assert_array_equal(exported, label)
    assert where.difference(geometry) is None


def test_voxels_that_do_not_begin_at_zero(scene):
    """Image data cut out by a VTK filter keep their old indices."""
    geometry = SYNTHETIC["oblique"]
    image = np.random.default_rng(0).integers(0, 99, geometry.array_shape).astype(np.int16)
    volume = add_volume(scene, image, geometry)
    clip = vtk.vtkExtractVOI()
    clip.SetInputData(volume.GetImageData())
    clip.SetVOI(3, 10, 2, 8, 1, 7)
    clip.Update()
    volume.SetAndObserveImageData(clip.GetOutput())
    assert clip.GetOutput().GetExtent()[0] == 3
    sent, where = volume_image(volume)
    np.testing.assert_array_equal(sent, image[1:8, 2:9, 3:11])
    assert where.difference(geometry.part((3, 2, 1), (11, 9, 8))) is None


def test_of_a_time_series_the_time_point_that_is_shown_is_segmented(logic, series):
    sequence, show = series
    for time in (0, 2):
        proxy = show(time)
        np.testing.assert_array_equal(volume_image(proxy)[0], phantom.study(time)[0])
    with pytest.raises(SceneError, match="of a time series, choose the volume that shows one time point"):
        volume_image(sequence)
    logic.install_model("a-phantom-mri", wait=True)
    node = logic.segment(show(1), "Phantom MRI", wait=True).result
    case = logic.fetch("case", node.GetAttribute("UnifiedFocalSeg.Case"), wait=True).result
    assert case["name"] == "4D"

    operation = logic.segment(show(2), "Phantom MRI")
    logic.process_events()
    show(0)
    with pytest.raises(FocalSegError, match=r"was changed in the meantime\. Segment it again"):
        logic.wait(operation)


def test_a_colour_volume_for_a_grey_task_is_refused_in_words(logic, scene):
    logic.install_model("a-phantom-mri", wait=True)
    colour = add_volume(scene, np.zeros((4, 5, 6, 3), np.uint8), name="photo")
    with pytest.raises(FocalSegError, match=r"photo has 3 channels, but Phantom MRI needs 1 \(MRI\)"):
        logic.segment(colour, "Phantom MRI", wait=True)


def test_replacing_keeps_place_transform_and_origin_of_what_was_there(logic, scene):
    logic.install_model("a-phantom-mri", wait=True)
    image, label, geometry = phantom.study(0)
    volume = add_volume(scene, image, geometry, "T1")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.CreateItem(study, volume)
    node = add_segmentation(scene, volume, "mine")
    node.SetAndObserveTransformNodeID(transform.GetID())
    hierarchy.CreateItem(study, node)
    paint(node, volume, "dark", label == 4)
    paint(node, volume, "my own", label == 1)
    assert logic.segment(volume, "Phantom MRI", output=node, wait=True).result is node
    kept = slicer.util.getNode("mine before")
    np.testing.assert_array_equal(painted(kept, volume, "my own"), label == 1)
    assert kept.GetTransformNodeID() == transform.GetID()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(kept)) == study
    assert kept.GetAttribute("UnifiedFocalSeg.Case") is None, "it was not made by the model"
    assert node.GetAttribute("UnifiedFocalSeg.Case")
    logic.segment(volume, "Phantom MRI", output=node, wait=True)
    again = slicer.util.getNode("mine before_1")
    assert again.GetAttribute("UnifiedFocalSeg.Case") == node.GetAttribute("UnifiedFocalSeg.Case")
    with pytest.raises(FocalSegError, match="T1 is a Volume, not a segmentation"):
        logic.segment(volume, "Phantom MRI", output=volume, wait=True)


def test_an_output_that_is_deleted_meanwhile_does_not_lose_the_result(logic, scene):
    logic.install_model("a-phantom-mri", wait=True)
    volume = add_volume(scene, *phantom.study(0)[::2], "T1")
    node = add_segmentation(scene, volume, "mine")
    operation = logic.segment(volume, "Phantom MRI", output=node)
    logic.process_events()
    scene.RemoveNode(node)
    assert logic.wait(operation).GetName() == "T1 segmentation"
