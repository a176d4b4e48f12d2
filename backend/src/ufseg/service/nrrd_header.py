"""What an uploaded NRRD file says about itself, checked before a library opens it."""

from __future__ import annotations

import math
from pathlib import Path

from ufseg.errors import ImageError

_LONGEST_HEADER = 64 << 10
_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "signed long long int"), 8),
    **dict.fromkeys(("int64", "int64_t", "ulonglong", "unsigned long long", "unsigned long long int"), 8),
    **dict.fromkeys(("uint64", "uint64_t", "double"), 8),
}


def check_nrrd(path: Path) -> None:
    """Refuse what is not one raw NRRD file with its header attached.

    A detached header would make the reader open another file of this computer, and a compressed one could unfold
    without bounds.

    Raises:
        ImageError: no NRRD, detached, compressed, or more or fewer bytes than its header promises.

    Source: https://teem.sourceforge.net/nrrd/format.html
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(_LONGEST_HEADER)
    end, gap = min(((i, len(gap)) for gap in (b"\n\n", b"\r\n\r\n") if (i := start.find(gap)) >= 0), default=(-1, 0))
    if not start.startswith(b"NRRD000") or end < 0:
        raise ImageError(
            f"The uploaded file ({size} bytes) is no NRRD file with an attached header. Send the image as raw NRRD."
        )
    fields = {}
    for line in start[:end].decode("ascii", "replace").splitlines()[1:]:
        name, separator, value = line.partition(": ")
        if separator and not line.startswith("#"):
            fields[name.strip().lower()] = value.strip()
    if "data file" in fields or "datafile" in fields:
        raise ImageError("The uploaded NRRD header points to another file. Send header and voxels in one file.")
    encoding = fields.get("encoding", "none").lower()
    if encoding != "raw":
        raise ImageError(f"The uploaded NRRD file has the encoding {encoding!r}. Send it with the encoding raw.")
    promised = _voxel_bytes(fields)
    found = size - end - gap
    if found != promised:
        raise ImageError(
            f"The uploaded NRRD file holds {found} bytes of voxels, but its header promises {promised} "
            f"(sizes {fields.get('sizes')}, type {fields.get('type')}). It may have been cut off; send it again."
        )


def _voxel_bytes(fields: dict[str, str]) -> int:
    sizes, kind = fields.get("sizes", ""), fields.get("type", "").lower()
    counts = [int(s) if s.isascii() and s.isdigit() else 0 for s in sizes.split()]
    if kind not in _BYTES or not counts or min(counts) < 1:
        raise ImageError(
            f"The uploaded NRRD header has the type {kind!r} and the sizes {sizes!r}. Send integers or floats with "
            "sizes of at least 1."
        )
    if any(
        skip in fields and fields[skip] not in ("0",) for skip in ("line skip", "lineskip", "byte skip", "byteskip")
    ):
        raise ImageError("The uploaded NRRD header skips lines or bytes of its file. Send it without such a gap.")
    return math.prod(counts) * _BYTES[kind]
