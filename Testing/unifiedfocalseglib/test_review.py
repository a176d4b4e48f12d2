"""Reviewing, saving and reopening on the real scene with the real service."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import slicer
import slicer.util

import phantom
from geometries import SYNTHETIC, grid, scribble
from nodes import add_segmentation, add_volume, paint, painted, segment_names
from UnifiedFocalSegLib import case_nodes, nrrd, regions
from UnifiedFocalSegLib.classes import read_classes
from UnifiedFocalSegLib.errors import FocalSegError
from UnifiedFocalSegLib.logic import FocalSegLogic
from UnifiedFocalSegLib.measuring import MODELS_RESULT
from UnifiedFocalSegLib.scene import label_to_segmentation

CLASSES = [{"name": "a", "value": 3}, {"name": "b", "value": 7}, {"name": "c", "value": 5}]
VALUES = {c["name"]: c["value"] for c in CLASSES}
LONGEST_SECONDS = 0.05
_number = itertools.count(1)


def stored(logic, revision) -> np.ndarray:
    """The label map that the backend keeps for a revision, ``[k, j, i]``."""
    return nrrd.decode(logic.client.download(revision["label"]))[0]


@pytest.fixture
def task(logic):
    return logic.create_task(f"review {next(_number)}", "MRI", CLASSES, wait=True).result


@pytest.fixture
def installed(logic):
    """A task with an (untrained) model in use."""
    return logic.install_model("a-phantom-mri", task=f"installed {next(_number)}", wait=True).result["task"]


def drawn(scene, name: str = "volume", on: str = "oblique", seed: int = 0):
    """A volume, a segmentation with a scribble of three classes, and its label map."""
    geometry = SYNTHETIC[on]
    image = np.random.default_rng(seed).integers(0, 999, geometry.array_shape).astype(np.int16)
    volume = add_volume(scene, image, geometry, name)
    label = np.array([0, 3, 5, 7], np.uint8)[scribble(geometry.array_shape, 3, seed)]
    node = add_segmentation(scene, volume)
    for name in ("b", "c", "a"):
        paint(node, volume, name, label == VALUES[name])
    return volume, node, label


class TestPatches:
    @pytest.mark.parametrize("on", ["oblique", "oblique, anisotropic, left-handed", "single slice"])
    def test_what_is_stored_is_what_sending_it_whole_makes(self, scene, logic, task, on):
        volume, node, label = drawn(scene, on=on)
        logic.submit_correction(node, volume, task=task, wait=True)
        requests = []
        send = logic.client.add_revision
        logic.client.add_revision = lambda case, body: requests.append(body) or send(case, body)
        label = label.copy()
        label[0, 3:6, 4:8] = 5
        for name, value in VALUES.items():
            paint(node, volume, name, label == value)
        patched = logic.submit_correction(node, volume, wait=True).result
        assert requests[-1]["patch"]["start"] == [4, 3, 0]
        part, where = nrrd.decode(logic.client.download(requests[-1]["label"]))
        assert part.size < label.size / 2
        assert where.origin != SYNTHETIC[on].origin
        logic.known = type(logic.known)()  # as after a restart of Slicer: the base is not here any more
        whole = logic.submit_correction(node, volume, wait=True).result
        assert "patch" not in requests[-1]
        assert whole["label"] == patched["label"]  # the hash of all bytes
        np.testing.assert_array_equal(stored(logic, patched), label)

    def test_a_correction_of_a_prediction_sends_the_changed_box(self, scene, logic, installed):
        image, _, geometry = phantom.study(7)
        volume = add_volume(scene, image, geometry)
        node = logic.segment(volume, installed, wait=True).result
        before = logic.known.get(node.GetAttribute(case_nodes.PREDICTION))
        mask = before == 1
        mask[3:6, 4:7, 5:9] = True
        paint(node, volume, "bright", mask)
        paint(node, volume, "dark", (before == 4) & ~mask)
        sent = []
        upload = logic.client.upload
        logic.client.upload = lambda body: sent.append(body.size) or upload(body)
        saved = logic.submit_correction(node, wait=True).result
        assert sent[-1] < before.size / 2
        expected = before.copy()
        expected[mask] = 1
        np.testing.assert_array_equal(stored(logic, saved), expected)
        assert saved["origin"] == "corrected"

    def test_an_unchanged_prediction_can_be_approved(self, scene, logic, installed):
        volume = add_volume(scene, *phantom.study(8)[::2])
        node = logic.segment(volume, installed, wait=True).result
        saved = logic.submit_correction(node, note="approved", wait=True).result
        assert saved["label"] == node.GetAttribute(case_nodes.BASE)
        np.testing.assert_array_equal(stored(logic, saved), logic.known.get(node.GetAttribute(case_nodes.PREDICTION)))


class TestRegions:
    def test_a_region_is_kept_with_the_revision(self, scene, logic, task):
        volume, node, label = drawn(scene)
        roi = regions.add_roi(volume, ((1, 2, 3), (9, 8, 7)))
        region = regions.roi_region(roi, volume)
        saved = logic.submit_correction(node, volume, task=task, region=region, wait=True).result
        assert saved["region"] == {"start": [1, 2, 3], "stop": [9, 8, 7]}
        np.testing.assert_array_equal(stored(logic, saved), label)
        other = regions.slices_region(SYNTHETIC["oblique"], 2, 4, 5)
        again = logic.submit_correction(node, volume, region=other, wait=True).result
        assert again["region"] == {"start": [0, 0, 4], "stop": [14, 11, 6]}


class TestMeasures:
    def test_against_the_models_result(self, scene, logic, installed):
        image, _, geometry = phantom.study(9)
        volume = add_volume(scene, image, geometry)
        node = logic.segment(volume, installed, wait=True).result
        found = logic.measure(node, volume, wait=True).result
        assert found.reference == MODELS_RESULT
        assert found.box is None
        assert {m.dice for m in found.measures} <= {1.0, None}
        before = painted(node, volume, "bright")
        mask = before.copy()
        mask[5:9, 5:9, 5:9] ^= True
        paint(node, volume, "bright", mask)
        paint(node, volume, "dark", np.zeros_like(mask))
        logic.known = type(logic.known)()  # fetched from the backend again
        bright, dark = logic.measure(node, volume, wait=True).result.measures
        assert bright.voxels == mask.sum()
        assert bright.millilitres == pytest.approx(mask.sum() * 1.5 / 1000)
        assert bright.dice == pytest.approx(phantom.dice(mask, before))
        assert (bright.added, bright.removed) == ((mask & ~before).sum(), (before & ~mask).sum())
        assert dark.voxels == 0

    def test_original_and_difference_in_the_scene(self, scene, logic, installed):
        image, _, geometry = phantom.study(10)
        volume = add_volume(scene, image, geometry)
        moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
        volume.SetAndObserveTransformNodeID(moved.GetID())
        node = logic.segment(volume, installed, wait=True).result
        before = logic.known.get(node.GetAttribute(case_nodes.PREDICTION)).copy()
        mask = np.zeros_like(before, bool)
        mask[4:9, 4:9, 4:9] = True
        paint(node, volume, "dark", mask)
        paint(node, volume, "bright", (before == 1) & ~mask)
        after = np.where(mask, 4, np.where(before == 1, 1, 0))
        original = logic.compare_in_scene(node, volume, "original", wait=True).result
        np.testing.assert_array_equal(painted(original, volume, "bright"), before == 1)
        np.testing.assert_array_equal(painted(original, volume, "dark"), before == 4)
        for _again in range(2):  # the earlier one is replaced
            difference = logic.compare_in_scene(node, volume, "difference", wait=True).result
        assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 3
        assert segment_names(difference) == ["bright: added", "dark: added", "bright: removed", "dark: removed"]
        for name, value in phantom.VALUES.items():
            np.testing.assert_array_equal(
                painted(difference, volume, f"{name}: added"), (after == value) & (before != value)
            )
            np.testing.assert_array_equal(
                painted(difference, volume, f"{name}: removed"), (after != value) & (before == value)
            )
        assert difference.GetTransformNodeID() == moved.GetID()

    def test_a_segmentation_without_an_original(self, scene, logic, task):
        volume, node, _label = drawn(scene)
        node.SetAttribute(case_nodes.TASK, task["id"])
        assert logic.measure(node, volume, wait=True).result.reference == ""
        with pytest.raises(FocalSegError, match="nothing to compare it with"):
            logic.compare_in_scene(node, volume, "difference", wait=True)

    def test_volumes_without_a_backend(self, scene):
        volume, node, label = drawn(scene)
        found = FocalSegLogic().measure(node, volume, wait=True).result
        assert {m.name: m.voxels for m in found.measures} == {
            name: np.count_nonzero(label == value) for name, value in VALUES.items()
        }
        assert found.reference == ""


class TestCases:
    def test_rows_and_history(self, scene, logic, task):
        volume, node, _label = drawn(scene, "head")
        logic.submit_correction(node, volume, author="A. Reader", task=task, wait=True)
        paint(node, volume, "a", np.zeros(SYNTHETIC["oblique"].array_shape, bool))
        second = logic.submit_correction(node, author="B. Reader", note="no a", wait=True).result
        (row,) = logic.case_rows(task, wait=True).result
        assert (row.name, row.revisions, row.author, row.corrected) == ("head", 2, "B. Reader", True)
        assert row.membership in ("training", "validation")
        assert row.created == second["created"]
        first, last = logic.history(row.id, wait=True).result
        assert first.against is None
        assert (last.against, last.dice["a"], last.dice["b"]) == (1, 0.0, 1.0)
        assert last.changed > 0
        assert last.revision["note"] == "no a"

    @pytest.mark.parametrize("on", ["oblique, anisotropic, left-handed", "axes permuted (sagittal)", "single slice"])
    def test_a_case_comes_back_with_its_images_in_an_empty_scene(self, scene, logic, task, on):
        volume, node, label = drawn(scene, "head", on)
        image = slicer.util.arrayFromVolume(volume).copy()
        first = logic.submit_correction(node, volume, task=task, wait=True).result
        paint(node, volume, "b", label == 0)
        second = logic.submit_correction(node, wait=True).result
        scene.Clear(0)
        opened = logic.open_case(first["case"], first["id"], wait=True).result
        assert opened.GetName() == "head revision 1"
        (again,) = case_nodes.referenced_volumes(opened)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(again), image)
        assert segment_names(opened) == ["a", "c", "b"]  # in the order of their values
        for name, value in VALUES.items():
            np.testing.assert_array_equal(painted(opened, again, name), label == value)
        newest = logic.open_case(first["case"], wait=True).result
        assert newest.GetAttribute(case_nodes.REVISION) == second["id"]
        assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1  # the image was there this time
        third = logic.submit_correction(opened, note="back to the first", wait=True).result
        assert (third["number"], third["parent"], third["label"]) == (3, first["id"], first["label"])

    def test_an_edited_volume_is_not_taken_for_the_cases_image(self, scene, logic, task):
        volume, node, _label = drawn(scene, "head")
        saved = logic.submit_correction(node, volume, task=task, wait=True).result
        slicer.util.updateVolumeFromArray(volume, slicer.util.arrayFromVolume(volume) + 1)
        opened = logic.open_case(saved["case"], wait=True).result
        assert case_nodes.referenced_volumes(opened)[0] is not volume

    def test_channels_and_colours(self, scene, logic):
        task = logic.create_task("two channels", "MRI", CLASSES, channels=["T1", "T2"], wait=True).result
        volume, node, _label = drawn(scene, "head")
        other = add_volume(scene, slicer.util.arrayFromVolume(volume) + 5, SYNTHETIC["oblique"], "second")
        saved = logic.submit_correction(node, [volume, other], task=task, wait=True).result
        scene.Clear(0)
        opened = logic.open_case(saved["case"], wait=True).result
        assert [v.GetName() for v in case_nodes.referenced_volumes(opened)] == ["head T1", "head T2"]
        colour = logic.create_task("colour", "other", CLASSES, channels=["r", "g", "b"], wait=True).result
        picture = np.random.default_rng(6).integers(0, 255, (1, 20, 30, 3)).astype(np.uint8)
        fundus = add_volume(scene, picture, name="fundus")
        node = add_segmentation(scene, fundus)
        paint(node, fundus, "a", picture[..., 0] > 128)
        saved = logic.submit_correction(node, fundus, task=colour, wait=True).result
        scene.Clear(0)
        opened = logic.open_case(saved["case"], wait=True).result
        (again,) = case_nodes.referenced_volumes(opened)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(again), picture)

    def test_a_case_without_a_label_and_an_unknown_revision(self, scene, logic, installed):
        volume = add_volume(scene, *phantom.study(11)[::2], "unlabelled")
        case = logic.segment(volume, installed, wait=True).result.GetAttribute(case_nodes.CASE)
        (row,) = logic.case_rows(installed, wait=True).result
        assert (row.membership, row.revisions, row.author) == ("", 0, "")
        assert logic.open_case(case, wait=True).result is volume
        with pytest.raises(FocalSegError, match="has no revision nonsense"):
            logic.open_case(case, "nonsense", wait=True)

    def test_the_scene_closes_while_a_case_is_opened(self, scene, logic, task):
        volume, node, _label = drawn(scene)
        saved = logic.submit_correction(node, volume, task=task, wait=True).result
        scene.Clear(0)
        operation = logic.open_case(saved["case"])
        logic.process_events()
        logic.scene_closing()
        with pytest.raises(FocalSegError):
            logic.wait(operation, 60)
        assert operation.state == "cancelled"
        assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_reviewing_a_large_volume_never_holds_the_main_thread_for_long(scene, logic, task):
    """Of processor time, so that what else the machine does changes nothing."""
    geometry = grid(np.eye(3), size=(256, 256, 128))
    label = np.array([0, 3, 5, 7], np.uint8)[scribble(geometry.array_shape, 3)]
    volume = add_volume(scene, np.zeros(geometry.array_shape, np.int16), geometry, "large")
    node = label_to_segmentation(label, read_classes(CLASSES), volume)
    saved = logic.submit_correction(node, volume, task=task, wait=True).result
    paint(node, volume, "a", label != 0)
    for name in ("b", "c"):
        paint(node, volume, name, np.zeros(label.shape, bool))
    longest = {}
    for name, begin in {
        "measure": lambda: logic.measure(node, volume),
        "difference": lambda: logic.compare_in_scene(node, volume, "difference"),
        "slices": lambda: logic.slices_with(node, volume, "a", (1.0, 1.0, 1.0)),
        "save": lambda: logic.submit_correction(node),
        "open": lambda: logic.open_case(saved["case"], saved["id"]),
    }.items():
        operation = begin()
        while operation.running:
            start = time.thread_time()
            logic.process_events()
            longest[name] = max(longest.get(name, 0.0), time.thread_time() - start)
            time.sleep(0.005)
        assert operation.state == "succeeded", operation.error
    assert max(longest.values()) < LONGEST_SECONDS, longest


class TestLabelMapping:
    """Each revision holds the right voxels under the right names, or is refused in words."""

    def test_reordered_hidden_and_empty_segments(self, scene, logic, task):
        volume, node, label = drawn(scene)
        data = node.GetSegmentation()
        data.SetSegmentIndex(data.GetSegmentIdBySegmentName("a"), 0)
        node.GetDisplayNode().SetSegmentVisibility(data.GetSegmentIdBySegmentName("b"), False)
        paint(node, volume, "c", np.zeros(label.shape, bool))
        saved = logic.submit_correction(node, volume, task=task, wait=True).result
        expected = np.where(label == 5, 0, label)
        np.testing.assert_array_equal(stored(logic, saved), expected)
        assert saved["classes"] == VALUES

    def test_renamed_and_overlapping_segments_are_refused_and_save_nothing(self, scene, logic, task):
        volume, node, label = drawn(scene)
        data = node.GetSegmentation()
        data.GetSegment(data.GetSegmentIdBySegmentName("a")).SetName("A")
        with pytest.raises(FocalSegError, match=r"“A”.*classes are"):
            logic.submit_correction(node, volume, task=task, wait=True)
        data.GetSegment(data.GetSegmentIdBySegmentName("A")).SetName("a")
        second = data.AddEmptySegment("", "x")
        slicer.util.updateSegmentBinaryLabelmapFromArray((label == 3).astype(np.uint8), node, second, volume)
        data.GetSegment(data.GetSegmentIdBySegmentName("b")).SetName("unused")
        data.RemoveSegment(data.GetSegmentIdBySegmentName("unused"))
        data.GetSegment(second).SetName("b")
        with pytest.raises(FocalSegError, match=f"overlap in {np.count_nonzero(label == 3)} voxels"):
            logic.submit_correction(node, volume, task=task, wait=True)
        assert logic.case_rows(task, wait=True).result == []

    def test_a_class_added_to_the_task_keeps_the_others_values(self, scene, logic, task):
        volume, node, label = drawn(scene)
        first = logic.submit_correction(node, volume, task=task, wait=True).result
        logic.client.add_class(task["id"], {"name": "new"})
        mask = np.zeros(label.shape, bool)
        mask[2, 2:5, 2:5] = True
        for name, value in VALUES.items():
            paint(node, volume, name, (label == value) & ~mask)
        paint(node, volume, "new", mask)
        second = logic.submit_correction(node, wait=True).result
        assert second["classes"] == {**VALUES, "new": 8}
        np.testing.assert_array_equal(stored(logic, second), np.where(mask, 8, label))
        np.testing.assert_array_equal(stored(logic, first), label)
