"""Volumes and label maps between the scene and arrays."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from geometries import FILES, SYNTHETIC, grid, read_file, scribble
from nodes import add_segmentation, add_volume, paint, painted, segment_names
from UnifiedFocalSegLib.classes import read_classes
from UnifiedFocalSegLib.errors import SceneError
from UnifiedFocalSegLib.geometry import to_vtk
from UnifiedFocalSegLib.identity import subject_of
from UnifiedFocalSegLib.scene import label_to_segmentation, labelmap_array, volume_image
from UnifiedFocalSegLib.segmentation_export import segmentation_to_label

# Values with gaps and an order other than that of the names, so that numbering by position would show.
CLASSES = read_classes(
    [
        {"value": 7, "name": "anterior", "color": (200, 10, 20)},
        {"value": 2, "name": "posterior", "terminology": "a~b^c^d~e^f^g~^^~h~^^~^^"},
        {"value": 5, "name": "lesion"},
    ]
)
VALUES = {c.name: c.value for c in CLASSES}


def _label(shape, seed=0) -> np.ndarray:
    return np.array([0, 2, 5, 7], dtype=np.uint8)[scribble(shape, 3, seed)]


class TestRoundTrip:
    @pytest.mark.parametrize("name", SYNTHETIC)
    def test_painted_label_returns_to_the_same_voxels(self, scene, name):
        geometry = SYNTHETIC[name]
        volume = add_volume(scene, np.zeros(geometry.array_shape, np.int16), geometry)
        segmentation = add_segmentation(scene, volume)
        label = _label(geometry.array_shape)
        for segment in VALUES:
            paint(segmentation, volume, segment, label == VALUES[segment])
        exported, where = segmentation_to_label(segmentation, volume, CLASSES)
        np.testing.assert_array_equal(exported, label)
        assert where.largest_shift(geometry) < 1e-9
        again = label_to_segmentation(exported, CLASSES, volume)
        for segment, value in VALUES.items():
            np.testing.assert_array_equal(painted(again, volume, segment), label == value)

    @pytest.mark.parametrize("name", FILES)
    def test_real_grids(self, scene, shared_data, name):
        array, geometry = read_file(shared_data / "geometry" / name)
        volume = add_volume(scene, array, geometry)
        sent, where = volume_image(volume)
        np.testing.assert_array_equal(sent, array)
        assert where.difference(geometry) is None
        label = _label(geometry.array_shape, seed=3)
        segmentation = label_to_segmentation(label, CLASSES, volume)
        for segment, value in VALUES.items():
            np.testing.assert_array_equal(painted(segmentation, volume, segment), label == value)
        paint(segmentation, volume, "lesion", label == 2)  # a stroke over another class, with Slicer's own call
        paint(segmentation, volume, "posterior", np.zeros_like(label))
        exported, _ = segmentation_to_label(segmentation, volume, CLASSES)
        np.testing.assert_array_equal(exported, np.where(label == 5, 0, np.where(label == 2, 5, label)))

    @pytest.mark.parametrize("name", ["BaselineVolume.nrrd", "sct_t2s.nii.gz", "CT_pitch.nii.gz"])
    def test_file_loaded_by_slicer_itself_keeps_every_voxel_in_its_place(self, scene, shared_data, name):
        """Slicer may turn the voxel order round (it prefers right-handed grids), but not move a voxel."""
        path = shared_data / "geometry" / name
        array, geometry = read_file(path)
        sent, where = volume_image(slicer.util.loadVolume(str(path)))
        voxels = np.argwhere(np.ones(array.shape, bool))[:: max(1, array.size // 5000)]
        places = geometry.ijk_to_lps @ np.c_[voxels[:, ::-1], np.ones(len(voxels))].T
        indices = (np.linalg.inv(where.ijk_to_lps) @ places)[:3]
        found = np.rint(indices).astype(int)
        assert np.abs(indices - found).max() < 1e-3
        np.testing.assert_array_equal(sent[found[2], found[1], found[0]], array[tuple(voxels.T)])

    def test_result_survives_slicers_own_file(self, scene, tmp_path):
        geometry = SYNTHETIC["oblique, anisotropic, left-handed"]
        volume = add_volume(scene, np.zeros(geometry.array_shape, np.int16), geometry)
        label = _label(geometry.array_shape)
        path = tmp_path / "result.seg.nrrd"
        assert slicer.util.saveNode(label_to_segmentation(label, CLASSES, volume), str(path))
        loaded = slicer.util.loadSegmentation(str(path))
        exported, _ = segmentation_to_label(loaded, volume, CLASSES)
        np.testing.assert_array_equal(exported, label)


class TestLabelToSegmentation:
    def test_names_values_colours_reference_and_place(self, scene):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16), name="T1")
        study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
        hierarchy.CreateItem(study, volume)
        node = label_to_segmentation(np.zeros((4, 5, 6), np.uint8), CLASSES, volume)
        data = node.GetSegmentation()
        segments = [data.GetNthSegment(i) for i in range(3)]
        assert node.GetName() == "T1 segmentation"
        assert [s.GetName() for s in segments] == ["posterior", "lesion", "anterior"]
        assert [s.GetLabelValue() for s in segments] == [2, 5, 7]
        np.testing.assert_allclose(segments[2].GetColor(), (200 / 255, 10 / 255, 20 / 255))
        tag = vtk.reference("")
        assert segments[0].GetTag(segments[0].GetTerminologyEntryTagName(), tag)
        assert str(tag) == "a~b^c^d~e^f^g~^^~h~^^~^^"
        assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is volume
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study

    def test_earlier_result_and_its_edits_stay(self, scene):
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16), name="T1")
        label = _label((4, 5, 6))
        first = label_to_segmentation(label, CLASSES, volume)
        edited = np.zeros((4, 5, 6), bool)
        edited[1, 2, 3] = True
        paint(first, volume, "lesion", edited)
        second = label_to_segmentation(label, CLASSES, volume)
        assert second is not first
        assert second.GetName() == "T1 segmentation_1"
        np.testing.assert_array_equal(painted(first, volume, "lesion"), edited)

    def test_value_without_a_class_is_refused(self, scene):
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16))
        with pytest.raises(SceneError, match=r"values \[3\].*classes have \[2, 5, 7\]"):
            label_to_segmentation(np.full((4, 5, 6), 3, np.uint8), CLASSES, volume)
        assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0

    def test_other_size_is_refused(self, scene):
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16))
        with pytest.raises(SceneError, match=r"\(6, 5, 4\).*\(4, 5, 6\)"):
            label_to_segmentation(np.zeros((6, 5, 4), np.uint8), CLASSES, volume)


class TestLabelmapArray:
    def _labelmap(self, scene, array, geometry=None):
        return add_volume(scene, array, geometry, "truth")

    def test_whole_numbers_in_a_float_volume(self, scene):
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16))
        label = _label((4, 5, 6))
        found = labelmap_array(self._labelmap(scene, label.astype(np.float32)), volume)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, label)

    def test_real_labels_loaded_by_slicer(self, scene, shared_data):
        folder = shared_data / "geometry"
        volume = slicer.util.loadVolume(str(folder / "sct_t2s.nii.gz"))
        labelmap = slicer.util.loadLabelVolume(str(folder / "sct_t2s_gm.nii.gz"))
        assert set(np.unique(labelmap_array(labelmap, volume))) == {0, 1}

    def test_other_grid_is_refused(self, scene):
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16), name="CT")
        moved = self._labelmap(scene, np.zeros((4, 5, 6), np.int16), grid(np.eye(3), size=(6, 5, 4)))
        with pytest.raises(SceneError, match="truth and CT lie on different grids"):
            labelmap_array(moved, volume)

    @pytest.mark.parametrize("value", [0.5, -1.0, 256.0])
    def test_other_values_are_refused(self, scene, value):
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16))
        with pytest.raises(SceneError, match=f"holds 120 values, such as {value:g}"):
            labelmap_array(self._labelmap(scene, np.full((4, 5, 6), value, np.float32)), volume)


class TestSegmentationToLabel:
    @pytest.fixture
    def volume(self, scene):
        geometry = grid(np.diag([-1.0, -1, 1]), (0.8, 0.8, 2.0), size=(12, 10, 8))
        return add_volume(scene, np.zeros((8, 10, 12), np.int16), geometry, "CT")

    @pytest.fixture
    def label(self):
        return _label((8, 10, 12))

    def test_reordered_hidden_and_empty_segments(self, volume, label):
        label[label == 5] = 0
        node = label_to_segmentation(label, CLASSES, volume)
        data = node.GetSegmentation()
        for position, name in enumerate(("lesion", "anterior", "posterior")):
            data.SetSegmentIndex(data.GetSegmentIdBySegmentName(name), position)
        node.GetDisplayNode().SetSegmentVisibility(data.GetSegmentIdBySegmentName("anterior"), False)
        assert segment_names(node) == ["lesion", "anterior", "posterior"]
        exported, _ = segmentation_to_label(node, volume, CLASSES)
        np.testing.assert_array_equal(exported, label)

    def test_values_in_the_scene_do_not_matter(self, scene, volume, label):
        node = add_segmentation(scene, volume)
        for name in ("posterior", "anterior", "lesion"):
            paint(node, volume, name, label == VALUES[name])
        data = node.GetSegmentation()
        assert [data.GetNthSegment(i).GetLabelValue() for i in range(3)] != [2, 7, 5]
        exported, _ = segmentation_to_label(node, volume, CLASSES)
        np.testing.assert_array_equal(exported, label)

    def test_class_removed_from_the_segmentation_leaves_no_voxels(self, volume, label):
        node = label_to_segmentation(label, CLASSES, volume)
        node.GetSegmentation().RemoveSegment(node.GetSegmentation().GetSegmentIdBySegmentName("posterior"))
        exported, _ = segmentation_to_label(node, volume, CLASSES)
        np.testing.assert_array_equal(exported, np.where(label == 2, 0, label))

    def test_no_segments_at_all(self, scene, volume):
        exported, _ = segmentation_to_label(add_segmentation(scene, volume), volume, CLASSES)
        assert not exported.any()

    def test_unknown_names_are_refused_with_all_names(self, scene, volume, label):
        node = label_to_segmentation(label, CLASSES, volume)
        node.GetSegmentation().GetNthSegment(0).SetName("tumour")
        node.GetSegmentation().AddEmptySegment("", "Segment_1")
        with pytest.raises(SceneError, match=r"“tumour”, “Segment_1”.*“posterior”, “lesion”, “anterior”"):
            segmentation_to_label(node, volume, CLASSES)

    def test_two_segments_of_one_name_are_refused(self, volume, label):
        node = label_to_segmentation(label, CLASSES, volume)
        node.GetSegmentation().GetNthSegment(0).SetName("lesion")
        with pytest.raises(SceneError, match="several segments named “lesion”"):
            segmentation_to_label(node, volume, CLASSES)

    def test_overlap_is_refused_with_the_voxel_count(self, scene, volume):
        node = add_segmentation(scene, volume)
        one, two = np.zeros((2, 8, 10, 12), bool)
        one[2:5, 3:6, 4:8] = True
        two[4:7, 5:9, 7:11] = True
        ids = [node.GetSegmentation().AddEmptySegment("", name) for name in ("lesion", "anterior")]
        _add_layer(node, ids[0], one, volume)
        _add_layer(node, ids[1], two, volume)
        with pytest.raises(SceneError, match="overlap in 1 voxels"):
            segmentation_to_label(node, volume, CLASSES)
        two[4:5, 5:6, 7:8] = False
        _add_layer(node, ids[1], two, volume)
        assert node.GetSegmentation().GetNumberOfLayers() == 2
        exported, _ = segmentation_to_label(node, volume, CLASSES)
        np.testing.assert_array_equal(exported, np.where(one, 5, np.where(two, 7, 0)))

    def test_other_grid_is_refused_with_the_numbers(self, scene, volume, label):
        coarse = add_volume(
            scene, np.zeros((8, 10, 12), np.int16), grid(np.eye(3), (1.1, 1, 1), size=(12, 10, 8)), "MRI"
        )
        node = label_to_segmentation(label, CLASSES, coarse)
        with pytest.raises(SceneError, match=r"not lie on the voxels of CT.*1\.1 × 1 × 1 mm against 0\.8 × 0\.8 × 2"):
            segmentation_to_label(node, volume, CLASSES)

    def test_cropped_volume_shares_the_lattice(self, scene, volume, label):
        node = label_to_segmentation(label, CLASSES, volume)
        crop, geometry = volume_image(volume)
        first = geometry.ijk_to_ras @ [2, 3, 1, 1]
        matrix = geometry.ijk_to_ras.copy()
        matrix[:, 3] = first
        part = add_volume(scene, np.ascontiguousarray(crop[1:7, 3:9, 2:11]), name="crop")
        part.SetIJKToRASMatrix(to_vtk(matrix))
        inside = np.zeros_like(label)
        inside[1:7, 3:9, 2:11] = label[1:7, 3:9, 2:11]
        lost = np.count_nonzero(label) - np.count_nonzero(inside)
        assert lost
        with pytest.raises(SceneError, match=f"{lost} voxels of .* lie outside crop"):
            segmentation_to_label(node, part, CLASSES)
        kept = label_to_segmentation(inside, CLASSES, volume)
        exported, _ = segmentation_to_label(kept, part, CLASSES)
        np.testing.assert_array_equal(exported, label[1:7, 3:9, 2:11])

    def test_surfaces_are_turned_into_voxels(self, scene, volume):
        node = add_segmentation(scene, volume)
        sphere = vtk.vtkSphereSource()
        box = [0.0] * 6
        volume.GetRASBounds(box)
        sphere.SetCenter((box[0] + box[1]) / 2, (box[2] + box[3]) / 2, (box[4] + box[5]) / 2)
        sphere.SetRadius(3.0)
        sphere.SetPhiResolution(40)
        sphere.SetThetaResolution(40)
        sphere.Update()
        node.SetSourceRepresentationToClosedSurface()
        node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "lesion", (1, 0, 0))
        exported, _ = segmentation_to_label(node, volume, CLASSES)
        assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap"), "it must not be changed"
        node.CreateBinaryLabelmapRepresentation()
        np.testing.assert_array_equal(exported == 5, painted(node, volume, "lesion"))
        assert np.count_nonzero(exported) > 40


class TestTransforms:
    def _transform(self, scene, matrix=None):
        node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
        if matrix is not None:
            node.SetMatrixTransformToParent(to_vtk(matrix))
        return node

    def _turn(self):
        matrix = np.eye(4)
        matrix[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
        matrix[:3, 3] = 11.3, -4.5, 60
        return matrix

    def test_both_under_the_same_transform(self, scene):
        volume = add_volume(scene, np.zeros((8, 10, 12), np.int16))
        volume.SetAndObserveTransformNodeID(self._transform(scene, self._turn()).GetID())
        label = _label((8, 10, 12))
        node = label_to_segmentation(label, CLASSES, volume)
        assert node.GetParentTransformNode() is volume.GetParentTransformNode()
        exported, where = segmentation_to_label(node, volume, CLASSES)
        np.testing.assert_array_equal(exported, label)
        assert where == volume_image(volume)[1]
        np.testing.assert_array_equal(painted(node, volume, "lesion"), label == 5)

    def test_volume_hardened_after_segmenting(self, scene):
        volume = add_volume(scene, np.zeros((8, 10, 12), np.int16))
        transform = self._transform(scene, self._turn())
        volume.SetAndObserveTransformNodeID(transform.GetID())
        label = _label((8, 10, 12))
        node = label_to_segmentation(label, CLASSES, volume)
        volume.HardenTransform()
        assert volume.GetParentTransformNode() is None
        exported, _ = segmentation_to_label(node, volume, CLASSES)
        np.testing.assert_array_equal(exported, label)
        assert node.GetParentTransformNode() is transform, "the user's segmentation must not be moved"

    def test_different_places_are_refused_with_the_shift(self, scene):
        volume = add_volume(scene, np.zeros((8, 10, 12), np.int16), name="CT")
        node = label_to_segmentation(_label((8, 10, 12)), CLASSES, volume)
        moved = np.eye(4)
        moved[0, 3] = 0.4
        node.SetAndObserveTransformNodeID(self._transform(scene, moved).GetID())
        with pytest.raises(SceneError, match=r"off by up to 0\.4 voxels"):
            segmentation_to_label(node, volume, CLASSES)

    def test_non_linear_transform_is_refused(self, scene):
        volume = add_volume(scene, np.zeros((8, 10, 12), np.int16), name="CT")
        bent = scene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
        spline = vtk.vtkThinPlateSplineTransform()
        points = vtk.vtkPoints()
        for point in ((0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9), (5, 6, 7)):
            points.InsertNextPoint(point)
        target = vtk.vtkPoints()
        target.DeepCopy(points)
        target.SetPoint(4, 6, 6, 9)
        spline.SetSourceLandmarks(points)
        spline.SetTargetLandmarks(target)
        bent.SetAndObserveTransformToParent(spline)
        volume.SetAndObserveTransformNodeID(bent.GetID())
        with pytest.raises(SceneError, match="CT is under the non-linear transform warp"):
            volume_image(volume)


class TestVolumeImage:
    def test_shares_the_volumes_memory(self, scene):
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16))
        array, _ = volume_image(volume)
        slicer.util.arrayFromVolume(volume)[1, 2, 3] = 77
        assert array[1, 2, 3] == 77

    def test_memory_outlives_the_node(self, scene):
        volume = add_volume(scene, np.full((64, 64, 64), 9, np.int16))
        array, _ = volume_image(volume)
        scene.RemoveNode(volume)
        del volume
        assert (array == 9).all()

    def test_colour_volume_has_components_last(self, scene):
        array, geometry = volume_image(add_volume(scene, np.zeros((2, 5, 6, 3), np.uint8)))
        assert array.shape == (2, 5, 6, 3)
        assert geometry.size == (6, 5, 2)

    def test_label_map_is_refused(self, scene):
        node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "mask")
        slicer.util.updateVolumeFromArray(node, np.zeros((4, 5, 6), np.uint8))
        with pytest.raises(SceneError, match="mask is a label map"):
            volume_image(node)

    def test_volume_without_voxels_is_refused(self, scene):
        with pytest.raises(SceneError, match="hollow holds no voxels"):
            volume_image(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hollow"))

    def test_other_node_is_refused(self, scene):
        with pytest.raises(SceneError, match="not a volume with one intensity"):
            volume_image(scene.AddNewNodeByClass("vtkMRMLTableNode", "series"))

    def test_sheared_axes_are_refused_with_the_angle(self, scene):
        volume = add_volume(scene, np.zeros((4, 5, 6), np.int16), name="tilted")
        matrix = np.eye(4)
        matrix[1, 2] = 0.25
        volume.SetIJKToRASMatrix(to_vtk(matrix))
        with pytest.raises(SceneError, match=r"tilted are 14\.04° off"):
            volume_image(volume)


class TestSubject:
    def test_studies_of_one_patient_share_it_and_it_holds_no_name(self, scene):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "DOE^JANE")
        subjects = set()
        for name in ("T1 DOE", "T2"):
            volume = add_volume(scene, np.zeros((2, 2, 2), np.int16), name=name)
            hierarchy.CreateItem(hierarchy.CreateStudyItem(patient, f"study {name}"), volume)
            subjects.add(subject_of(volume))
        assert len(subjects) == 1
        assert "DOE" not in subjects.pop()

    def test_unique_id_counts_more_than_the_name(self, scene):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        subjects = []
        for uid in ("id-1", "id-2", "id-1"):
            patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "DOE^JANE")
            hierarchy.SetItemUID(patient, "DICOM", uid)
            volume = add_volume(scene, np.zeros((2, 2, 2), np.int16))
            hierarchy.CreateItem(patient, volume)
            subjects.append(subject_of(volume))
        assert subjects[0] == subjects[2] != subjects[1]

    def test_volume_from_a_plain_file_goes_by_its_name(self, scene):
        one = add_volume(scene, np.zeros((2, 2, 2), np.int16), name="DOE_JANE")
        two = add_volume(scene, np.zeros((2, 2, 2), np.int16), name="other")
        assert subject_of(one) == subject_of(one) != subject_of(two)
        assert "DOE" not in subject_of(one)


def _add_layer(node, segment_id: str, mask: np.ndarray, volume) -> None:
    """Give a segment a label map of its own, as painting with "overwrite: none" does."""
    from UnifiedFocalSegLib.scene import oriented_image

    _, geometry = volume_image(volume)
    segment = node.GetSegmentation().GetSegment(segment_id)
    segment.AddRepresentation("Binary labelmap", oriented_image(mask.astype(np.uint8), geometry))
    segment.SetLabelValue(1)
