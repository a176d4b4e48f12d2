"""Small files that claim, or unfold to, huge images are refused before they take memory or disk."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ufseg.errors import ImageError, InputError
from ufseg.images.nifti import HEADER_1, HEADER_2, LONGEST_APPENDIX
from ufseg.images.reading import read_image
from ufseg.images.size_limit import VARIABLE


def _nifti(axes: tuple[int, int, int], version: int = 1) -> bytes:
    layout = HEADER_1 if version == 1 else HEADER_2
    header = np.zeros(1, layout)
    header["sizeof_hdr"], header["dim"][0, :4] = layout.itemsize, (3, *axes)
    header["dim"][0, 4:] = 1
    header["datatype"], header["bitpix"], header["pixdim"] = 2, 8, 1
    header["vox_offset"], header["magic"] = layout.itemsize + 4, b"n+1" if version == 1 else b"n+2\0\r\n\x1a\n"
    return header.tobytes() + bytes(4)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def _bombs() -> dict[str, bytes]:
    nrrd = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 30000 30000 30000\nencoding: gzip\n\n" + gzip.compress(
        bytes(9)
    )
    mha = b"ObjectType = Image\nNDims = 3\nDimSize = 30000 30000 30000\nElementType = MET_UCHAR\n"
    return {
        "a.nii": _nifti((30000, 30000, 30000)),
        "b.nii.gz": gzip.compress(_nifti((30000, 30000, 30000))),
        "c.nii.gz": gzip.compress(_nifti((2**40, 2**40, 2), version=2)),
        "d.nrrd": nrrd,
        "e.mha": mha + b"ElementDataFile = LOCAL\n" + bytes(9),
        "f.png": _png(2_000_000, 2_000_000),
    }


@pytest.mark.parametrize("name", sorted(_bombs()))
def test_a_header_that_claims_too_much_is_refused_with_the_numbers(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(_bombs()[name])
    with pytest.raises(ImageError, match=r"GB of voxels in \d+ bytes|cannot be read"):
        read_image(path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory")
def test_no_bomb_takes_memory(tmp_path: Path) -> None:
    for name, content in _bombs().items():
        (tmp_path / name).write_bytes(content)
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from ufseg.errors import ImageError; from ufseg.images.reading import read_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: read_image(path)\n"
        "    except ImageError: continue\n"
        "    sys.exit(f'{path} was read')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, encoding="utf-8", check=True
    )
    assert int(done.stdout) < 64 * 1024  # KiB


def test_a_gzip_bomb_is_not_unfolded_beyond_what_its_header_promises(tmp_path: Path) -> None:
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(_nifti((4, 4, 4)) + bytes(64 + 2 * LONGEST_APPENDIX), 1))
    with pytest.raises(ImageError, match=f"unpacks to more than {352 + 64 + LONGEST_APPENDIX} bytes"):
        read_image(path)


def test_the_limit_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sitk.WriteImage(sitk.Image(100, 100, 10, sitk.sitkInt16), str(tmp_path / "x.nrrd"))
    monkeypatch.setenv(VARIABLE, "0.0002")
    assert read_image(tmp_path / "x.nrrd").geometry.size == (100, 100, 10)
    monkeypatch.setenv(VARIABLE, "0.00019")
    with pytest.raises(ImageError, match=VARIABLE):
        read_image(tmp_path / "x.nrrd")
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(InputError, match="'much'"):
        read_image(tmp_path / "x.nrrd")
