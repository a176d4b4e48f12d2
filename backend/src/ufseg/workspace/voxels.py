"""Telling that two files hold the same image, whoever wrote them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def channel_hashes(array: NDArray[Any]) -> list[str]:
    """A hash of each channel's size and intensities, the same for every voxel type that holds them.

    Args:
        array: ``[channel, k, j, i]`` or ``[channel, j, i]``; compared as float32, and a single slice as a 2D image.
    """
    return [_hash(channel) for channel in array]


def image_hash(channels: Sequence[str]) -> str:
    """One hash for the channels of a case, in their order, however many files they are in."""
    return hashlib.sha256(",".join(channels).encode()).hexdigest()


def _hash(channel: NDArray[Any]) -> str:
    shape = channel.shape[1:] if channel.ndim == 3 and channel.shape[0] == 1 else channel.shape
    digest = hashlib.sha256(repr(tuple(shape)).encode())
    for part in channel:
        # Slice by slice, for a copy of the whole may not fit; adding 0 makes the two zeros of floats one.
        digest.update(np.ascontiguousarray(part, dtype="<f4") + np.float32(0))
    return digest.hexdigest()
