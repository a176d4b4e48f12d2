"""The loop on the real scene and the real service."""

from __future__ import annotations

import sys
import time
import venv

import numpy as np
import pytest
import slicer

import phantom
from geometries import FILES, SYNTHETIC, read_file, scribble
from nodes import add_segmentation, add_volume, paint, painted
from submissions import VALUES, new_task, submit_phantom
from UnifiedFocalSegLib import case_nodes, nrrd
from UnifiedFocalSegLib.backend_process import BackendProcess
from UnifiedFocalSegLib.client import BackendClient
from UnifiedFocalSegLib.errors import BackendError, FocalSegError, OperationCancelled
from UnifiedFocalSegLib.logic import FocalSegLogic


@pytest.fixture(scope="module")
def trained_task(slicer_scene, backend):
    """A task with four training cases, three validation cases and a model in use."""
    logic = FocalSegLogic()
    logic.connect(backend.url, backend.token, wait=True)
    task = new_task(logic, phantom.CLASSES)
    subjects = phantom.subjects("training", 4) + phantom.subjects("validation", 3)
    for seed, subject in enumerate(subjects):
        submit_phantom(logic, task, seed, subject)
    outcome = logic.retrain(task, epochs=20, author="tester", wait=True).result
    assert outcome["promoted"]
    logic.close()
    return task


class TestLabelsKeepTheirPlace:
    """Scene → backend's store → scene, voxel for voxel."""

    @pytest.mark.parametrize("name", SYNTHETIC)
    def test_synthetic_grids(self, scene, logic, name):
        geometry = SYNTHETIC[name]
        image = np.random.default_rng(5).integers(0, 999, geometry.array_shape).astype(np.int16)
        self._there_and_back(scene, logic, image, geometry)

    @pytest.mark.parametrize("name", FILES)
    def test_real_grids(self, scene, logic, shared_data, name):
        image, geometry = read_file(shared_data / "geometry" / name)
        self._there_and_back(scene, logic, image, geometry)

    def _there_and_back(self, scene, logic, image, geometry):
        task = new_task(logic)
        volume = add_volume(scene, image, geometry)
        node = add_segmentation(scene, volume)
        label = np.array([0, 3, 5, 7], np.uint8)[scribble(geometry.array_shape, 3)]
        for name in ("b", "c", "a"):
            paint(node, volume, name, label == VALUES[name])
        revision = logic.submit_correction(node, volume, author="tester", task=task, wait=True).result
        stored, where = nrrd.decode(logic.client.download(revision["label"]))
        np.testing.assert_array_equal(stored, label)
        assert where.difference(geometry) is None
        case = logic.fetch("case", revision["case"], wait=True).result
        kept, where = nrrd.decode(logic.client.download(case["images"][0]))
        np.testing.assert_array_equal(kept, image)
        assert where.difference(geometry) is None


class TestLoop:
    def test_segment_correct_submit(self, scene, logic, trained_task):
        image, label, geometry = phantom.study(101)
        volume = add_volume(scene, image, geometry, "new patient")
        node = logic.segment(volume, trained_task, wait=True).result
        assert node.GetName() == "new patient segmentation"
        # Learnt in seconds, so not good, but in its place: at any other the overlap would be nought.
        assert phantom.dice(painted(node, volume, "bright"), label == 1) > 0.4
        assert phantom.dice(painted(node, volume, "dark"), label == 4) > 0.4
        version = node.GetAttribute(case_nodes.MODEL_VERSION)
        assert version == logic.fetch("task", trained_task["id"], wait=True).result["promoted"]

        paint(node, volume, "dark", label == 4)
        paint(node, volume, "bright", painted(node, volume, "bright") & (label != 4))
        first = logic.submit_correction(node, author="tester", note="lower pole", wait=True).result
        paint(node, volume, "bright", label == 1)
        second = logic.submit_correction(node, author="tester", wait=True).result
        assert (first["number"], first["parent"], first["origin"]) == (1, None, "corrected")
        assert (second["number"], second["parent"]) == (2, first["id"])
        assert (first["model_version"], second["model_version"]) == (version, version)
        assert (first["note"], first["author"]) == ("lower pole", "tester")
        assert node.GetAttribute(case_nodes.REVISION) == second["id"]
        stored, _ = nrrd.decode(logic.client.download(first["label"]))
        np.testing.assert_array_equal(stored == 4, label == 4)

    def test_same_voxels_are_the_same_case(self, scene, logic, trained_task):
        image, _, geometry = phantom.study(102)
        first = logic.segment(add_volume(scene, image, geometry, "T1"), trained_task, wait=True).result
        again = logic.segment(add_volume(scene, image, geometry, "T1 copy"), trained_task, wait=True).result
        assert again is not first
        assert again.GetAttribute(case_nodes.CASE) == first.GetAttribute(case_nodes.CASE)

    def test_segment_while_training_and_cancel_the_training(self, scene, logic, trained_task):
        before = logic.fetch("task", trained_task["id"], wait=True).result["promoted"]
        training = logic.retrain(trained_task, budget_seconds=60)
        stages = set()
        training.changed.connect(lambda operation: stages.add(operation.stage))
        image, _, geometry = phantom.study(103)
        volumes = [add_volume(scene, image + shift, geometry, f"T{shift}") for shift in (1, 2)]
        segmentings = [logic.segment(volume, trained_task) for volume in volumes]
        for segmenting in segmentings:
            logic.wait(segmenting, 60)
        assert training.running
        assert stages
        begin = time.monotonic()
        training.cancel()
        with pytest.raises(OperationCancelled):
            logic.wait(training, 20)
        assert time.monotonic() - begin < 3
        assert training.state == "cancelled"
        assert logic.fetch("task", trained_task["id"], wait=True).result["promoted"] == before

    def test_retrain_promote_and_roll_back(self, scene, logic, trained_task):
        before = logic.fetch("task", trained_task["id"], wait=True).result["promoted"]
        outcome = logic.retrain(trained_task, epochs=1, loss={"name": "symmetric-unified-focal"}, wait=True).result
        version = logic.fetch("model", outcome["model_version"], wait=True).result
        assert version["loss"]["name"] == "symmetric-unified-focal"
        assert version["parent"] == before
        used = logic.fetch("task", trained_task["id"], wait=True).result["promoted"]
        assert used == (outcome["model_version"] if outcome["promoted"] else before)
        other = before if outcome["promoted"] else outcome["model_version"]
        logic.promote(trained_task, other, reason="to be tried", author="tester", wait=True)
        assert logic.fetch("task", trained_task["id"], wait=True).result["promoted"] == other
        logic.rollback(trained_task, reason="worse in practice", author="tester", wait=True)
        assert logic.fetch("task", trained_task["id"], wait=True).result["promoted"] == used

    def test_several_volumes_are_the_channels_of_one_case(self, scene, logic):
        task = new_task(logic, channels=["T1", "T2"])
        image, _, geometry = phantom.study(104)
        volumes = [add_volume(scene, image + shift, geometry, f"channel {shift}") for shift in (0, 1)]
        node = add_segmentation(scene, volumes[0])
        paint(node, volumes[0], "a", image > 500)
        revision = logic.submit_correction(node, volumes, task=task, wait=True).result
        assert len(logic.fetch("case", revision["case"], wait=True).result["images"]) == 2

    def test_colour_volume_for_a_task_with_three_channels(self, scene, logic):
        task = new_task(logic, channels=["red", "green", "blue"])
        picture = np.random.default_rng(6).integers(0, 255, (1, 20, 30, 3)).astype(np.uint8)
        volume = add_volume(scene, picture, name="fundus")
        node = add_segmentation(scene, volume)
        paint(node, volume, "a", picture[..., 0] > 128)
        revision = logic.submit_correction(node, volume, task=task, wait=True).result
        stored, _ = nrrd.decode(logic.client.download(revision["label"]))
        np.testing.assert_array_equal(stored == 3, picture[..., 0] > 128)


class TestInterrupted:
    def test_cancelled_segmentation_leaves_the_scene_as_it_was(self, scene, logic, trained_task):
        image, _, geometry = phantom.study(105)
        operation = logic.segment(add_volume(scene, image, geometry), trained_task)
        operation.cancel()
        with pytest.raises(OperationCancelled):
            logic.wait(operation, 20)
        assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0

    @pytest.mark.parametrize("how", ["removed", "scene closed", "panel's scene closed"])
    def test_volume_that_goes_away_drops_the_result(self, scene, logic, trained_task, how):
        image, _, geometry = phantom.study(106)
        volume = add_volume(scene, image, geometry, "gone")
        operation = logic.segment(volume, trained_task)
        logic.process_events()
        if how == "removed":
            scene.RemoveNode(volume)
        else:
            if how.startswith("panel"):
                logic.scene_closing()
            scene.Clear(0)
        del volume
        with pytest.raises(FocalSegError):
            logic.wait(operation, 60)
        assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
        if how.startswith("panel"):
            assert operation.state == "cancelled"
        else:
            assert "gone is no longer in the scene" in operation.error

    def test_volume_that_changes_drops_the_result(self, scene, logic, trained_task):
        image, _, geometry = phantom.study(107)
        volume = add_volume(scene, image, geometry, "edited")
        operation = logic.segment(volume, trained_task)
        logic.process_events()
        slicer.util.updateVolumeFromArray(volume, image + 1)
        with pytest.raises(FocalSegError, match="edited was changed"):
            logic.wait(operation, 60)

    def test_correction_is_saved_even_if_the_scene_closes_meanwhile(self, scene, logic, trained_task):
        image, label, geometry = phantom.study(108)
        volume = add_volume(scene, image, geometry)
        node = add_segmentation(scene, volume)
        paint(node, volume, "dark", label == 4)
        operation = logic.submit_correction(node, volume, task=trained_task)
        while operation.stage != "Sending the volume":
            logic.process_events()
        logic.scene_closing()
        scene.Clear(0)
        revision = logic.wait(operation, 30)
        stored, _ = nrrd.decode(logic.client.download(revision["label"]))
        np.testing.assert_array_equal(stored == 4, label == 4)

    def test_waiting_inside_an_event_is_refused(self, scene, logic):
        operation = logic.fetch("tasks")
        operation.finished.connect(lambda _: logic.wait(logic.fetch("tasks")))
        with pytest.raises(RuntimeError, match="connect to `finished`"):
            logic.wait(operation, 10)


class TestRefused:
    def test_no_model_yet(self, scene, logic):
        image, _, geometry = phantom.study(109)
        with pytest.raises(FocalSegError, match="has no model yet"):
            logic.segment(add_volume(scene, image, geometry), new_task(logic), wait=True)

    def test_no_labelled_case(self, scene, logic):
        with pytest.raises(FocalSegError, match="no labelled training case"):
            logic.retrain(new_task(logic), budget_seconds=1, wait=True)

    def test_number_of_channels(self, scene, logic):
        task = new_task(logic, channels=["T1", "T2"])
        image, _, geometry = phantom.study(110)
        with pytest.raises(FocalSegError, match=r"head has 1 channel, but task \d+ needs 2 \(T1, T2\)"):
            logic.segment(add_volume(scene, image, geometry, "head"), task, wait=True)

    def test_unknown_segment_saves_nothing(self, scene, logic):
        task = new_task(logic)
        image, _, geometry = phantom.study(111)
        volume = add_volume(scene, image, geometry)
        node = add_segmentation(scene, volume)
        paint(node, volume, "tumour", image > 500)
        with pytest.raises(FocalSegError, match="“tumour”"):
            logic.submit_correction(node, volume, task=task, wait=True)
        assert logic.fetch("cases", task["id"], wait=True).result == []

    def test_image_with_nan(self, scene, logic, trained_task):
        image, _, geometry = phantom.study(112)
        broken = image.astype(np.float32)
        broken[3, 4, 5] = np.nan
        with pytest.raises(FocalSegError, match="NaN"):
            logic.segment(add_volume(scene, broken, geometry), trained_task, wait=True)

    def test_wrong_token(self, backend):
        with pytest.raises(BackendError, match="token") as caught:
            BackendClient(backend.url, "wrong").tasks()
        assert caught.value.status == 401

    def test_unknown_task(self, scene, logic):
        with pytest.raises(FocalSegError, match="no task"):
            logic.fetch("task", "0" * 16, wait=True)

    def test_nobody_listens(self):
        with pytest.raises(BackendError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
            BackendClient("http://127.0.0.1:9", "token").tasks()

    def test_no_backend_at_all(self, scene):
        with pytest.raises(FocalSegError, match="No backend is running"):
            FocalSegLogic().fetch("tasks", wait=True)


class TestProcess:
    def test_killed_backend_is_explained_and_can_be_started_again(self, scene, tmp_path):
        logic = FocalSegLogic()
        logic.start_backend(tmp_path / "workspace", sys.executable, device="cpu", wait=True)
        task = new_task(logic)
        logic._process._process.kill()
        with pytest.raises(FocalSegError, match=r"killed by signal 9.*Start it again"):
            logic.fetch("tasks", wait=True)
        logic.start_backend(tmp_path / "workspace", sys.executable, device="cpu", wait=True)
        assert [t["id"] for t in logic.tasks()] == [task["id"]]
        process = logic._process
        logic.close(wait=True)
        assert not process.is_running()
        assert "No backend is running" in logic.backend_problem()

    def test_python_files_in_the_current_folder_are_not_imported(self, tmp_path, monkeypatch):
        (tmp_path / "typer.py").write_text("raise SystemExit('the wrong typer')", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        BackendProcess.start(sys.executable, tmp_path / "workspace", device="cpu").stop()

    def test_missing_python(self, tmp_path):
        with pytest.raises(BackendError, match=r"/no/python could not be started \(No such file"):
            BackendProcess.start("/no/python", tmp_path)

    def test_python_without_the_backend(self, tmp_path):
        bare = tmp_path / "bare"
        venv.create(bare, with_pip=False)
        with pytest.raises(BackendError, match=r"could not start.*No module named"):
            BackendProcess.start(bare / "bin" / "python", tmp_path / "workspace")

    def test_start_can_be_stopped(self, scene, tmp_path):
        logic = FocalSegLogic()
        operation = logic.start_backend(tmp_path, sys.executable)
        logic.process_events()
        begin = time.monotonic()
        operation.cancel()
        with pytest.raises(OperationCancelled):
            logic.wait(operation, 15)
        assert time.monotonic() - begin < 1.5
        assert logic.client is None


def test_a_subject_that_contradicts_an_earlier_one_is_refused(logic, scene):
    """A case's subject decides whether it trains or validates, so it must not be ignored unseen."""
    task = new_task(logic, phantom.CLASSES)
    submit_phantom(logic, task, 3, "person one")
    with pytest.raises(FocalSegError, match=r"phantom 3.*of the subject person one, not person two"):
        submit_phantom(logic, task, 3, "person two")
    assert len(logic.client.revisions(logic.client.cases(task["id"])[0]["id"])) == 1
