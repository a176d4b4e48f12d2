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


def restarted(workspace) -> FocalSegLogic:
    """Slicer started again."""
    logic = FocalSegLogic()
    logic.start_backend(workspace, sys.executable, device="cpu", wait=True)
    return logic


def until_it_learns(logic, operation) -> None:
    while not operation.scalars.get("step"):
        assert operation.running, operation.error
        logic.process_events()
        time.sleep(0.01)


def test_a_training_waits_for_the_next_start_or_goes_on_in_the_background(scene, tmp_path):
    logic = restarted(tmp_path)
    task = new_task(logic, phantom.CLASSES, validation_fraction=0.0)
    submit_phantom(logic, task, 1, "one")
    until_it_learns(logic, logic.retrain(task, epochs=LONG))
    logic.close(wait=True)
    assert not (tmp_path / "service.json").exists()

    second = restarted(tmp_path)
    job = second.unfinished_training(task, wait=True).result
    until_it_learns(second, second.follow_training(job))
    pid = second._process.pid
    second.close(finish_trainings=True)
    deadline = time.monotonic() + SECONDS
    while not (tmp_path / "service.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (tmp_path / "service.json").stat().st_mode & 0o777 == 0o600

    third = restarted(tmp_path)
    assert third._process.pid == pid
    job = third.unfinished_training(task, wait=True).result
    assert job["state"] == "running"
    operation = third.follow_training(job)
    until_it_learns(third, operation)
    operation.cancel()
    with pytest.raises(OperationCancelled):
        third.wait(operation, SECONDS)
    third.start_backend(tmp_path, sys.executable, device="cpu", wait=True)  # as by the button "Restart"
    assert third._process.pid != pid
    assert not (tmp_path / "service.json").exists()
    third.close(wait=True)


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
    path.write_text('{"url": "http://127.0.0.1:9", "token": "t", "pid": 1}', encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(BackendError, match=r"readable by you alone.*644"):
        LeftBackend.find(tmp_path)
    path.chmod(0o600)
    assert LeftBackend.find(tmp_path) is None  # nobody listens there
    path.write_text('{"url": "http://example.org", "token": "t", "pid": 1}', encoding="utf-8")
    assert LeftBackend.find(tmp_path) is None
