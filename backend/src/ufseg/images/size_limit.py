"""How large an image may be: a header of a few bytes must not make the reader take all memory or fill the disk."""

from __future__ import annotations

import os
from pathlib import Path

from ufseg.errors import ImageError, InputError

VARIABLE = "UFSEG_MAX_IMAGE_GB"
"""Environment variable: the largest image that is read, in GB of voxels."""
DEFAULT_GB = 16.0


def largest_bytes() -> int:
    """Bytes of voxels that an image may have at most; raises InputError if the variable holds no number above 0."""
    text = os.environ.get(VARIABLE, str(DEFAULT_GB))
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise InputError(f"{VARIABLE} is {text!r}. Set it to a number of GB above 0, or unset it for {DEFAULT_GB:g}.")
    return int(number * 1e9)


def require_bounded(path: Path, declared: int) -> None:
    """Refuse an image by what its header says, before anything of it is taken into memory.

    Args:
        path: of the image.
        declared: bytes of its voxels, uncompressed.

    Raises:
        ImageError: they are more than `largest_bytes`.
    """
    limit = largest_bytes()
    if declared > limit:
        raise ImageError(
            f"{path} says that it holds {declared / 1e9:.1f} GB of voxels in {path.stat().st_size} bytes, and no more "
            f"than {limit / 1e9:g} GB are read. Check that it is the right file, crop it, or set {VARIABLE} higher."
        )
