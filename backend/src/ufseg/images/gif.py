"""GIF files, which ITK does not read and in which DRIVE keeps its masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ufseg.errors import ImageError
from ufseg.images.size_limit import require_bounded


def is_gif(path: Path) -> bool:
    """Whether the content is that of a GIF file."""
    with path.open("rb") as file:
        return file.read(6) in (b"GIF87a", b"GIF89a")


def open_gif(path: Path) -> Any:
    """A single-frame GIF as a SimpleITK image: grey where its palette is, else red, green, blue; uint8.

    Raises:
        ImageError: an animation, or damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            require_bounded(path, 3 * picture.width * picture.height)
            frames = getattr(picture, "n_frames", 1)
            if frames != 1:
                raise ImageError(f"{path} is an animation of {frames} pictures. Give a file with one picture.")
            colours = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, EOFError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be read as a GIF file: {str(error).rstrip('.')}. Copy it again.") from error
    if (colours == colours[..., :1]).all():
        return sitk.GetImageFromArray(np.ascontiguousarray(colours[..., 0]))
    return sitk.GetImageFromArray(colours, isVector=True)
