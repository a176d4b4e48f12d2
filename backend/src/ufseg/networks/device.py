"""Which device computes, found by running a real kernel on it."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ufseg.errors import DeviceError
from ufseg.networks.process_environment import computing_environment

__all__ = ["Device", "autocast", "autocast_dtype", "choose_device", "computing_environment", "copied_to"]


@dataclass(frozen=True)
class Device:
    """A device that has computed a convolution forward and backward.

    Args:
        torch_device: what tensors and networks are moved to.
        name: for people, such as ``"NVIDIA H100"`` or ``"CPU (AMD EPYC, 2 threads)"``.
        kind: ``"cuda"`` or ``"cpu"``.
        note: why it is not the device one would expect, or None.
    """

    torch_device: torch.device
    name: str
    kind: Literal["cuda", "cpu"]
    note: str | None = None


def choose_device(requested: str = "auto") -> Device:
    """The device to compute on.

    Args:
        requested: ``"auto"`` (a working GPU, else the CPU with a note that says why), ``"cpu"``, ``"cuda"`` or
            ``"cuda:N"``.

    Returns:
        A device on which a convolution has just run forward and backward.

    Raises:
        DeviceError: the request is unknown, or the explicitly requested device is absent or failed the kernel.
    """
    if requested == "cpu":
        return _cpu(None)
    if requested == "auto":
        problem = _cuda_problem(torch.device("cuda", 0))
        return _cpu(f"Computing on the CPU: {problem}") if problem else _cuda(torch.device("cuda", 0))
    if requested == "cuda" or requested.startswith("cuda:"):
        number = requested[5:] or "0"
        if not number.isdigit():
            raise DeviceError(f"{requested!r} names no device; write cuda, cuda:0, cpu or auto.")
        device = torch.device("cuda", int(number))
        problem = _cuda_problem(device)
        if problem:
            raise DeviceError(f"The device {requested} was asked for but does not work: {problem} Choose auto or cpu.")
        return _cuda(device)
    raise DeviceError(f"{requested!r} names no device; write cuda, cuda:0, cpu or auto.")


def autocast_dtype(device: Device) -> torch.dtype | None:
    """Reduced precision that is faster on `device`, or None for float32 throughout.

    bfloat16 on GPUs that compute it (no loss scaling needed), float16 on older ones, bfloat16 on CPUs with AVX-512
    BF16 or AMX, nothing on other CPUs (emulated there and slower).
    """
    if device.kind == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device.torch_device)[0] >= 8 else torch.float16
    return torch.bfloat16 if _cpu_has_bfloat16() else None


def autocast(device: Device) -> AbstractContextManager[object]:
    """Context in which networks run in `autocast_dtype(device)`; losses belong outside it or compute in float32."""
    dtype = autocast_dtype(device)
    return nullcontext() if dtype is None else torch.autocast(device.kind, dtype=dtype)


def copied_to(device: torch.device, tensor: Tensor) -> Tensor:
    """A tensor of the CPU on `device`, without waiting for what the device has under way.

    From ordinary memory torch waits for the copy, and so for everything that was asked of the GPU before; from pinned
    memory it does not. There the small copy that this makes on the CPU costs microseconds.
    """
    if device.type == "cuda" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _cuda(device: torch.device) -> Device:
    return Device(device, torch.cuda.get_device_name(device), "cuda")


def _cpu(note: str | None) -> Device:
    _run_kernel(torch.device("cpu"))
    return Device(torch.device("cpu"), f"CPU ({_cpu_model()}, {torch.get_num_threads()} threads)", "cpu", note)


def _cuda_problem(device: torch.device) -> str | None:
    """None if a kernel ran, else a sentence. A driver may list a GPU that this build of torch cannot use."""
    if not torch.cuda.is_available():
        built = torch.version.cuda
        return (
            f"torch {torch.__version__} (built for CUDA {built}) finds no usable NVIDIA GPU or driver."
            if built
            else f"torch {torch.__version__} is a build without CUDA."
        )
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        return f"there {'is' if count == 1 else 'are'} only {count} CUDA device{'' if count == 1 else 's'}."
    try:
        _run_kernel(device)
        torch.cuda.synchronize(device)
    except RuntimeError as error:  # what torch raises for a missing kernel image, a broken driver, a full memory
        return f"a test convolution failed with: {str(error).splitlines()[0].rstrip('.')}."
    return None


def _run_kernel(device: torch.device) -> None:
    convolution = nn.Conv3d(1, 2, 3, padding=1).to(device)
    convolution(torch.ones(1, 1, 4, 4, 4, device=device)).sum().backward()


@lru_cache(maxsize=1)
def _cpu_information() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _cpu_has_bfloat16() -> bool:
    for line in _cpu_information().splitlines():
        if line.startswith("flags"):
            flags = line.split()
            return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def _cpu_model() -> str:
    for line in _cpu_information().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
