"""Telling whole files from truncated ones where the format's reader does not."""

from __future__ import annotations

import struct
from pathlib import Path

from ufseg.errors import ImageError

# TIFF field types' sizes in bytes, by their number.
TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


def require_complete(path: Path) -> None:
    """Check JPEG, BMP and (classic) TIFF files, which are otherwise read with the missing part made up.

    NRRD, MetaImage and PNG readers notice by themselves; NIfTI is checked in `ufseg.images.nifti`.

    Raises:
        ImageError: the file is shorter than it says.
    """
    with path.open("rb") as file:
        start = file.read(8)
    size = path.stat().st_size
    if start[:3] == b"\xff\xd8\xff":
        data = path.read_bytes()
        # Compressed data never contain a marker, so the end marker must follow the last start of scan.
        if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
            raise _truncated(path, f"the JPEG's end marker is missing after {size} bytes")
    elif start[:2] == b"BM" and len(start) >= 6:
        (promised,) = struct.unpack_from("<I", start, 2)
        if size < promised:
            raise _truncated(path, f"its header promises {promised} bytes, but it holds {size}")
    elif start[:4] in (b"II*\0", b"MM\0*"):
        needed = _tiff_end(path.read_bytes())
        if size < needed:
            raise _truncated(path, f"its pages reach to byte {needed}, but it holds {size}")


def _truncated(path: Path, reason: str) -> ImageError:
    return ImageError(f"{path} is truncated: {reason}. Copy or export it again.")


def _tiff_end(data: bytes) -> int:
    """The last byte that a page's directory or pixels need, plus one.

    Source: TIFF 6.0 specification, section 2 (file header, image file directory).
    """
    order = "<" if data[:2] == b"II" else ">"
    end = 8
    if len(data) < end:
        return end
    seen = set()
    offset: int = struct.unpack_from(order + "I", data, 4)[0]
    while offset and offset not in seen:
        seen.add(offset)
        end = max(end, offset + 2)
        if len(data) < end:
            return end
        count: int = struct.unpack_from(order + "H", data, offset)[0]
        end = max(end, offset + 2 + 12 * count + 4)
        if len(data) < end:
            return end
        numbers: dict[int, tuple[int, ...]] = {}
        for entry in range(count):
            tag, kind, n, value = struct.unpack_from(order + "HHII", data, offset + 2 + 12 * entry)
            length = TIFF_SIZES.get(kind, 1) * int(n)
            if length > 4:
                end = max(end, int(value) + length)
                if len(data) < end:
                    return end
            # Strips and tiles: where they begin and how long they are.
            if tag in (273, 279, 324, 325) and kind in (3, 4):
                where = value if length > 4 else offset + 2 + 12 * entry + 8
                numbers[tag] = struct.unpack_from(f"{order}{n}{'H' if kind == 3 else 'I'}", data, where)
        for starts, lengths in ((273, 279), (324, 325)):
            pairs = zip(numbers.get(starts, ()), numbers.get(lengths, ()), strict=False)
            end = max([end, *(a + b for a, b in pairs)])
        offset = struct.unpack_from(order + "I", data, offset + 2 + 12 * count)[0]
    return end
