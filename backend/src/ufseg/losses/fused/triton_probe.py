"""Whether Triton's kernels run here."""

from __future__ import annotations

import subprocess

import torch
import triton
import triton.language as tl
from triton.errors import TritonError

from ufseg.losses.fused.triton_passes import on_device


@triton.jit
def _write_seven(target):
    tl.store(target, 7)


def failure(device: torch.device) -> str | None:
    """The first line of what is raised when a kernel is started on `device`; None if it ran."""
    target = torch.zeros(1, dtype=torch.int32, device=device)
    try:
        with on_device(device):
            _write_seven[(1,)](target)
        written = int(target)
    except (RuntimeError, OSError, ImportError, subprocess.SubprocessError, TritonError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0]
    return None if written == 7 else f"a kernel wrote {written} where it should have written 7"
