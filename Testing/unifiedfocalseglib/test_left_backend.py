"""A training that goes on after Slicer has ended, and the backend that finishes it."""

from __future__ import annotations

import os
import sys
import time

import pytest

import phantom
from submissions import new_task, submit_phantom
from UnifiedFocalSegLib.errors import BackendError, OperationCancelled
from UnifiedFocalSegLib.left_backend import LeftBackend
from UnifiedFocalSegLib.logic import FocalSegLogic

LONG = 1_000_000
SECONDS = 120.0


@pytest.fixture
def training(scene, tmp_path):
    """Logic with a backend of its own, and a training under way that would take very long."""
    logic = FocalSegLogic()
    logic.start_backend(tmp_path / "workspace", sys.executable, device="cpu", wait=True)
    task = new_task(logic, phantom.CLASSES, validation_fraction=0.0)
    submit_phantom(logic, task, 1, "one")
    operation = logic.retrain(task, epochs=LONG)
    while not operation.scalars.get("step"):
        logic.process_events()
        time.sleep(0.01)
    yield logic, task, tmp_path / "workspace"
    logic.close(wait=True)
    left = LeftBackend.find(tmp_path / "workspace")
    if left is not None:
        left.stop()


def restarted(workspace) -> FocalSegLogic:
    """Slicer started again."""
    logic = FocalSegLogic()
    logic.start_backend(workspace, sys.executable, device="cpu", wait=True)
    return logic


def test_the_next_slicer_finds_the_training_under_way(training):
    logic, task, workspace = training
    before = logic._process.pid
    logic.close(finish_trainings=True)
    deadline = time.monotonic() + SECONDS
    while not (workspace / "service.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (workspace / "service.json").stat().st_mode & 0o777 == 0o600
    again = restarted(workspace)
    assert again._process.pid == before
    job = again.unfinished_training(task, wait=True).result
    assert job["state"] == "running"
    operation = again.follow_training(job)
    while not operation.scalars.get("step"):
        again.process_events()
    operation.cancel()
    with pytest.raises(OperationCancelled):
        again.wait(operation, SECONDS)
    again.start_backend(workspace, sys.executable, device="cpu", wait=True)  # as by the button "Restart"
    assert again._process.pid != before
    assert not (workspace / "service.json").exists()
    again.close(wait=True)


def test_without_it_the_training_waits_for_the_next_start(training):
    logic, task, workspace = training
    logic.close(wait=True)
    assert not (workspace / "service.json").exists()
    again = restarted(workspace)
    job = again.unfinished_training(task, wait=True).result
    assert job is not None
    again.client.cancel_job(job["id"])
    again.close(wait=True)


def test_nothing_to_finish_means_nothing_is_left_behind(scene, tmp_path):
    logic = restarted(tmp_path)
    process = logic._process
    process.hand_over()
    deadline = time.monotonic() + SECONDS
    while process.is_running():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert LeftBackend.find(tmp_path) is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows keeps access rights elsewhere")
def test_an_address_that_others_can_read_is_not_trusted(tmp_path):
    path = tmp_path / "service.json"
    path.write_text('{"url": "http://127.0.0.1:9", "token": "t", "pid": 1}')
    path.chmod(0o644)
    with pytest.raises(BackendError, match=r"readable by you alone.*644"):
        LeftBackend.find(tmp_path)
    path.chmod(0o600)
    assert LeftBackend.find(tmp_path) is None  # nobody listens there
    path.write_text('{"url": "http://example.org", "token": "t", "pid": 1}')
    assert LeftBackend.find(tmp_path) is None
