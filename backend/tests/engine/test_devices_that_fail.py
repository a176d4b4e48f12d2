"""A GPU that is lost in the midst of a job, under real worker processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from workspace_samples import fill

from ufseg.engine.device_failures import failure_in_words
from ufseg.engine.engine import Engine
from ufseg.engine.requests import TrainingRequest
from ufseg.networks.device import Device
from ufseg.workspace import Workspace

# For a computer that is busy otherwise.
_SECONDS = 300
GPU = Device(torch.device("cuda", 0), "NVIDIA Test", "cuda")
# What a worker sees when the driver resets a GPU in mid-work: there is none here, so a flag file stands for it. The
# driver is one that keeps a process from ending, so that a job sent to the old worker would be lost.
_LOST_GPU = """
import os, pathlib, sys
lost = pathlib.Path(os.environ["LOST_GPU"])
if "ufseg.engine.worker --kind training" in " ".join(sys.orig_argv) and lost.exists():
    import atexit, dataclasses, time
    import torch
    from ufseg.networks import device
    honest = device.choose_device
    device.choose_device = lambda asked: dataclasses.replace(honest("cpu"), kind="cuda", name="NVIDIA Test")
    os._exit = os.killpg = lambda *arguments: time.sleep(20)
    atexit.register(time.sleep, 20)
    import ufseg.engine.train_job
    def run_training(*arguments):
        lost.unlink()
        kind = getattr(torch, "AcceleratorError", RuntimeError)
        raise kind("CUDA error: unspecified launch failure\\nCUDA kernel errors might be reported later")
    ufseg.engine.train_job.run_training = run_training
"""


def test_a_lost_gpu_fails_the_job_in_words_and_a_fresh_worker_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(_LOST_GPU, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("LOST_GPU", str(tmp_path / "lost"))
    (tmp_path / "lost").touch()
    with Workspace(tmp_path / "workspace") as workspace, Engine(workspace, "cpu") as engine:
        task = fill(workspace, training=1, validation=0)
        short = TrainingRequest(budget_seconds=0.3)
        first, second = (engine.submit_training(task.id, short).id for _ in range(2))
        failed = engine.wait(first, _SECONDS)
        assert failed.state == "failed"
        assert failed.error is not None
        assert failed.error.type == "DeviceError"
        assert "The GPU NVIDIA Test stopped working: CUDA error: unspecified launch failure." in failed.error.message
        assert "'ufseg doctor'" in failed.error.message
        waited = engine.wait(second, _SECONDS)
        assert waited.state == "succeeded", waited.error
        assert waited.notes == (), "it began in the fresh worker, not in the old one"
        log = workspace.folder / "logs" / "worker-training.log"
        assert "unspecified launch failure" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("CUDA error: device-side assert triggered\nCompile with TORCH_USE_CUDA_DSA"), "DeviceError"),
        (RuntimeError("CUDA error: no CUDA-capable device is detected"), "DeviceError"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "DeviceError"),
        (RuntimeError("No CUDA GPUs are available"), "DeviceError"),
        (RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"), "DeviceError"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "OutOfMemoryError"),
        (RuntimeError("CUDA error: out of memory"), "OutOfMemoryError"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            "OutOfMemoryError",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            "OutOfMemoryError",
        ),
        (MemoryError(), "OutOfMemoryError"),
        (OSError(12, "Cannot allocate memory"), "OutOfMemoryError"),
        (OSError(28, "No space left on device"), "StorageError"),
    ],
)
def test_failures_of_devices_are_told_apart(error: Exception, kind: str) -> None:
    failure = failure_in_words(error, GPU)
    assert type(failure).__name__ == kind
    assert "\n" not in str(failure)
    assert ".." not in str(failure)


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), OSError(2, "No such file")]
)
def test_a_defect_is_no_failure_of_a_device(error: Exception) -> None:
    assert failure_in_words(error, GPU) is None
