"""Choice of the device by a real kernel."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from ufseg.errors import DeviceError
from ufseg.networks.device import autocast, autocast_dtype, choose_device
from ufseg.networks.process_environment import computing_environment


def test_auto_says_why_it_is_the_cpu() -> None:
    device = choose_device("auto")
    if torch.cuda.is_available():
        assert device.kind == "cuda"
    else:
        assert device.kind == "cpu"
        assert device.note is not None
        assert "CPU" in device.note


def test_a_gpu_that_does_not_work_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"cuda:97.*does not work"):
        choose_device("cuda:97")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="names no device"):
        choose_device(name)


def test_a_failing_kernel_falls_back_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver may list a GPU whose kernels fail: without one, allocating on it raises the same RuntimeError."""
    if torch.cuda.is_available():
        pytest.skip("this machine's GPU works")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(torch.nn.Conv3d, "to", fail)
    monkeypatch.setattr("ufseg.networks.device._cpu", lambda note: note)
    assert "no kernel image" in str(choose_device("auto"))
    with pytest.raises(DeviceError, match="no kernel image"):
        choose_device("cuda")


def test_autocast_matches_its_type() -> None:
    device = choose_device("cpu")
    with autocast(device):
        result = torch.nn.Linear(4, 4)(torch.ones(1, 4))
    assert result.dtype == (autocast_dtype(device) or torch.float32)


def test_computing_environment_starts_a_process() -> None:
    environment = computing_environment()
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert all(int(value) > 0 for name, value in environment.items() if name.startswith("MALLOC_"))
    code = "x = bytearray(1 << 28); print(len(x))"
    out = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, encoding="utf-8", check=True
    )
    assert out.stdout.strip() == str(1 << 28)


def test_importing_the_environment_and_model_folders_does_not_import_torch() -> None:
    code = "import sys, ufseg.networks.process_environment, ufseg.networks.model_folder; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert out.stdout.strip() == "False"
