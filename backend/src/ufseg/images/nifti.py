"""Reading NIfTI files where ITK alone would read too little, something else, or nothing.

ITK 5.4 fills the missing part of a truncated file with zeros, opens ``x.nii`` when asked for ``x.nii.gz`` and both
exist, reads NaN and infinity as 0, does not know NIfTI-2, takes the spacing from ``pixdim`` even where the sform says
otherwise, and refuses axes that are orthogonal up to rounding only. Hence the header is read here first; a file that
ITK would read wrongly is handed to it as a corrected copy.

Source: NIfTI-1 and NIfTI-2 header definitions, https://nifti.nimh.nih.gov (nifti1.h, nifti2.h).
"""

from __future__ import annotations

import gzip
import math
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ufseg.errors import GeometryError, ImageError, StorageError
from ufseg.images.finite import require_finite
from ufseg.images.orthogonality import closest_orthogonal
from ufseg.images.size_limit import require_bounded

HEADER_1 = np.dtype(
    [
        ("sizeof_hdr", "<i4"), ("legacy", "S35"), ("dim_info", "u1"), ("dim", "<i2", 8), ("intent_p", "<f4", 3),
        ("intent_code", "<i2"), ("datatype", "<i2"), ("bitpix", "<i2"), ("slice_start", "<i2"), ("pixdim", "<f4", 8),
        ("vox_offset", "<f4"), ("scl_slope", "<f4"), ("scl_inter", "<f4"), ("slice_end", "<i2"), ("slice_code", "u1"),
        ("xyzt_units", "u1"), ("cal_max", "<f4"), ("cal_min", "<f4"), ("slice_duration", "<f4"), ("toffset", "<f4"),
        ("gl", "<i4", 2), ("descrip", "S80"), ("aux_file", "S24"), ("qform_code", "<i2"), ("sform_code", "<i2"),
        ("quatern", "<f4", 3), ("qoffset", "<f4", 3), ("srow", "<f4", (3, 4)), ("intent_name", "S16"), ("magic", "S4"),
    ]
)  # fmt: skip
HEADER_2 = np.dtype(
    [
        ("sizeof_hdr", "<i4"), ("magic", "S8"), ("datatype", "<i2"), ("bitpix", "<i2"), ("dim", "<i8", 8),
        ("intent_p", "<f8", 3), ("pixdim", "<f8", 8), ("vox_offset", "<i8"), ("scl_slope", "<f8"),
        ("scl_inter", "<f8"), ("cal_max", "<f8"), ("cal_min", "<f8"), ("slice_duration", "<f8"), ("toffset", "<f8"),
        ("slice_start", "<i8"), ("slice_end", "<i8"), ("descrip", "S80"), ("aux_file", "S24"), ("qform_code", "<i4"),
        ("sform_code", "<i4"), ("quatern", "<f8", 3), ("qoffset", "<f8", 3), ("srow", "<f8", (3, 4)),
        ("slice_code", "<i4"), ("xyzt_units", "<i4"), ("intent_code", "<i4"), ("intent_name", "S16"),
        ("dim_info", "u1"), ("unused", "S15"),
    ]
)  # fmt: skip
NEEDED_OF_2 = ("pixdim", "datatype", "bitpix", "intent_p", "intent_code", "scl_slope", "scl_inter", "xyzt_units",
               "qform_code", "sform_code", "quatern", "qoffset", "srow")  # fmt: skip
# What may follow after the last voxel, bytes.
LONGEST_APPENDIX = 16 << 20
# Data types by their code, as far as they can hold NaN.
FLOATS = {16: "f4", 64: "f8"}
MILLIMETRES = {1: 1000.0, 3: 0.001}


def is_nifti(path: Path) -> bool:
    """Whether the name is one of NIfTI's (``.nii``, ``.nii.gz``, or the pair ``.hdr`` and ``.img``)."""
    return path.name.lower().endswith((".nii", ".nii.gz", ".hdr", ".img"))


def open_nifti(path: Path) -> Any:
    """Read a NIfTI file as a SimpleITK image.

    Axes that miss orthogonality by less than half a voxel at the volume's corners are made orthogonal.

    Raises:
        ImageError: not NIfTI, truncated or damaged.
        GeometryError: sheared axes.
        StorageError: no room to unpack a compressed file.
        RuntimeError: ITK's own refusals.
    """
    if path.suffix.lower() in (".hdr", ".img"):
        return _open_pair(path)
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    header = _read_header(path, path, compressed)
    _require_finite_place(path, header)
    needed = _needed_bytes(path, header)
    require_bounded(path, needed)
    if not compressed:
        _require_size(path, header, path.stat().st_size)
        _require_finite(path, path, header)
        if path.suffix.lower() == ".nii" and header.dtype.names == HEADER_1.names:
            return _read_or_repair(path, path, header)
    # An unpacked copy takes about as long as ITK's own unpacking, proves the file whole (length and CRC), and lies in
    # a folder without the neighbours that ITK would mistake for it.
    with tempfile.TemporaryDirectory(prefix="ufseg-") as folder:
        plain = Path(folder) / "image.nii"
        _unpack(path, plain, compressed, needed + LONGEST_APPENDIX)
        _require_size(path, header, plain.stat().st_size)
        _require_finite(path, plain, header)
        if header.dtype.names == HEADER_2.names:
            header = _to_version_1(path, plain, header)
        return _read_or_repair(path, plain, header)


def require_whole(path: Path) -> None:
    """Raise ImageError unless the ``.nii`` or ``.nii.gz`` file holds all that its header promises."""
    compressed = path.suffix.lower() == ".gz"
    header = _read_header(path, path, compressed)
    size = path.stat().st_size
    if compressed:
        size = 0
        try:
            with gzip.open(path) as file:
                while block := file.read(1 << 20):
                    size += len(block)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _damaged(path, str(error)) from error
    _require_size(path, header, size)


def _open_pair(path: Path) -> Any:
    header_path, data_path = path.with_suffix(".hdr"), path.with_suffix(".img")
    for needed in (header_path, data_path):
        if not needed.exists():
            raise ImageError(f"{path} needs {needed} beside it, which is missing. Copy both files.")
    header = _read_header(path, header_path, compressed=False)
    _require_finite_place(path, header)
    require_bounded(data_path, _needed_bytes(data_path, header))
    _require_size(data_path, header, data_path.stat().st_size)
    _require_finite(path, data_path, header)
    return sitk.ReadImage(str(header_path))


def _read_header(name: Path, path: Path, compressed: bool) -> NDArray[Any]:
    """The header of either version in either byte order, as a record in the file's own byte order."""
    try:
        with gzip.open(path) if compressed else path.open("rb") as file:
            start = file.read(HEADER_2.itemsize)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(name, str(error)) from error
    for layout in (HEADER_1, HEADER_2):
        for order in ("<", ">"):
            if len(start) >= 4 and int(np.frombuffer(start[:4], order + "i4")[0]) == layout.itemsize:
                if len(start) < layout.itemsize:
                    raise _damaged(name, f"it ends within its header, after {len(start)} bytes")
                return np.frombuffer(start[: layout.itemsize], layout.newbyteorder(order))
    if len(start) < HEADER_1.itemsize:
        raise _damaged(name, f"it has only {len(start)} bytes, less than a header")
    raise ImageError(
        f"{name} is no NIfTI file, whatever its name says. Rename it to its real format or export it again."
    )


def _require_size(path: Path, header: NDArray[Any], size: int) -> None:
    needed = _needed_bytes(path, header)
    if size < needed:
        raise _damaged(path, f"{needed} bytes are needed for its {_shape(header)} voxels, but it holds {size}")


def _needed_bytes(path: Path, header: NDArray[Any]) -> int:
    """Bytes of the file, uncompressed, to the last voxel."""
    axes = int(header["dim"][0, 0])
    if not 1 <= axes <= 7 or int(header["dim"][0, 1 : axes + 1].min()) < 1:
        raise ImageError(f"The NIfTI header of {path} gives the size {header['dim'][0].tolist()}. Export it again.")
    # Exact integers: a product of 64-bit sizes from a damaged header could overflow.
    bits = math.prod(int(n) for n in header["dim"][0, 1 : axes + 1]) * int(header["bitpix"][0])
    offset = float(header["vox_offset"][0])
    if not 0 <= offset < 2**62 or bits < 0:
        raise ImageError(
            f"The NIfTI header of {path} puts its voxels at byte {offset:g} with {int(header['bitpix'][0])} bits each. "
            "Export it again."
        )
    return int(offset) + (bits + 7) // 8


def _require_finite_place(path: Path, header: NDArray[Any]) -> None:
    """Refuse transforms with NaN or infinite numbers, with which ITK never ends."""
    for code, fields in (("sform_code", ("srow",)), ("qform_code", ("quatern", "qoffset"))):
        if int(header[code][0]) != 0 and not all(np.isfinite(header[field]).all() for field in fields):
            raise GeometryError(
                f"The {code.removesuffix('_code')} of {path} has NaN or infinite numbers. Export the image again."
            )


def _require_finite(path: Path, data: Path, header: NDArray[Any]) -> None:
    kind = FLOATS.get(int(header["datatype"][0]))
    if kind is None:
        return
    if int(header["bitpix"][0]) != 8 * np.dtype(kind).itemsize:
        raise _damaged(path, f"its header gives {int(header['bitpix'][0])} bits to voxels of type {kind}")
    big_endian = header.dtype["sizeof_hdr"].byteorder == ">"
    shape = tuple(int(n) for n in header["dim"][0, int(header["dim"][0, 0]) : 0 : -1])
    mapped = np.memmap(
        data, np.dtype(kind).newbyteorder(">" if big_endian else "<"), "r", int(header["vox_offset"][0]), shape
    )
    require_finite(mapped, path)


def _damaged(path: Path, reason: str) -> ImageError:
    return ImageError(f"{path} is truncated or damaged: {reason}. Copy or export it again.")


def _shape(header: NDArray[Any]) -> str:
    return " × ".join(str(int(n)) for n in header["dim"][0, 1 : int(header["dim"][0, 0]) + 1])


def _unpack(path: Path, plain: Path, compressed: bool, most: int) -> None:
    unpacked = 0
    try:
        with gzip.open(path) if compressed else path.open("rb") as source, plain.open("wb") as target:
            while block := source.read(1 << 20):
                unpacked += len(block)
                if unpacked > most:
                    raise _damaged(path, f"it unpacks to more than {most} bytes, which its header does not promise")
                target.write(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, f"it cannot be unpacked ({str(error).rstrip('.')})") from error
    except OSError as error:
        raise StorageError(
            f"{path} could not be unpacked into {plain.parent}: {error.strerror}. Free space there, or set TMPDIR to a "
            "larger folder."
        ) from error


def _to_version_1(path: Path, plain: Path, header: NDArray[Any]) -> NDArray[Any]:
    """Replace the NIfTI-2 header in the copy `plain` by a NIfTI-1 header; geometry becomes float32."""
    if int(header["dim"].max()) > np.iinfo(np.int16).max:
        raise ImageError(f"{path} has {_shape(header)} voxels, more along an axis than can be read (32767). Split it.")
    big_endian = header.dtype["sizeof_hdr"].byteorder == ">"
    fresh: NDArray[Any] = np.zeros(1, HEADER_1.newbyteorder(">" if big_endian else "<"))
    for field in ("dim", *NEEDED_OF_2):
        fresh[field] = header[field]
    # NIfTI-2's data begin later than NIfTI-1's must, so they stay where they are.
    fresh["sizeof_hdr"], fresh["vox_offset"], fresh["magic"] = HEADER_1.itemsize, header["vox_offset"], b"n+1"
    with plain.open("r+b") as file:
        file.write(fresh.tobytes() + b"\0" * 4)
    return fresh


def _read_or_repair(path: Path, source: Path, header: NDArray[Any]) -> Any:
    """Read `source`, through a copy with a corrected sform where ITK would refuse it or take another spacing."""
    try:
        image = sitk.ReadImage(str(source))
    except RuntimeError as error:
        if "orthonormal" not in str(error) or int(header["sform_code"][0]) <= 0:
            raise
    else:
        if _spacing_agrees(image, header):
            return image
    with tempfile.TemporaryDirectory(prefix="ufseg-") as folder:
        copy = Path(folder) / "image.nii"
        _unpack(source, copy, compressed=False, most=source.stat().st_size)
        with copy.open("r+b") as file:
            file.write(_orthogonal(path, header).tobytes())
        return sitk.ReadImage(str(copy))


def _spacing_agrees(image: Any, header: NDArray[Any]) -> bool:
    """False if ITK took its directions from the sform but not the sform's spacing."""
    if int(header["sform_code"][0]) <= 0 or image.GetDimension() < 3:
        return True
    matrix = header["srow"][0, :, :3].astype(np.float64)
    lengths = np.linalg.norm(matrix, axis=0)
    if not np.all(np.isfinite(lengths)) or lengths.min() <= 0:
        return True
    n = image.GetDimension()
    cosines = np.asarray(image.GetDirection()).reshape(n, n)[:3, :3] * np.asarray([[-1], [-1], [1]])
    if not np.allclose(cosines, matrix / lengths, atol=1e-3):
        return True  # taken from the qform, which has no other spacing than pixdim's
    millimetres = MILLIMETRES.get(int(header["xyzt_units"][0]) & 7, 1.0)
    return bool(np.allclose(image.GetSpacing()[:3], lengths * millimetres, rtol=1e-3))


def _orthogonal(path: Path, header: NDArray[Any]) -> NDArray[Any]:
    """The header with pixdim from the sform and the closest orthogonal axes; the volume's centre stays in place."""
    affine = header["srow"][0].astype(np.float64)
    lengths = np.linalg.norm(affine[:, :3], axis=0)
    if not np.all(np.isfinite(affine)) or lengths.min() <= 0:
        raise GeometryError(f"The sform of {path} has an axis of length 0 or NaN. Export the image again.")
    axes = affine[:, :3] / lengths
    size = tuple(max(int(n), 1) for n in header["dim"][0, 1:4])
    closest = closest_orthogonal(axes, size, tuple(lengths.tolist()), str(path))
    half = (np.asarray(size) - 1) / 2 * lengths
    centre = affine[:, :3] @ (half / lengths) + affine[:, 3]
    repaired: NDArray[Any] = header.copy()
    repaired["srow"][0, :, :3] = closest * lengths
    repaired["srow"][0, :, 3] = centre - closest @ half
    repaired["pixdim"][0, 1:4] = lengths
    repaired["qform_code"] = 0
    return repaired
