"""Failures of a device, its memory or the disk in the midst of a job, told from defects and said in words."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ufseg.errors import DeviceError, OutOfMemoryError, StorageError, UfsegError

if TYPE_CHECKING:
    from ufseg.networks.device import Device

# torch has classes for few of its errors; these are the words of the others, beside those of `networks.memory`.
_NO_MEMORY = (
    "Cannot allocate memory",
    "Failed to allocate memory",
    "bad allocation",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
_LOST_GPU = (
    "CUDA error",
    "CUDA driver error",
    "cuDNN error",
    "Triton Error [CUDA]",
    "device-side assert",
    "unspecified launch failure",
    "No CUDA GPUs are available",
    "no CUDA-capable device",
)


def failure_in_words(error: Exception, device: Device) -> UfsegError | None:
    """The error to show for what Python, torch or the system raised in a job; None if it is a defect.

    Returns:
        OutOfMemoryError if memory did not suffice, StorageError for a full disk, and a plain DeviceError if the GPU or
        its driver failed: the process that met it cannot use that GPU any more.
    """
    if _is_out_of_memory(error):
        return OutOfMemoryError(
            f"The memory of {device.name} did not suffice: {_detail(error) or 'no size was given'}. Close other "
            "programs that use it, or choose a smaller image region or patch."
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StorageError("The disk became full while the job was writing. Free some space and start it again.")
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _LOST_GPU):
        return DeviceError(
            f"The GPU {device.name} stopped working: {_detail(error)}. Check it with 'ufseg doctor' and start the job "
            "again; if it stays so, restart the computer or choose the CPU."
        )
    return None


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    from ufseg.networks.memory import ALLOCATION_FAILURES

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(
        words in str(error) for words in (*ALLOCATION_FAILURES, *_NO_MEMORY)
    )


def _detail(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "").rstrip(".")
