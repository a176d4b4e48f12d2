"""Images as bytes on the wire: NRRD with an attached header and raw little-endian voxels.

Only what the backend and the module exchange is understood; every other file is the backend's business. Bodies are
streamed from the volume's own memory, so that sending a volume needs no second copy of it.

Source: https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from .errors import WireError
from .geometry import Geometry
from .translation import tr as _

_TYPES = {
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "uint16": np.uint16,
    "int32": np.int32,
    "uint32": np.uint32,
    "int64": np.int64,
    "uint64": np.uint64,
    "float": np.float32,
    "double": np.float64,
}
# Other spellings that NRRD allows and ITK writes.
_SPELLINGS = {
    "signed char": "int8",
    "uchar": "uint8",
    "unsigned char": "uint8",
    "short": "int16",
    "ushort": "uint16",
    "unsigned short": "uint16",
    "int": "int32",
    "uint": "uint32",
    "unsigned int": "uint32",
    "longlong": "int64",
    "long long": "int64",
    "long long int": "int64",
    "ulonglong": "uint64",
    "unsigned long long": "uint64",
    "unsigned long long int": "uint64",
}
_PIECE = 1 << 20


class Body:
    """A request body that is read piece by piece from memory that is not copied.

    Args:
        array: voxels, ``[k, j, i]`` or, with components, ``[k, j, i, component]``.
        geometry: the grid.
        on_read: called with the number of bytes sent so far; it may raise to stop the upload.

    Raises:
        WireError: the voxel type has no NRRD name, or the shape is not the geometry's.
    """

    def __init__(self, array: np.ndarray, geometry: Geometry, on_read: Callable[[int], None] | None = None) -> None:
        self.header = encode_header(array, geometry)
        voxels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        self._parts = (memoryview(self.header), memoryview(voxels.reshape(-1)).cast("B"))
        self.size = len(self.header) + voxels.nbytes
        self._on_read = on_read

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[memoryview]:
        """The whole body from its beginning, in pieces of at most a mebibyte."""
        done = 0
        for part in self._parts:
            for start in range(0, len(part), _PIECE):
                piece = part[start : start + _PIECE]
                yield piece
                done += len(piece)
                if self._on_read is not None:
                    self._on_read(done)

    def sha256(self) -> str:
        """Hex digest of the whole body, which is the file's name in the backend's store."""
        digest = hashlib.sha256()
        for part in self._parts:
            digest.update(part)
        return digest.hexdigest()


def encode_header(array: np.ndarray, geometry: Geometry) -> bytes:
    """NRRD header, with the empty line that ends it, of `array` (see `Body`)."""
    names = {np.dtype(t): name for name, t in _TYPES.items()}
    kind = names.get(array.dtype.newbyteorder("="))
    if kind is None:
        raise WireError(
            _("Voxels of type {kind} cannot be sent. Cast the volume to a number type first.").format(kind=array.dtype)
        )
    if array.shape[:3] != geometry.array_shape or array.ndim not in (3, 4):
        raise WireError(
            _("An array of shape {shape} does not fit the grid {grid} (k, j, i).").format(
                shape=array.shape, grid=geometry.array_shape
            )
        )
    steps = (geometry.ijk_to_lps[:3, :3]).T
    directions = [_vector(step) for step in steps]
    sizes, kinds = list(geometry.size), ["domain"] * 3
    if array.ndim == 4:
        sizes, kinds, directions = [array.shape[3], *sizes], ["vector", *kinds], ["none", *directions]
    lines = [
        "NRRD0005",
        f"type: {kind}",
        f"dimension: {array.ndim}",
        "space: left-posterior-superior",
        "sizes: " + " ".join(map(str, sizes)),
        "space directions: " + " ".join(directions),
        "kinds: " + " ".join(kinds),
        "endian: little",
        "encoding: raw",
        "space origin: " + _vector(np.asarray(geometry.origin)),
    ]
    return ("\n".join(lines) + "\n\n").encode("ascii")


def encode(array: np.ndarray, geometry: Geometry) -> bytes:
    """The whole file as bytes; for small images and tests."""
    return b"".join(bytes(piece) for piece in Body(array, geometry))


def decode(data: bytes | bytearray) -> tuple[np.ndarray, Geometry]:
    """Array ``[k, j, i]`` (or ``[k, j, i, component]``) and grid of an attached raw NRRD; the array shares `data`.

    Raises:
        WireError: not such a file, or cut short.
    """
    end = data.find(b"\n\n")
    if not data.startswith(b"NRRD000") or end < 0:
        raise WireError(
            _(
                "The backend sent {count} bytes that are not an NRRD image. "
                "Check that the module and the backend have the same version."
            ).format(count=len(data))
        )
    fields = _fields(data[:end].decode("latin-1"))
    if fields.get("encoding") != "raw" or fields.get("endian", "little") != "little":
        raise WireError(
            _(
                "The backend sent an NRRD image with encoding {encoding} and byte order {order}; raw and little are "
                "expected."
            ).format(encoding=fields.get("encoding"), order=fields.get("endian"))
        )
    kind = _SPELLINGS.get(fields["type"], fields["type"])
    if kind not in _TYPES:
        raise WireError(_("The backend sent an NRRD image of the unknown voxel type {kind}.").format(kind=kind))
    sizes = [int(s) for s in fields["sizes"].split()]
    geometry = _geometry(fields, sizes)
    components = sizes[0] if len(sizes) == 4 else None
    shape = geometry.array_shape if components is None else (*geometry.array_shape, components)
    dtype = np.dtype(_TYPES[kind]).newbyteorder("<")
    needed = int(np.prod(shape)) * dtype.itemsize
    if len(data) - (end + 2) < needed:
        raise WireError(
            _("An image from the backend is cut short: {arrived} of {needed} bytes arrived. Try again.").format(
                arrived=len(data) - end - 2, needed=needed
            )
        )
    return np.frombuffer(data, dtype=dtype, count=int(np.prod(shape)), offset=end + 2).reshape(shape), geometry


def _fields(header: str) -> dict[str, str]:
    lines = (line for line in header.splitlines()[1:] if line and not line.startswith("#") and ":=" not in line)
    return {key.strip(): value.strip() for key, _colon, value in (line.partition(":") for line in lines)}


def _geometry(fields: dict[str, str], sizes: list[int]) -> Geometry:
    directions = fields.get("space directions", "")
    steps = [tuple(float(n) for n in v.strip("()").split(",")) for v in directions.split() if v != "none"]
    spatial = sizes[1:] if len(sizes) == 4 else sizes
    known = fields.get("space") in ("left-posterior-superior", "LPS")
    if len(sizes) == 2 and len(steps) == 2 and len(steps[0]) == 2:  # ITK writes no patient axes for flat images
        spatial = [*spatial, 1]
        steps = [(*steps[0], 0.0), (*steps[1], 0.0), (0.0, 0.0, 1.0)]
        fields = {**fields, "space origin": fields["space origin"].rstrip(")") + ",0)"}
        known = True
    if not known or len(spatial) != 3 or len(steps) != 3 or len(steps[0]) != 3:
        raise WireError(
            _(
                "The backend sent an NRRD image with sizes {sizes}, space {space} and directions {directions}; a "
                "volume in left-posterior-superior space is expected."
            ).format(sizes=sizes, space=fields.get("space"), directions=directions)
        )
    matrix = np.asarray(steps, dtype=float).T
    spacing = np.linalg.norm(matrix, axis=0)
    origin = tuple(float(n) for n in fields["space origin"].strip("()").split(","))
    return Geometry(
        tuple(spatial), tuple(map(float, spacing)), origin, tuple(map(float, (matrix / spacing).reshape(-1)))
    )


def _vector(values: np.ndarray) -> str:
    return "(" + ",".join(repr(float(v)) for v in values) + ")"
