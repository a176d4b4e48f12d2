"""Running out of memory, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ufseg.errors import OutOfMemoryError
from ufseg.networks.device import Device

ALLOCATION_FAILURES = (
    "can't allocate memory",
    "could not create a primitive",
    "could not execute a primitive",
    "could not create a memory object",
    "bad_alloc",
)
"""torch's words for it. oneDNN's also stand for what it cannot compute; the cause stays attached to the error."""


@contextmanager
def memory_errors(device: Device, work: str, advice: str) -> Iterator[None]:
    """Turn torch's out-of-memory errors into an OutOfMemoryError with the numbers.

    Args:
        device: whose memory it is.
        work: what was computed, such as ``"2 patches of 128 × 128 × 128 voxels"``.
        advice: the next step, a clause such as ``"make the plan's patch smaller"``.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _in_words(device, work, advice) from error
    except RuntimeError as error:
        # On a CPU neither torch's allocator nor oneDNN has an error type of its own.
        if not any(words in str(error) for words in ALLOCATION_FAILURES):
            raise
        raise _in_words(device, work, advice) from error


def _in_words(device: Device, work: str, advice: str) -> OutOfMemoryError:
    memory = ""
    if device.kind == "cuda":
        free, total = torch.cuda.mem_get_info(device.torch_device)
        memory = f" ({free / 2**30:.1f} of {total / 2**30:.1f} GiB free)"
    return OutOfMemoryError(
        f"The memory of {device.name}{memory} does not suffice for {work}. "
        f"Close other programs that use it, or {advice}."
    )
