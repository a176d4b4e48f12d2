"""MetaImage headers that ITK's reader must not see: it trusts the number of axes and writes beyond its arrays.

Source: MetaIO as in ITK 5.4, metaTypes.h (arrays of 10 axes), https://itk.org/Wiki/ITK/MetaIO/Documentation
"""

from __future__ import annotations

import re
from pathlib import Path

from ufseg.errors import ImageError

MOST_AXES = 10
_HEADER_BYTES = 1 << 16
_AXES = re.compile(rb"NDims[ \t]*[=:]?[ \t]*([^\r\n]*)", re.IGNORECASE)


def require_sound_header(path: Path) -> None:
    """Check the number of axes of a ``.mha`` or ``.mhd`` file; any other file passes.

    Raises:
        ImageError: it is no number from 1 to 10.
    """
    if path.suffix.lower() not in (".mha", ".mhd"):
        return
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    header = start.partition(b"ElementDataFile")[0]
    for value in _AXES.findall(header):
        words = value.split()
        if len(words) != 1 or not words[0].isdigit() or not 1 <= int(words[0]) <= MOST_AXES:
            said = value.decode("latin-1").strip()[:40]
            raise ImageError(
                f"The header of {path} gives {said!r} as its number of axes; an image has 2 or 3. Export it again."
            )
