"""A short run of the benchmark that reads damaged files; the long one is ``benchmarks/fuzz_readers.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ufseg.errors import DatasetError, GeometryError, ImageError
from ufseg.images.datasets import read_dataset
from ufseg.images.nifti import HEADER_1
from ufseg.images.reading import read_image

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "fuzz_readers.py"


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory")
def test_damaged_files_are_read_or_refused_in_a_sentence() -> None:
    command = [sys.executable, str(BENCHMARK), "--inputs", "340"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=300)
    assert done.stdout, done.stderr
    figures = json.loads(done.stdout)
    assert figures["findings"] == []
    assert figures["inputs"] == 340
    assert figures["most memory MiB"] < 600


class TestFound:
    """What the long run found."""

    @pytest.mark.parametrize("axes", ["65536", "11", "-1", "0", "nan", "", "3 3"])
    def test_axes_with_which_itk_crashes(self, tmp_path: Path, axes: str) -> None:
        path = tmp_path / "x.mha"
        path.write_bytes(
            f"ObjectType = Image\nNDims = {axes}\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
            "ElementDataFile = LOCAL\n".encode()
            + bytes(8)
        )
        with pytest.raises(ImageError, match="as its number of axes; an image has 2 or 3"):
            read_image(path)

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [("vox_offset", float("inf"), "byte inf"), ("vox_offset", -352.0, "byte -352"), ("bitpix", -8, "-8 bits each"),
         ("bitpix", 8, "8 bits to voxels of type f4")],
    )  # fmt: skip
    def test_where_nifti_voxels_lie(self, tmp_path: Path, field: str, value: float, said: str) -> None:
        header = np.zeros(1, HEADER_1)
        header["sizeof_hdr"], header["dim"][0, :4], header["pixdim"] = 348, (3, 2, 2, 2), 1
        header["datatype"], header["bitpix"], header["vox_offset"], header["magic"] = 16, 32, 352, b"n+1"
        header[field] = value
        (tmp_path / "x.nii").write_bytes(header.tobytes() + bytes(36))
        with pytest.raises(ImageError, match=said):
            read_image(tmp_path / "x.nii")

    def test_a_transform_with_which_itk_never_ends(self, tmp_path: Path) -> None:
        header = np.zeros(1, HEADER_1)
        header["sizeof_hdr"], header["dim"][0, :4], header["pixdim"] = 348, (3, 2, 2, 2), 1
        header["datatype"], header["bitpix"], header["vox_offset"], header["magic"] = 2, 8, 352, b"n+1"
        header["sform_code"], header["srow"][0, 0, 2] = 1, np.inf
        (tmp_path / "x.nii").write_bytes(header.tobytes() + bytes(12))
        with pytest.raises(GeometryError, match=r"sform of .* has NaN or infinite"):
            read_image(tmp_path / "x.nii")

    def test_a_tiff_file_that_ends_in_its_first_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "x.tif").write_bytes(b"II*\0\x08")
        with pytest.raises(ImageError, match="truncated"):
            read_image(tmp_path / "x.tif")

    def test_json_deeper_than_can_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "dataset.json").write_bytes(b'{"labels":' + b"[" * 100_000)
        with pytest.raises(DatasetError, match="no readable JSON"):
            read_dataset(tmp_path)
