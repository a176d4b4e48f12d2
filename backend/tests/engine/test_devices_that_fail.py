"""Memory that ends and a GPU that is lost, under real worker processes."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest
from processes import workers
from workspace_samples import fill

from ufseg.engine.engine import Engine
from ufseg.engine.requests import TrainingRequest
from ufseg.workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits processes through /proc")

# For a computer that is busy otherwise.
_SECONDS = 300
# What a worker sees when the driver resets a GPU in mid-work; there is none here, so a flag file stands for it.
_LOST_GPU = """
import os, pathlib, sys
if "ufseg.engine.worker" in " ".join(sys.orig_argv) and pathlib.Path(os.environ["LOST_GPU"]).exists():
    import dataclasses
    from ufseg.networks import device
    honest = device.choose_device
    device.choose_device = lambda asked: dataclasses.replace(honest("cpu"), kind="cuda", name="NVIDIA Test")
    import ufseg.engine.train_job
    def run_training(*arguments):
        raise RuntimeError("CUDA error: unspecified launch failure\\nCUDA kernel errors might be reported later")
    ufseg.engine.train_job.run_training = run_training
"""


def test_a_lost_gpu_fails_the_job_in_words_and_a_fresh_worker_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(_LOST_GPU, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("LOST_GPU", str(tmp_path / "lost"))
    with Workspace(tmp_path / "workspace") as workspace, Engine(workspace, "cpu") as engine:
        task = fill(workspace, training=1, validation=0)
        short = TrainingRequest(budget_seconds=0.3)
        (tmp_path / "lost").touch()
        failed = engine.wait(engine.submit_training(task.id, short).id, _SECONDS)
        assert failed.state == "failed"
        assert failed.error is not None
        assert failed.error.type == "DeviceError"
        assert "The GPU NVIDIA Test stopped working" in failed.error.message
        assert "unspecified launch failure" in failed.error.message
        (tmp_path / "lost").unlink()
        assert engine.wait(engine.submit_training(task.id, short).id, _SECONDS).state == "succeeded"


def test_a_worker_without_memory_fails_the_job_in_words(tmp_path: Path) -> None:
    with Workspace(tmp_path / "workspace") as workspace, Engine(workspace, "cpu") as engine:
        task = fill(workspace, training=1, validation=0)
        short = TrainingRequest(budget_seconds=0.3)
        assert engine.wait(engine.submit_training(task.id, short).id, _SECONDS).state == "succeeded"
        worker = workers(os.getpid(), "training")[0]
        pages = int(Path(f"/proc/{worker}/statm").read_text(encoding="ascii").split()[0])
        limits = resource.prlimit(worker, resource.RLIMIT_AS)
        resource.prlimit(worker, resource.RLIMIT_AS, (pages * resource.getpagesize(), limits[1]))
        failed = engine.wait(engine.submit_training(task.id, short).id, _SECONDS)
        assert failed.state == "failed"
        assert failed.error is not None
        assert "memory" in failed.error.message.lower(), failed.error.message
        for process in workers(os.getpid(), "training"):
            resource.prlimit(process, resource.RLIMIT_AS, limits)
        assert engine.wait(engine.submit_training(task.id, short).id, _SECONDS).state == "succeeded"
        assert len(workspace.models.of_task(task.id)) == 2
