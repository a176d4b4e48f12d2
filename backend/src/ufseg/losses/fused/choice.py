"""When the fused passes can be used."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from ufseg.losses.sample import is_dense


def obstacle_of_tensors(logits: Tensor, target: Tensor, weight: Tensor | None) -> str | None:
    """Why a call with these tensors cannot be fused, as a sentence; None if it can."""
    if logits.numel() == 0:
        return "An empty batch has nothing to pass over."
    if is_dense(logits, target):
        return "The fused losses take class indices, not a one-hot target."
    if weight is not None and weight.requires_grad:
        return "The fused losses have no gradient for the weight map."
    if torch.compiler.is_compiling():
        return "Inside torch.compile the compiler does the fusing."
    return _obstacle_of_device(logits.device)


def _obstacle_of_device(device: torch.device) -> str | None:
    if device.type == "cpu":
        return None
    if device.type != "cuda":
        return f"There are no fused losses for the device {device.type}."
    if not has_triton():
        return "The fused losses need the package triton on a GPU."
    major, minor = torch.cuda.get_device_capability(device)
    if major < 7 and torch.version.cuda is not None:
        return f"Triton needs a GPU of compute capability 7.0 or more, this one has {major}.{minor}."
    return problem_of_triton(device)


@cache
def has_triton() -> bool:
    """Whether Triton is installed. PyTorch brings it along on Linux with a GPU."""
    return find_spec("triton") is not None


@cache
def problem_of_triton(device: torch.device) -> str | None:
    """Why Triton's kernels do not run on this GPU, as a sentence, found by running a small one; None if they do.

    Triton compiles a part of each kernel's start with the computer's C compiler, which need not be there. Warns if they
    do not run.
    """
    from ufseg.losses.fused.triton_probe import failure

    reason = failure(device)
    if reason is None:
        return None
    problem = f"Triton cannot run its kernels on this computer: {reason.rstrip('.')}."
    warnings.warn(
        f"{problem} So the losses run in plain PyTorch, which takes more time and memory. A C compiler (gcc) with the "
        "headers of this Python is what is missing most often.",
        stacklevel=2,
    )
    return problem


@cache
def has_numba() -> bool:
    """Whether Numba is installed (``pip install ufseg[fast]``), so that the CPU's passes can be compiled.

    Warns if it is installed but cannot be used, as with a newer NumPy than it knows.
    """
    if find_spec("numba") is None:
        return False
    try:
        import_module("numba")
    except ImportError as error:
        warnings.warn(f"Numba cannot be used, so the losses run in plain PyTorch: {error}", stacklevel=2)
        return False
    return True
