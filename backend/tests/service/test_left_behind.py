"""A service whose starter has gone: it finishes its trainings, then ends."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from processes import until
from service_process import ServiceProcess
from workspace_samples import fill

from ufseg.engine.engine import Engine
from ufseg.engine.requests import TrainingRequest
from ufseg.service.left_behind import FILE, FINISH_TRAININGS, LeftBehind
from ufseg.workspace import Workspace


def _leave(service: ServiceProcess) -> None:
    assert service.process.stdin is not None
    service.process.stdin.write(FINISH_TRAININGS + b"\n")
    service.process.stdin.close()


def test_a_service_that_is_left_behind_can_still_be_asked(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "workspace")
    task = service.fill("left", training=1, validation=0)
    job = service.train(task, 300)
    until(lambda: service.get(f"/jobs/{job['id']}")["state"] == "running")
    _leave(service)
    path = tmp_path / "workspace" / FILE
    until(path.exists)
    assert json.loads(path.read_text(encoding="utf-8")) == service.hello
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    assert service.get(f"/jobs/{job['id']}")["state"] == "running"
    service.process.terminate()
    service.process.wait(20)


def test_nothing_to_finish_ends_it_at_once_and_leaves_no_address(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "workspace")
    _leave(service)
    service.process.wait(20)
    assert not (tmp_path / "workspace" / FILE).exists()


def test_the_address_of_a_service_that_is_gone_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{}", encoding="utf-8")
    with ServiceProcess(tmp_path):
        assert not (tmp_path / FILE).exists()


def test_it_stays_for_its_training_and_for_whoever_asks(tmp_path: Path) -> None:
    with Workspace(tmp_path / "workspace") as workspace, Engine(workspace, "cpu") as engine:
        task = fill(workspace, "stays", training=1, validation=0)
        job = engine.submit_training(task.id, TrainingRequest(epochs=1))
        quiet = 1.0
        left = LeftBehind(engine, tmp_path, quiet)
        begin = time.monotonic()
        left.stay({"token": "secret"}, lambda: False)
        assert engine.job(job.id).state == "succeeded"
        assert time.monotonic() - begin >= quiet
        left.stay({}, lambda: False)  # at once, without a training


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_the_token_is_not_written_through_a_link(tmp_path: Path) -> None:
    with Workspace(tmp_path / "workspace") as workspace, Engine(workspace, "cpu") as engine:
        (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
        task = fill(workspace, "link", training=1, validation=0)
        engine.submit_training(task.id, TrainingRequest(epochs=1))
        LeftBehind(engine, tmp_path).stay({"token": "secret"}, lambda: True)
        assert not (tmp_path / "elsewhere").exists()
